"""etl: the original images of a shard -> image_names.npy, resized_rgb.npy and rejected.json."""

import hashlib
import itertools
import logging
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tasks.contract import Summary, timed
from tasks.imaging.decode import DecodeLimits, RejectedImage
from tasks.imaging.network_input import load_resized_rgb
from tasks.imaging.preprocessing import Preprocessing
from tasks.lake import layout
from tasks.lake.arrays import write_npy
from tasks.lake.catalogue import ACCESS_DENIED, Image
from tasks.lake.lines import read_lines
from tasks.lake.store import Artifact, NotAnObjectError, Store, StoredObject
from tasks.landing import LandingReport, RejectedMember, complete_landing, read_landing
from tasks.parallel import begun, bounded_map, cores
from tasks.progress import track
from tasks.run_plan import RunPlan, open_catalogue, read_plan

# Files are read ahead of those that are decoded, so that the store may be far away: so many at a
# time, twice what a core decodes while an answer takes 50 ms, and so many bytes that such answers
# keep a line of 10 Gbit/s busy.
_READS_A_THREAD, _MOST_READS = 32, 64
_READ_BYTES = 64 * 2**20
# Images to look for one that can be read among.
_TRIES = 500

logger = logging.getLogger(__name__)

_Reader = Callable[[str, int], tuple[bytes, StoredObject]]


@dataclass(frozen=True)
class _Original:
    """An image file as it was planned."""

    name: str
    data: bytes


@dataclass(frozen=True)
class _Loaded:
    """One image as it goes into the arrays: name, SHA-256, (height, width, 3) uint8 RGB."""

    name: str
    sha256: str
    rgb: npt.NDArray[np.uint8]


class _SomeRejectedError(Exception):
    """Not all images of a shard can be used."""


@dataclass
class _Landed:
    """What has become of the images of a shard, of which there are `members`, so far."""

    members: int
    loaded: list[_Loaded] = field(default_factory=list)
    rejected: list[RejectedMember] = field(default_factory=list)

    def add(self, outcomes: Iterable[_Loaded | RejectedMember]) -> Iterator[npt.NDArray[np.uint8]]:
        """Takes in all outcomes, and yields pixels until something is rejected.

        Raises:
            _SomeRejectedError: at the end, if something was.
        """
        for outcome in outcomes:
            if isinstance(outcome, RejectedMember):
                logger.warning("rejected %r: %s", outcome.name, outcome.reason)
                self.rejected.append(outcome)
                continue
            self.loaded.append(outcome)
            if not self.rejected:
                yield outcome.rgb[np.newaxis]
        if self.rejected:
            raise _SomeRejectedError

    def columns(self) -> dict[str, npt.NDArray[np.str_]]:
        """Returns digests and names of the usable images, (n,) each, by the artifact's name."""
        return {
            layout.NPY_IMAGE_DIGESTS: np.array([image.sha256 for image in self.loaded], "U64"),
            layout.NPY_IMAGE_NAMES: np.array([image.name for image in self.loaded], np.str_),
        }


def etl(lake: Store, run: str, shard: str, threads: int = 0) -> Summary:
    """Fetches, decodes and resizes the images of a shard.

    While images are decoded, the next ones are read and those before are written. Memory holds the
    resized shard, two images a thread in the making, at most `max_bytes` and `max_pixels` each, and
    files read ahead: 64 MiB of them, or a single one that is larger.

    Args:
        lake: the data lake.
        run: id of the run.
        shard: id of the shard.
        threads: how many images to decode at once; 0 for one a core.

    Returns:
        How many images there are, and what was rejected.

    Raises:
        UserError: the run has no plan, or no such shard.
        DamagedError: the list of the shard's images is damaged; the next run makes another.
        PermissionError: access is denied not to single images but to the catalogue.
        OSError: the store keeps failing; nothing is lost, try again.
    """
    with timed() as summary:
        report = read_landing(lake, shard)
        summary |= {"shard": shard, "already_complete": report is not None}
        if report is None:
            report = _land(lake, read_plan(lake, run), shard, threads or cores())
        else:
            lake.refresh(layout.landing(shard, layout.REJECTED))  # so that `prune` keeps it
        summary |= {"images": report.images, "rejected": len(report.rejected)}
    return summary


def _land(lake: Store, plan: RunPlan, shard: str, threads: int) -> LandingReport:
    listed = begun(lambda: list(read_lines(lake, plan.members(shard), Image)))
    read = open_catalogue(lake, plan.catalogue).reader_of_many()
    members = listed.result()
    attempt = layout.landing(shard, uuid.uuid4().hex)  # nobody else writes to it, see `seals`
    landed = _Landed(len(members))
    loaded = track(_load_all(read, plan, members, threads), len(members), "reading images")
    with closing(loaded) as outcomes:
        resized = _write_pixels(lake, attempt, plan, landed, outcomes)
    columns = landed.columns()
    written = bounded_map(
        lambda name: _write_column(lake, f"{attempt}/{name}", columns[name]), columns, len(columns)
    )
    report = LandingReport(
        shard=shard,
        images=len(landed.loaded),
        rejected=landed.rejected,
        artifacts=[resized, *written],
    )
    return complete_landing(lake, report)


