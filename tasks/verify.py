"""verify: reads releases end to end and names each damaged, missing or extra object."""

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise, zip_longest
from typing import Any

import numpy as np

from tasks.contract import Summary, timed
from tasks.errors import UserError
from tasks.index.vector_index import read_index
from tasks.lake import layout
from tasks.lake.arrays import npy_shape, read_npy_batches
from tasks.lake.cache import local_file
from tasks.lake.catalogue import Image
from tasks.lake.lines import read_lines
from tasks.lake.manifest import Manifest
from tasks.lake.releases import Releases
from tasks.lake.store import Artifact, DamagedError, Store
from tasks.model import ModelCard, clear_model_damage, find_card, note_model_damage
from tasks.progress import track
from tasks.settings import Settings

_BATCH = 4096

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Problem:
    """What is wrong with one object; an extra one does no harm."""

    path: str
    kind: str
    detail: str = ""


def verify(
    lake: Store, settings: Settings, *, version: int = 0, read_only: bool = False
) -> Summary:
    """Checks a release: every object against its digest, and whether they fit together.

    Unless `read_only`, a release found damaged is marked: search and reindex pass it over from then
    on, and the next reindex makes another. So is its model, which the next reindex builds again. A
    mark goes when a later look finds nothing.

    Args:
        lake: the data lake.
        settings: cache of this machine.
        version: of the release; 0 for the newest.
        read_only: do not mark it.

    Returns:
        The release, what was read, and the problems found; also those of a vector database that is
        set, where it holds the release.

    Raises:
        UserError: there is no such release.
        TransferError: a vector database is set and does not answer.
    """
    releases = Releases(lake)
    release = releases.get(version) if version else next(releases.newest_first(), None)
    if release is None and (lost := releases.unreadable()) and version in (0, *lost):
        raise UserError(
            f"the manifest of release {version or lost[-1]} is damaged or lost; run image_reindex "
            "to make another release"
        )
    if release is None:
        raise UserError(
            f"there is no release {version or ''} in {lake}; `releases` lists those there are"
        )
    with timed() as summary:
        artifacts = list(release.artifacts.values())
        forms, of_model = _check_model(lake, release)
        of_release = [*_damaged(lake, artifacts)]
        if not of_release:
            of_release += _mismatches(lake, release, settings)
        if not version:
            of_release += _lost_after(lake, release)
        extra = [*_extra(lake, release)]
        problems = [*of_release, *of_model, *extra]
        for problem in problems:
            logger.warning("%s: %s: %s", problem.kind, lake.uri(problem.path), problem.detail)
        if not read_only:
            _mark(lake, release, of_release, of_model)
        summary |= {
            "release": release.version,
            "sound": not (of_release or of_model),
            "release_sound": not of_release,
            "model_sound": not of_model,
            "search_may_use": _other(releases, release),
            "objects": len(artifacts) + len(forms),
            "bytes": sum(artifact.bytes for artifact in (*artifacts, *forms)),
            "problems": [asdict(problem) for problem in problems],
        }
        if settings.vector_database.uri and not of_release:
            summary["vector_database"] = _in_database(lake, release, settings)
    return summary


def _in_database(lake: Store, release: Manifest, settings: Settings) -> dict[str, Any]:
    """Compares a release with what the vector database holds of it, if it does."""
    from tasks.vector_database import compare, opened_database, recall_at_10

    with opened_database(settings.vector_database) as database:
        held = sorted(database.held())
        if release.version not in held:
            return {"held": held, "problems": []}
        problems = compare(lake, database, release)
        for problem in problems:
            logger.warning("vector database: %s", problem)
        recall = None if problems else recall_at_10(lake, database, release)
        return {"held": held, "problems": problems, "recall_at_10": recall}


def _other(releases: Releases, release: Manifest) -> int | None:
    """Returns the newest release that counts as sound, other than the one looked at."""
    others = (other for other in releases.newest_first() if other.version != release.version)
    return next((other.version for other in others if releases.is_sound(other)), None)


def _model(release: Manifest) -> ModelCard:
    return ModelCard.model_validate(release.model)


