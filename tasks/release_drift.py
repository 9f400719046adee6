"""How much the answers of two releases differ on images that did not change: no labels needed."""

import numpy as np
import numpy.typing as npt

from tasks.index.cosine import normalize
from tasks.index.engine import ImageSearchEngine
from tasks.index.vector_index import read_index
from tasks.lake import layout
from tasks.lake.arrays import StoredRows
from tasks.lake.cache import local_file
from tasks.lake.catalogue import Image
from tasks.lake.lines import read_lines
from tasks.lake.manifest import Manifest
from tasks.lake.store import Store
from tasks.release_ranking import ranking_of, read_mean
from tasks.settings import Settings

_PROBES = 200
_NEIGHBOURS = 10
# Asked for, so that enough are left when those that only one release has are passed over.
_ASKED = 50


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
    lost = total = 0
    for name in _unchanged(lake, old, new):
        before = _nearest(one, other, name)
        now = _nearest(other, one, name)
        lost += len(before - now)
        total += len(before)
    return lost / total if total else None


def least_cosine(lake: Store, old: Manifest, new: Manifest) -> float | None:
    """Returns the lowest cosine between the two vectors of an unchanged image.

    Args:
        lake: the data lake.
        old: the release to compare with.
        new: the release to judge; made with the same model.

    Returns:
        Within [-1, 1]; None if the releases have no unchanged image in common.
    """
    names = set(_unchanged(lake, old, new))
    if not names:
        return None
    before, now = (_vectors(lake, release, names) for release in (old, new))
    return float(np.vecdot(normalize(before), normalize(now)).min())


def _vectors(lake: Store, release: Manifest, names: set[str]) -> npt.NDArray[np.float32]:
    """Returns the vectors (len(names), d) of some images, ordered by name."""
    images = read_lines(lake, release.artifacts[layout.CATALOGUE], Image)
    rows = [image.row for image in images if image.name in names and image.row is not None]
    vectors = StoredRows(lake, release.artifacts[layout.NPY_IMAGE_VECTORS])
    return np.asarray(vectors.read_rows(rows), np.float32)


def _engine(lake: Store, release: Manifest, settings: Settings) -> ImageSearchEngine:
    artifacts = release.artifacts
    return ImageSearchEngine(
        read_index(
            local_file(lake, artifacts[layout.IMAGE_INDEX], settings.cache, settings.cache_bytes)
        ),
        StoredRows(lake, artifacts[layout.NPY_IMAGE_VECTORS], mapped=True),
        StoredRows(lake, artifacts[layout.NPY_IMAGE_NAMES], mapped=True),
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


def _nearest(engine: ImageSearchEngine, other: ImageSearchEngine, name: str) -> set[str]:
    hits = [hit for _, hit in engine.most_similar_to_name(name, _ASKED) if hit != name]
    return set([hit for hit in hits if hit in other][:_NEIGHBOURS])