def _write_pixels(
    lake: Store,
    attempt: str,
    plan: RunPlan,
    landed: _Landed,
    outcomes: Iterable[_Loaded | RejectedMember],
) -> Artifact:
    path, shape = f"{attempt}/{layout.NPY_RESIZED_RGB}", plan.preprocessing.shape
    try:
        # The number of rows comes first, so this holds as long as nothing is rejected.
        return write_npy(lake, path, (landed.members, *shape), np.uint8, landed.add(outcomes))
    except _SomeRejectedError:
        _require_access(lake, plan, landed.rejected)
        pixels = (image.rgb[np.newaxis] for image in landed.loaded)
        return write_npy(lake, path, (len(landed.loaded), *shape), np.uint8, pixels)


def _write_column(lake: Store, path: str, column: npt.NDArray[np.str_]) -> Artifact:
    return write_npy(lake, path, column.shape, column.dtype, [column])


def _load_all(
    read: _Reader, plan: RunPlan, members: list[Image], threads: int
) -> Iterator[_Loaded | RejectedMember]:
    limits = DecodeLimits(plan.limits.max_bytes, plan.limits.max_pixels)
    originals = bounded_map(
        lambda member: _read(read, limits, member),
        members,
        min(_READS_A_THREAD * threads, _MOST_READS),
        size=lambda member: member.bytes if member.bytes <= limits.max_bytes else 0,
        most=_READ_BYTES,
    )
    with closing(originals):
        yield from bounded_map(
            lambda original: _decode(plan.preprocessing, limits, original), originals, threads
        )


def _read(read: _Reader, limits: DecodeLimits, member: Image) -> _Original | RejectedMember:
    if member.bytes > limits.max_bytes:
        reason = f"{member.bytes} bytes are over the limit of {limits.max_bytes}"
        return RejectedMember(name=member.name, reason=reason)
    try:
        data = _fetch(read, member)
    except (FileNotFoundError, NotADirectoryError, NotAnObjectError, PermissionError) as error:
        return _unread(member, error)
    if data is None:
        return RejectedMember(
            name=member.name, reason="changed while the run read it", passing=True
        )
    return _Original(member.name, data)


def _decode(
    preprocessing: Preprocessing, limits: DecodeLimits, original: _Original | RejectedMember
) -> _Loaded | RejectedMember:
    if isinstance(original, RejectedMember):
        return original
    sha256 = hashlib.sha256(original.data).hexdigest()
    try:
        rgb = load_resized_rgb(original.data, preprocessing, limits)
    except RejectedImage as error:
        return RejectedMember(name=original.name, reason=str(error), sha256=sha256)
    return _Loaded(original.name, sha256, rgb)


def _unread(member: Image, error: OSError) -> RejectedMember:
    """Says why an image was not read."""
    if isinstance(error, NotAnObjectError):
        return RejectedMember(name=member.name, reason=str(error))
    if isinstance(error, PermissionError):
        logger.warning("%r: %s", member.name, error)
        return RejectedMember(name=member.name, reason=ACCESS_DENIED)
    return RejectedMember(name=member.name, reason="gone since the run began", passing=True)


def _require_access(lake: Store, plan: RunPlan, rejected: Iterable[RejectedMember]) -> None:
    """Makes sure that, if an image was denied, another one can be read.

    Else the credentials are wrong, or have expired.

    Raises:
        PermissionError: none can, of the first hundreds.
    """
    denied = {member.name for member in rejected if member.reason == ACCESS_DENIED}
    if not denied:
        return
    catalogue = open_catalogue(lake, plan.catalogue)
    listed = read_lines(lake, plan.listing, Image) if plan.listing else ()
    others = (image.name for image in listed if image.name not in denied)
    for name in itertools.islice(others, _TRIES):
        with suppress(FileNotFoundError, NotADirectoryError, NotAnObjectError, PermissionError):
            catalogue.read_range(name, 0, 1)
            return
    raise PermissionError(f"access is denied to every image tried, {catalogue.uri(min(denied))}")


def _fetch(read: _Reader, member: Image) -> bytes | None:
    """Returns the content that was planned, or None if the object is another one now."""
    # No more than was planned is read, however much there is by now.
    data, found = read(member.name, member.bytes)
    same = (found.fingerprint, found.bytes) == (member.fingerprint, member.bytes)
    return data if same and len(data) == member.bytes else None
