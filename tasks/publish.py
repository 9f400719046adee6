"""publish: the run's shards and the latest release -> the next release, in one step."""

import logging
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np

from tasks.contract import Summary, timed
from tasks.errors import UserError
from tasks.index.centre import CentredRows, MeanVector, centred
from tasks.index.checked_rows import Checksums, ChecksumsOf
from tasks.index.checks import check_index
from tasks.index.rows import Vectors
from tasks.index.vector_index import build_index, write_index
from tasks.lake import layout
from tasks.lake.arrays import WIDE_GAP, StoredRows, read_npy_batches, write_npy
from tasks.lake.catalogue import Image
from tasks.lake.lines import read_lines, write_lines
from tasks.lake.manifest import MAX_REJECTIONS, Counts, Manifest, Rejection
from tasks.lake.releases import Releases
from tasks.lake.store import Artifact, Store
from tasks.model import read_model_card, verify_model
from tasks.progress import track
from tasks.release_rows import ReleaseRows, vector_batches
from tasks.run_plan import RunPlan, read_plan

_INDEX_BATCH = 4096
_LEAST_RECALL = 0.95
# Not 1: among thousands of near copies an image may find one of the others first.
_LEAST_SELF_HITS = 0.98

logger = logging.getLogger(__name__)


def publish(lake: Store, run: str, *, held: bool = False) -> Summary:
    """Makes a release of what the run has computed and what stays of the latest release.

    Args:
        lake: the data lake.
        run: id of the run; all its shards and its model are complete.
        held: search is not to use the release until `evaluate` has accepted it.

    Returns:
        What the release holds and what it changed. If this run has published before, or a later
        look at the catalogue has been published meanwhile, the release that stands.

    Raises:
        UserError: a shard is incomplete, no image is usable, or the release fails its own checks.
        DamagedError: what it is made from is damaged. That does not count any longer.
    """
    plan = read_plan(lake, run)
    releases = Releases(lake)
    base = releases.get(plan.base) if plan.base else None
    if plan.base and not (base and releases.is_sound(base)):
        raise UserError(
            f"release {plan.base}, which run {run} builds on, is gone or damaged; start a new run"
        )
    with timed() as summary:
        verify_model(lake, read_model_card(lake, plan.model))
        while True:
            latest = releases.latest()
            if standing := _standing(releases, latest, plan):
                return summary | _summary(standing) | {"already_complete": True}
            version = releases.claim(run)
            manifest = _Publication(lake, plan, latest, base, version).write()
            if held and latest:  # the first one has nothing to be compared with
                releases.hold(version, "it has not been evaluated yet")
            if releases.commit(manifest):
                break
            logger.info("another run published first; starting over from its release")
        summary |= _summary(manifest)
    return summary


def _standing(releases: Releases, latest: Manifest | None, plan: RunPlan) -> Manifest | None:
    """Returns a release that already says all that the run found, if there is one."""
    if latest and not plan.changes_release:
        return latest
    since = releases.lineage(latest, plan.base)
    return next((release for release in since if _stands_for(release, plan)), None)


def _stands_for(release: Manifest, plan: RunPlan) -> bool:
    if release.run == plan.run:
        return True
    covers = plan.prefix.startswith(release.prefix) and plan.agrees_with(release)
    # One that kept old vectors does not say what a rebuild of them says.
    as_thorough = release.full_rebuild or not plan.full_rebuild
    return covers and as_thorough and release.look > plan.look


def _summary(manifest: Manifest) -> Summary:
    return {
        "version": manifest.version,
        **manifest.counts.model_dump(),
        "rejections": [rejection.model_dump() for rejection in manifest.rejections],
        **manifest.checks,
    }


