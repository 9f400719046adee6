"""How much the answers of two releases differ on images that did not change: no labels needed."""

from itertools import islice

import numpy as np
import numpy.typing as npt

from tasks.index.cosine import normalize
from tasks.index.engine import ImageSearchEngine
from tasks.index.rows import ArrayRows
from tasks.index.vector_index import read_index
from tasks.lake import layout
from tasks.lake.arrays import WIDE_GAP
from tasks.lake.cache import local_file
from tasks.lake.catalogue import Image
from tasks.lake.lines import read_lines
from tasks.lake.manifest import Manifest
from tasks.lake.store import Store
from tasks.release_arrays import open_rows
from tasks.release_ranking import ranking_of, read_mean
from tasks.settings import Settings

_PROBES = 180
_NEIGHBOURS = 10
# Asked for: the image itself and its neighbours; more where only one release has some of those.
# Not more at once: images far down the list are about equally unlike it, and to tell those apart
# exactly a search reads tens of thousands of vectors.
_ASKED = (_NEIGHBOURS + 1, 50)


def neighbours_changed(
    lake: Store, old: Manifest, new: Manifest, settings: Settings
) -> float | None:
    """Returns the share of the nearest neighbours of unchanged images that another release lost.

    Args:
        lake: the data lake.
        old: the release to compare with.
        new: the release to judge.
        settings: cache of this machine.

    Returns:
        Within [0, 1]; None if the releases have no unchanged image in common.
    """
    one, other = (_engine(lake, release, settings) for release in (old, new))
    names = _unchanged(lake, old, new)
    before, now = _nearest(one, other, names), _nearest(other, one, names)
    lost = sum(len(before[name] - now[name]) for name in names)
    total = sum(map(len, before.values()))
    return lost / total if total else None


def least_cosine(lake: Store, old: Manifest, new: Manifest, settings: Settings) -> float | None:
    """Returns the lowest cosine between the two vectors of an unchanged image.

    Args:
        lake: the data lake.
        old: the release to compare with.
        new: the release to judge; made with the same model.
        settings: cache of this machine.

    Returns:
        Within [-1, 1]; None if the releases have no unchanged image in common. A zero vector that
        is one again counts as 1.
    """
    names = set(_unchanged(lake, old, new))
    if not names:
        return None
    before, now = (_vectors(lake, release, names, settings) for release in (old, new))
    cosines = np.vecdot(normalize(before), normalize(now))
    stayed_zero = ~(before.any(axis=1) | now.any(axis=1))
    return float(np.where(stayed_zero, 1, cosines).min())


def _vectors(
    lake: Store, release: Manifest, names: set[str], settings: Settings
) -> npt.NDArray[np.float32]:
    """Returns the vectors (len(names), d) of some images, ordered by name."""
    images = read_lines(lake, release.artifacts[layout.CATALOGUE], Image)
    rows = [image.row for image in images if image.name in names and image.row is not None]
    vectors, _ = open_rows(lake, release, settings, WIDE_GAP)
    return np.asarray(vectors.read_rows(np.array(rows, np.int64)), np.float32)


def _engine(lake: Store, release: Manifest, settings: Settings) -> ImageSearchEngine:
    artifacts = release.artifacts
    # Names are looked up by the thousand, each one a request a step of a binary search.
    index, names = (
        local_file(lake, artifacts[name], settings.cache, settings.cache_bytes)
        for name in (layout.IMAGE_INDEX, layout.NPY_IMAGE_NAMES)
    )
    return ImageSearchEngine(
        read_index(index),
        open_rows(lake, release, settings, WIDE_GAP)[0],
        ArrayRows(np.load(names, mmap_mode="r", allow_pickle=False)),
        ranking=ranking_of(release),
        mean=read_mean(lake, release),
    )


def _unchanged(lake: Store, old: Manifest, new: Manifest) -> list[str]:
    """Returns images of the same name and content in both, evenly spread over the old one."""
    wanted = set(np.linspace(0, old.counts.images - 1, _PROBES).astype(int).tolist())
    probes = {
        image.name: image.sha256
        for image in read_lines(lake, old.artifacts[layout.CATALOGUE], Image)
        if image.row in wanted
    }
    return [
        image.name
        for image in read_lines(lake, new.artifacts[layout.CATALOGUE], Image)
        if image.row is not None and image.name in probes and probes[image.name] == image.sha256
    ]


def _nearest(
    engine: ImageSearchEngine, other: ImageSearchEngine, names: list[str]
) -> dict[str, set[str]]:
    """Returns the nearest neighbours that both releases have, of each image."""
    common: dict[str, set[str]] = {}
    for asked in _ASKED:
        open_ = [name for name in names if len(common.get(name, ())) < _NEIGHBOURS]
        for name, answer in zip(open_, engine.most_similar_to_names(open_, asked), strict=True):
            hits = (hit for _, hit in answer if hit != name and hit in other)
            common[name] = set(islice(hits, _NEIGHBOURS))
    return common
