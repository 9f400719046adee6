"""The rows of the next release, in order: what stays, and what the run's shards bring."""

import heapq
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.arrays import StoredRows, npy_is_whole
from tasks.lake.catalogue import Image
from tasks.lake.lines import read_lines
from tasks.lake.manifest import Manifest
from tasks.lake.store import Store
from tasks.landing import read_landing
from tasks.run_plan import RunPlan

_BATCH = 1024


@dataclass(frozen=True)
class Entry:
    """One image of the next release, and where its vector is now; nowhere if rejected."""

    image: Image
    vectors: StoredRows | None
    row: int


def merge_entries(
    lake: Store, plan: RunPlan, latest: Manifest | None, base: Manifest | None
) -> Iterator[Entry]:
    """Yields every image of the next release, ordered by name.

    Args:
        lake: the data lake.
        plan: of the run; all its shards are complete.
        latest: the release that the next one follows: what the run did not look at stays as it is
            there.
        base: the release that the run was planned against: what did not change is taken from there.

    Raises:
        UserError: a shard is not complete or does not fit together.
    """
    seen = _seen_by_run(lake, plan, base)
    return heapq.merge(
        seen, _outside(lake, plan.prefix, latest), key=lambda entry: entry.image.name
    )


def vector_batches(entries: Iterable[Entry], dimensions: int) -> Iterator[npt.NDArray[np.float32]]:
    """Yields the vectors of the entries that have one, as batches (k, dimensions), in order."""
    rows = (entry for entry in entries if entry.vectors is not None)
    while batch := list(itertools.islice(rows, _BATCH)):
        vectors = np.empty((len(batch), dimensions), np.float32)
        by_source: dict[StoredRows, list[int]] = {}
        for position, entry in enumerate(batch):
            if entry.vectors is not None:
                by_source.setdefault(entry.vectors, []).append(position)
        for source, positions in by_source.items():
            vectors[positions] = source.read_rows([batch[position].row for position in positions])
        yield vectors


def _outside(lake: Store, prefix: str, latest: Manifest | None) -> Iterator[Entry]:
    if latest is None or not prefix:
        return
    vectors = _release_vectors(lake, latest)
    for image in read_lines(lake, latest.artifacts[layout.CATALOGUE].path, Image):
        if not image.name.startswith(prefix):
            yield _kept(image, vectors)


def _seen_by_run(lake: Store, plan: RunPlan, base: Manifest | None) -> Iterator[Entry]:
    vectors = _release_vectors(lake, base) if base else None
    embedded = _embedded(lake, plan)
    for image in read_lines(lake, layout.run_catalogue(plan.run), Image):
        if not image.is_new:
            yield _kept(image, vectors)
        elif entry := next(embedded, None):
            yield entry


def _kept(image: Image, vectors: StoredRows | None) -> Entry:
    return Entry(image, None, -1) if image.row is None else Entry(image, vectors, image.row)


def _embedded(lake: Store, plan: RunPlan) -> Iterator[Entry | None]:
    """Yields what became of each image worked on, in order; None if it went meanwhile."""
    for shard in plan.shards:
        yield from _embedded_shard(lake, plan, shard.shard)


def _embedded_shard(lake: Store, plan: RunPlan, shard: str) -> Iterator[Entry | None]:
    path = layout.shard_vectors(plan.model, shard)
    report = read_landing(lake, shard)
    if report is None or not npy_is_whole(lake, path):
        raise UserError(f"shard {shard} is not complete; clear its failed tasks and run them again")
    vectors = StoredRows(lake, path)
    names, digests = (
        _column(lake, layout.landing(shard, name))
        for name in (layout.NPY_IMAGE_NAMES, layout.NPY_IMAGE_DIGESTS)
    )
    if not len(vectors) == len(names) == len(digests) == report.images:
        raise UserError(f"shard {shard} does not fit together; run image_reindex with full_rebuild")
    rows = {str(name): row for row, name in enumerate(names)}
    rejected = {member.name: member for member in report.rejected}
    for image in read_lines(lake, layout.shard_members(plan.run, shard), Image):
        if image.name in rows:
            row = rows[image.name]
            found = image.model_copy(update={"sha256": str(digests[row])})
            yield Entry(found, vectors, row)
        elif (member := rejected[image.name]).passing:
            yield None
        else:
            reason = {"rejected": member.reason, "sha256": member.sha256}
            yield Entry(image.model_copy(update=reason), None, -1)


def _column(lake: Store, path: str) -> npt.NDArray[Any]:
    rows = StoredRows(lake, path)
    return rows.read_rows(np.arange(len(rows)))


def _release_vectors(lake: Store, release: Manifest) -> StoredRows:
    return StoredRows(lake, release.artifacts[layout.NPY_IMAGE_VECTORS].path)