class _Publication:
    """One attempt at a release, under the version it has claimed."""

    def __init__(
        self,
        lake: Store,
        plan: RunPlan,
        latest: Manifest | None,
        base: Manifest | None,
        version: int,
    ) -> None:
        self._lake, self._plan, self._latest = lake, plan, latest
        self._rows = ReleaseRows(lake, plan, latest, base)
        self._version = version
        self._card = read_model_card(lake, plan.model)

    def write(self) -> Manifest:
        """Writes the artifacts and returns the manifest that would make them a release."""
        catalogue = write_lines(self._lake, self._path(layout.CATALOGUE), self._catalogue())
        counts, rejections = self._count(catalogue)
        vectors, of_vectors, mean = self._write_vectors(counts.images)
        names, of_names = self._write_names(catalogue, counts.images)
        checksums = self._write_checksums(np.stack([of_vectors, of_names], axis=1))
        artifacts = [catalogue, vectors, names, checksums]
        if mean is not None:
            artifacts.append(self._write_mean(mean))
        index, checks = self._write_index(vectors, counts.images, mean)
        artifacts.append(index)
        return Manifest(
            version=self._version,
            previous=self._latest.version if self._latest else None,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            run=self._plan.run,
            catalogue=self._plan.catalogue,
            prefix=self._plan.prefix,
            full_rebuild=self._plan.full_rebuild,
            look=self._plan.look,
            counts=counts,
            rejections=rejections,
            pipeline=self._plan.pipeline.model_dump(),
            preprocessing=self._plan.preprocessing.model_dump(),
            limits=self._plan.limits.model_dump(),
            model=self._card.model_dump(),
            checks=checks,
            artifacts={Path(artifact.path).name: artifact for artifact in artifacts},
        )

    def _path(self, name: str) -> str:
        return layout.release(self._version, name)

    def _catalogue(self) -> Iterator[Image]:
        row = 0
        for entry in self._rows.entries():
            usable = entry.vectors is not None
            yield entry.image.model_copy(update={"row": row if usable else None})
            row += usable

    def _images(self, catalogue: Artifact) -> Iterator[Image]:
        return read_lines(self._lake, catalogue, Image)

    def _count(self, catalogue: Artifact) -> tuple[Counts, list[Rejection]]:
        images = sum(1 for image in self._images(catalogue) if image.row is not None)
        rejected = (image for image in self._images(catalogue) if image.rejected)
        rejections = [
            Rejection(name=image.name, reason=image.rejected)
            for image in islice(rejected, MAX_REJECTIONS)
        ]
        changes = self._plan.changes
        counts = Counts(
            images=images,
            rejected=len(rejections) + sum(1 for _ in rejected),
            added=changes.added,
            changed=changes.changed,
            renamed=changes.renamed,
            removed=changes.removed,
        )
        if not images:
            reasons = "; ".join(
                f"{rejection.name}: {rejection.reason}" for rejection in rejections[:3]
            )
            raise UserError(
                f"no image of the catalogue can be used ({reasons}); put readable images there"
            )
        return counts, rejections

    def _write_vectors(self, count: int) -> tuple[Artifact, Checksums, Vectors | None]:
        """Writes the vectors; also returns their checksums, and what centres them if that is on."""
        path, dimensions = self._path(layout.NPY_IMAGE_VECTORS), self._card.dimensions
        mean = MeanVector(dimensions) if self._plan.pipeline.ranking.centre else None
        vectors = _finite(vector_batches(self._rows.entries(), dimensions))
        batches = ChecksumsOf(_added_to(mean, vectors))
        artifact = write_npy(self._lake, path, (count, dimensions), np.float32, batches)
        return artifact, batches.checksums(), mean.mean() if mean else None

    def _write_names(self, catalogue: Artifact, count: int) -> tuple[Artifact, Checksums]:
        def names() -> Iterator[str]:
            return (image.name for image in self._images(catalogue) if image.row is not None)

        dtype = np.dtype((np.str_, max(len(name) for name in names())))
        remaining = names()
        chunks = iter(lambda: list(islice(remaining, _INDEX_BATCH)), [])
        batches = ChecksumsOf(np.array(chunk, dtype) for chunk in chunks)
        path = self._path(layout.NPY_IMAGE_NAMES)
        artifact = write_npy(self._lake, path, (count,), dtype, batches)
        return artifact, batches.checksums()

    def _write_checksums(self, checksums: Checksums) -> Artifact:
        path = self._path(layout.ROW_CHECKSUMS)
        return write_npy(self._lake, path, checksums.shape, np.uint32, [checksums])

    def _write_mean(self, mean: Vectors) -> Artifact:
        path = self._path(layout.MEAN_VECTOR)
        return write_npy(self._lake, path, mean.shape, np.float32, [mean])

    def _write_index(
        self, vectors: Artifact, count: int, mean: Vectors | None
    ) -> tuple[Artifact, dict[str, float]]:
        factory = self._plan.pipeline.index_factory
        index = build_index(
            lambda: (
                centred(batch, mean)
                for batch in track(
                    read_npy_batches(self._lake, vectors, _INDEX_BATCH),
                    count,
                    "indexing images",
                    len,
                )
            ),
            (count, self._card.dimensions),
            factory,
        )
        rows = CentredRows(StoredRows(self._lake, vectors, gap=WIDE_GAP), mean)
        found = check_index(index, rows)
        checks = {"recall_at_10": found.recall, "self_hits": found.self_hits}
        if checks["self_hits"] < _LEAST_SELF_HITS or checks["recall_at_10"] < _LEAST_RECALL:
            raise UserError(
                f"the index {factory} misses too much ({checks}); choose another index_factory"
            )
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / layout.IMAGE_INDEX
            write_index(index, file)
            return self._lake.upload(self._path(layout.IMAGE_INDEX), file), checks


def _added_to(mean: MeanVector | None, batches: Iterator[Vectors]) -> Iterator[Vectors]:
    for batch in batches:
        if mean:
            mean.add(batch)
        yield batch


def _finite(batches: Iterator[Vectors]) -> Iterator[Vectors]:
    for batch in batches:
        if not np.isfinite(batch).all():
            raise UserError("a vector is not finite; run image_reindex with full_rebuild")
        yield batch