def _check_model(lake: Store, release: Manifest) -> tuple[list[Artifact], list[Problem]]:
    """Returns the files of a release's model, as its card names them, and what is wrong with it."""
    own = _model(release)
    path = layout.model(own.id, layout.MODEL_CARD)
    card, problems = find_card(lake, own.id), []
    if card is None and not lake.exists(path):
        problems = [Problem(path, "missing", "there is no such object")]
    elif card is None or card.identity != own.identity:
        problems = [Problem(path, "damaged", "it does not describe the model of the release")]
    artifacts = list((own if card is None or problems else card).artifacts.values())
    return artifacts, [*problems, *_damaged(lake, artifacts)]


def _mark(
    lake: Store, release: Manifest, of_release: list[Problem], of_model: list[Problem]
) -> None:
    releases, model = Releases(lake), _model(release).id
    if of_release:
        releases.note_damage(release.version, _lines(of_release))
    elif releases.damage(release.version) is not None:
        releases.clear_damage(release.version)
    if of_model:
        note_model_damage(lake, model, _lines(of_model))
    elif lake.exists(layout.model(model, layout.DAMAGE)):
        clear_model_damage(lake, model)


def _lines(problems: list[Problem]) -> list[str]:
    return [f"{problem.path}: {problem.kind}, {problem.detail}" for problem in problems]


def _lost_after(lake: Store, release: Manifest) -> Iterator[Problem]:
    """Yields the manifests of newer releases that nobody can read any longer."""
    for version in Releases(lake).unreadable(release.version):
        path = layout.release(version, layout.MANIFEST)
        kind = "damaged" if lake.exists(path) else "missing"
        yield Problem(path, kind, f"release {version}, made since, cannot be read")


def _damaged(lake: Store, artifacts: list[Artifact]) -> Iterator[Problem]:
    for artifact in track(artifacts, len(artifacts), "reading objects"):
        if not lake.exists(artifact.path):
            yield Problem(artifact.path, "missing", "there is no such object")
            continue
        try:
            lake.verify(artifact)
        except DamagedError:
            yield Problem(artifact.path, "damaged", f"its digest is not {artifact.sha256}")


def _extra(lake: Store, release: Manifest) -> Iterator[Problem]:
    known = {artifact.path for artifact in release.artifacts.values()}
    known |= {layout.release(release.version, name) for name in layout.RELEASE_PAPERS}
    for item in lake.objects(layout.release(release.version, "").rstrip("/")):
        if item.path not in known:
            yield Problem(item.path, "extra", f"{item.bytes} bytes that no manifest names")


def _mismatches(lake: Store, release: Manifest, settings: Settings) -> Iterator[Problem]:
    """Yields where the objects of a release, each as it was stored, contradict each other."""
    vectors, names, index, catalogue = (
        release.artifacts[name]
        for name in (
            layout.NPY_IMAGE_VECTORS,
            layout.NPY_IMAGE_NAMES,
            layout.IMAGE_INDEX,
            layout.CATALOGUE,
        )
    )
    count, dimensions = release.counts.images, _model(release).dimensions
    if npy_shape(lake, vectors.path) != (count, dimensions):
        yield Problem(
            vectors.path, "damaged", f"it does not have the shape ({count}, {dimensions})"
        )
    elif not all(np.isfinite(rows).all() for rows in read_npy_batches(lake, vectors, _BATCH)):
        yield Problem(vectors.path, "damaged", "it has a vector that is not finite")
    stored = read_index(local_file(lake, index, settings.cache, settings.cache_bytes))
    if (stored.ntotal, stored.d) != (count, dimensions):
        yield Problem(index.path, "damaged", f"it does not hold {count} x {dimensions}")
    rows = (image for image in read_lines(lake, catalogue, Image) if image.row is not None)
    pairs = zip_longest(_names(lake, names), rows)
    if not all(
        image and name == image.name and image.row == row for row, (name, image) in enumerate(pairs)
    ):
        yield Problem(
            names.path, "damaged", "it does not name the images of the catalogue in order"
        )
    if not all(one < other for one, other in pairwise(_names(lake, names))):
        yield Problem(names.path, "damaged", "it is not in order")


def _names(lake: Store, names: Artifact) -> Iterator[str]:
    return (str(name) for batch in read_npy_batches(lake, names, _BATCH) for name in batch)
