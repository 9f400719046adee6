"""The rows of the next release, in order: what stays, and what the run's shards bring."""

import heapq
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.arrays import StoredRows, read_npy_batches
from tasks.lake.catalogue import Image
from tasks.lake.lines import read_lines
from tasks.lake.manifest import Manifest
from tasks.lake.releases import Releases
from tasks.lake.seals import break_seal, sealed
from tasks.lake.store import Artifact, DamagedError, Store
from tasks.landing import discard_landing, read_landing
from tasks.model import ModelCard, read_model_card, vectors_source
from tasks.run_plan import RunPlan

_BATCH = 1024


@dataclass(frozen=True)
class Entry:
    """One image of the next release, and where its vector is now; nowhere if rejected.

    Attributes:
        image: as the next release names it, but for its row there.
        vectors: that hold its vector, if it has one.
        row: of its vector.
        fresh: the run has worked on it.
    """

    image: Image
    vectors: StoredRows | None
    row: int
    fresh: bool = False


class ReleaseRows:
    """Where the rows of a release in the making come from.

    Each source is compared with its digest once, before a row of it is taken; nobody writes to its
    path again. A vector gets the name that its pixels came with, whatever others do meanwhile: the
    names, the pixels and the digest over both stand in one landing report; features are sealed with
    that digest after the pixels in it were read, vectors after those features were; and here it
    must be the digest of the very report that the names are taken from, from the first pass to the
    last.

    Args:
        lake: the data lake.
        plan: of the run; all its shards are complete.
        latest: the release that the next one follows: what the run did not look at stays as it is
            there.
        base: the release that the run was planned against: what did not change is taken from there.

    Raises:
        UserError: the latest release has other settings, and so nothing of it can stay, or the run
            has no model.
    """

    def __init__(
        self, lake: Store, plan: RunPlan, latest: Manifest | None, base: Manifest | None
    ) -> None:
        self._lake, self._plan, self._latest, self._base = lake, plan, latest, base
        self._releases = Releases(lake)
        self._opened: dict[str, StoredRows] = {}
        self._landings: dict[str, str] = {}
        self._since = tuple(self._releases.lineage(latest, plan.base))
        if latest and self._takes_of_latest and not plan.agrees_with(latest):
            raise UserError(
                "the latest release was made with another model, other limits or another catalogue "
                "by now; start a new run"
            )

    @cached_property
    def _seen_later(self) -> tuple[str, ...]:
        """Folders that other runs have looked at later than this one, and published meanwhile."""
        return tuple(release.prefix for release in self._since if release.look > self._plan.look)

    @cached_property
    def _card(self) -> ModelCard:
        return read_model_card(self._lake, self._plan.model)

    @cached_property
    def _rebuilt(self) -> bool:
        """Whether there was a rebuild meanwhile: it is not undone by what there was before."""
        return any(release.full_rebuild for release in self._since)

    @property
    def _takes_of_latest(self) -> bool:
        return bool(self._plan.prefix or self._seen_later or self._rebuilt)

    def entries(self) -> Iterator[Entry]:
        """Yields every image of the next release, ordered by name.

        Raises:
            UserError: a shard is not complete or does not fit together.
            DamagedError: a release, a shard or the list of its images is damaged. It does not count
                any longer.
        """
        ours = ((entry.image.name, "ours", entry) for entry in self._of_run())
        theirs = ((entry.image.name, "theirs", entry) for entry in self._of_latest())
        together = heapq.merge(ours, theirs, key=itemgetter(0))
        for name, group in itertools.groupby(together, key=itemgetter(0)):
            found = {whose: entry for _, whose, entry in group}
            if entry := self._chosen(name, found.get("ours"), found.get("theirs")):
                yield entry

    def _chosen(self, name: str, ours: Entry | None, theirs: Entry | None) -> Entry | None:
        """Returns what the next release holds of a name: of this run's look, or the latest release.

        The later look decides what is there, a rebuild which vector that has.
        """
        if self._is_outside(name):
            said, rebuilt = theirs, ours if self._plan.full_rebuild else None
        else:
            said, rebuilt = ours, theirs if self._rebuilt else None
        if said is None or rebuilt is None or said.fresh:
            return said
        return rebuilt if rebuilt.image.fingerprint == said.image.fingerprint else said

    def _of_latest(self) -> Iterator[Entry]:
        if self._latest is None or not self._takes_of_latest:
            return
        with self._releases.noting_damage(self._latest):
            catalogue = self._latest.artifacts[layout.CATALOGUE]
            for image in read_lines(self._lake, catalogue, Image):
                yield self._kept(image, self._latest)

    def _of_run(self) -> Iterator[Entry]:
        if self._plan.listing is None:
            return
        embedded = self._embedded()
        for image in read_lines(self._lake, self._plan.listing, Image):
            entry = next(embedded, None) if image.is_new else self._kept(image, self._base)
            if entry:
                yield entry

    def _is_outside(self, name: str) -> bool:
        """Tells whether the run did not look at a name, or not last."""
        return not name.startswith(self._plan.prefix) or name.startswith(self._seen_later)

    def _kept(self, image: Image, release: Manifest | None) -> Entry:
        if image.row is None or release is None:
            return Entry(image, None, -1)
        vectors = release.artifacts[layout.NPY_IMAGE_VECTORS]
        with self._releases.noting_damage(release):
            return Entry(image, self._open(vectors), image.row)

    def _embedded(self) -> Iterator[Entry | None]:
        """Yields what became of each image worked on, in order; None if it went meanwhile."""
        for shard in self._plan.shards:
            yield from self._embedded_shard(shard.shard)

    def _embedded_shard(self, shard: str) -> Iterator[Entry | None]:
        report = read_landing(self._lake, shard)
        # The vectors are written in another pass than their names; both must be of one landing.
        landing = self._landings.setdefault(shard, report.digest) if report else ""
        vectors = self._shard_vectors(shard, landing)
        if vectors is None or report is None or report.digest != landing:
            raise UserError(f"shard {shard} is not complete; clear its tasks, from etl on")
        names, digests = (
            self._landed(shard, report.artifact(name))
            for name in (layout.NPY_IMAGE_NAMES, layout.NPY_IMAGE_DIGESTS)
        )
        if not len(vectors) == len(names) == len(digests) == report.images:
            raise UserError(
                f"shard {shard} does not fit together; run image_reindex with full_rebuild"
            )
        rows = {name: row for row, name in enumerate(names)}
        rejected = {member.name: member for member in report.rejected}
        # Read to its end, and so compared with its digest, before any of it is used.
        for image in list(read_lines(self._lake, self._plan.members(shard), Image)):
            if image.name in rows:
                row = rows[image.name]
                found = image.model_copy(update={"sha256": digests[row]})
                yield Entry(found, vectors, row, fresh=True)
            elif (member := rejected[image.name]).passing:
                yield None
            else:
                reason = {"rejected": member.reason, "sha256": member.sha256}
                yield Entry(image.model_copy(update=reason), None, -1, fresh=True)

    def _shard_vectors(self, shard: str, landing: str) -> StoredRows | None:
        path = layout.shard_vectors(self._plan.model, shard)
        artifact = sealed(self._lake, path, vectors_source(landing, self._card))
        try:
            return self._open(artifact) if artifact else None
        except DamagedError:
            break_seal(self._lake, path)
            raise

    def _landed(self, shard: str, artifact: Artifact) -> list[str]:
        try:
            batches = list(read_npy_batches(self._lake, artifact, _BATCH))
        except DamagedError:
            discard_landing(self._lake, shard)
            raise
        return [str(value) for batch in batches for value in batch]

    def _open(self, artifact: Artifact) -> StoredRows:
        if artifact.path not in self._opened:
            self._lake.verify(artifact)
            self._opened[artifact.path] = StoredRows(self._lake, artifact)
        return self._opened[artifact.path]


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
