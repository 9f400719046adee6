"""Groups of images that look nearly the same, so that people can clean a catalogue.

Once a release, all pairs above the lowest threshold are looked up: the index proposes the nearest
of each image, the vectors decide. Any threshold above is then a matter of milliseconds.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.errors import UserError
from tasks.index.centre import CentredRows
from tasks.index.cosine import normalize
from tasks.index.rows import BATCH_ROWS, RowReader
from tasks.index.vector_index import propose, read_index
from tasks.lake import layout
from tasks.lake.arrays import StoredRows, read_npy_batches, write_npy
from tasks.lake.cache import local_file
from tasks.lake.manifest import Manifest
from tasks.lake.store import Store, TransferError
from tasks.page.open_releases import OpenRelease
from tasks.release_ranking import read_mean
from tasks.settings import Settings

LOWEST = 0.9
# An image with more near copies than this still joins all of them, through one another.
_NEIGHBOURS = 16
_BATCH = 128
# How far an estimate of the index may be off; what it puts lower is not scored.
_MARGIN = 0.08
# Each is compared with each, if only by one bit a dimension: time grows with the square of them.
# 100,000 take some three minutes (`benchmarks/page.py`), so these take half an hour.
MOST_IMAGES = 300_000
_SHOWN = 24
_KEPT_GROUPINGS = 4
# How often progress is left in the lake, and after which it is that of somebody who has died.
_REPORT_SECONDS = 3.0
_STALE_SECONDS = 60.0

PAIR = np.dtype([("first", "<i4"), ("second", "<i4"), ("score", "<f4")])
Pairs = npt.NDArray[Any]

logger = logging.getLogger(__name__)


@dataclass
class _Job:
    """One look through a release: how far it is, or how it ended."""

    images: int
    done: int = 0
    failed: str = ""
    reported: float = 0.0

    def is_running(self) -> bool:
        """Tells whether it has not ended."""
        return self.done < self.images and not self.failed


@dataclass
class NearDuplicates:
    """Near-duplicates of releases; one release is looked through at a time.

    How far that is, stands in the lake, too: another worker may be asked next.
    """

    lake: Store
    settings: Settings
    _jobs: dict[int, _Job] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _grouped: dict[tuple[int, float], list[list[int]]] = field(default_factory=dict)

    def start(self, release: OpenRelease) -> dict[str, Any]:
        """Starts to look through a release, in the background, unless that has been done."""
        manifest = release.manifest
        if manifest.counts.images > MOST_IMAGES:
            raise UserError(
                f"{manifest.counts.images:,} images are too many to compare on this page; "
                f"it takes {MOST_IMAGES:,} at most"
            )
        with self._lock:
            if not self.is_busy() and self.state(release)["state"] in ("missing", "failed"):
                job = self._jobs[manifest.version] = _Job(manifest.counts.images)
                threading.Thread(target=self._work, args=(manifest, job), daemon=True).start()
        return self.state(release)

    def is_busy(self) -> bool:
        """Tells whether a release is being looked through here."""
        return any(job.is_running() for job in self._jobs.values())

    def state(self, release: OpenRelease) -> dict[str, Any]:
        """Tells whether the pairs of a release are there, or how far the work is."""
        version = release.manifest.version
        if self._is_there(version):
            return {"state": "ready", "release": version}
        if job := self._jobs.get(version):
            if job.failed:
                return {"state": "failed", "release": version, "reason": job.failed}
            return _running(version, job.done, job.images)
        if there := self._elsewhere(version):
            return _running(version, int(there["done"]), int(there["images"]))
        return {"state": "missing", "release": version}

    def groups(
        self, release: OpenRelease, threshold: float, offset: int, limit: int
    ) -> dict[str, Any]:
        """Lists the groups, the largest first; an image is in one group at most.

        Two images are in a group if they are alike, or each is like a third one of the group.

        Raises:
            UserError: the threshold is too low, or the release has not been looked through.
        """
        if not LOWEST <= threshold <= 1:
            raise UserError(f"the threshold must be from {LOWEST} to 1, not {threshold}")
        version = release.manifest.version
        if not self._is_there(version):
            raise UserError("nobody has looked for near-duplicates in this release yet; start it")
        found = self._grouping(version, round(threshold, 4))
        return {
            "release": version,
            "threshold": threshold,
            "total": len(found),
            "images": sum(map(len, found)),
            "groups": [self._described(release, rows) for rows in found[offset : offset + limit]],
        }

    def _grouping(self, version: int, threshold: float) -> list[list[int]]:
        key = version, threshold
        if found := self._grouped.get(key):
            return found
        stored = [*read_npy_batches(self.lake, layout.near_duplicates(version), BATCH_ROWS)]
        pairs = np.concatenate(stored or [np.empty(0, PAIR)])
        found = group(pairs[pairs["score"] >= threshold - 1e-6])
        with self._lock:
            for old in list(self._grouped)[: 1 - _KEPT_GROUPINGS]:
                del self._grouped[old]
            self._grouped[key] = found
        return found

    def _described(self, release: OpenRelease, rows: list[int]) -> dict[str, Any]:
        shown = rows[:_SHOWN]
        names = release.table.names_of(shown)
        return {"size": len(rows), "names": [names[row] for row in shown]}

    def _is_there(self, version: int) -> bool:
        return self.lake.exists(layout.near_duplicates(version))

    def _elsewhere(self, version: int) -> dict[str, Any] | None:
        """Returns how far another worker is, if one is at it."""
        try:
            told = self.lake.read_json(layout.near_duplicates_progress(version))
        except FileNotFoundError:
            return None
        age = time.time() - float(told["at"])
        return dict(told) if abs(age) < _STALE_SECONDS else None

    def _report(self, version: int, job: _Job) -> None:
        if time.monotonic() - job.reported < _REPORT_SECONDS:
            return
        job.reported = time.monotonic()
        told = {"done": job.done, "images": job.images, "at": time.time()}
        with suppress(TransferError):  # the next one will do
            self.lake.write_json(layout.near_duplicates_progress(version), told)

    def _work(self, manifest: Manifest, job: _Job) -> None:
        try:
            pairs = np.concatenate([*self._pairs(manifest, job), np.empty(0, PAIR)])
            path = layout.near_duplicates(manifest.version)
            write_npy(self.lake, path, pairs.shape, PAIR, [pairs])
            job.done = job.images
        except Exception as error:  # pylint: disable=broad-exception-caught  # the thread's last word
            logger.exception("looking for near-duplicates failed")
            job.failed = f"{type(error).__name__}: {error}"

    def _pairs(self, manifest: Manifest, job: _Job) -> Iterator[Pairs]:
        artifacts = manifest.artifacts
        index = read_index(
            local_file(
                self.lake,
                artifacts[layout.IMAGE_INDEX],
                self.settings.cache,
                self.settings.cache_bytes,
            )
        )
        stored = StoredRows(self.lake, artifacts[layout.NPY_IMAGE_VECTORS], kept_open=True)
        # As the index has them, and as searches score them.
        vectors = CentredRows(stored, read_mean(self.lake, manifest))
        for start in range(0, len(vectors), _BATCH):
            rows = np.arange(start, min(start + _BATCH, len(vectors)))
            yield near_pairs(index, vectors, rows)
            # The last image is done when the pairs are stored.
            job.done = min(int(rows[-1]), job.images - 1)
            self._report(manifest.version, job)


def _running(version: int, done: int, images: int) -> dict[str, Any]:
    return {"state": "running", "release": version, "done": done, "images": images}


def near_pairs(index: Any, vectors: RowReader, rows: npt.NDArray[np.int64]) -> Pairs:
    """Returns the pairs of some rows with other rows that reach the lowest threshold.

    Args:
        index: the index over `vectors`.
        vectors: those rows (N, d) float32.
        rows: which rows to look up, (n,).

    Returns:
        (m,) of `PAIR`, the smaller row first. A pair of two rows of `rows` may come twice.
    """
    queries = normalize(vectors.read_rows(rows))
    found, estimates = propose(index, queries, min(_NEIGHBOURS + 1, len(vectors)))
    likely = (found >= 0) & (found != rows[:, np.newaxis]) & (estimates >= LOWEST - _MARGIN)
    which, column = np.nonzero(likely)
    candidates = found[which, column]
    if not candidates.size:
        return np.empty(0, PAIR)
    unique, place = np.unique(candidates, return_inverse=True)
    others = normalize(vectors.read_rows(unique))
    pairs = np.empty(len(candidates), PAIR)
    pairs["first"] = np.minimum(rows[which], candidates)
    pairs["second"] = np.maximum(rows[which], candidates)
    pairs["score"] = np.minimum(np.einsum("ij,ij->i", queries[which], others[place]), 1)
    return pairs[pairs["score"] >= LOWEST]


def group(pairs: Pairs) -> list[list[int]]:
    """Joins pairs to groups of rows: the largest first, then the one with the smallest row."""
    members, place = np.unique(
        np.concatenate([pairs["first"], pairs["second"]]), return_inverse=True
    )
    first, second = place[: len(pairs)], place[len(pairs) :]
    labels = np.arange(len(members))
    while True:
        smaller = np.minimum(labels[first], labels[second])
        joined = labels.copy()
        np.minimum.at(joined, first, smaller)
        np.minimum.at(joined, second, smaller)
        joined = joined[joined]  # a label's own label: long chains close quickly
        if np.array_equal(joined, labels):
            break
        labels = joined
    groups: dict[int, list[int]] = {}
    for row, label in zip(members.tolist(), labels.tolist(), strict=True):
        groups.setdefault(label, []).append(row)
    return sorted(groups.values(), key=lambda rows: (-len(rows), rows[0]))
