"""plan: what changed in the catalogue since the latest release -> plan.json and shards."""

import itertools
import logging
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial

from tasks.contract import Summary, timed
from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.catalogue import Comparison, Image, open_comparison
from tasks.lake.lines import read_lines, write_lines
from tasks.lake.looks import take_look
from tasks.lake.manifest import Manifest
from tasks.lake.papers import encode_paper
from tasks.lake.releases import Releases
from tasks.lake.store import Artifact, NotAnObjectError, Store, StoredObject, digest_as_listed
from tasks.landing import read_landing
from tasks.model import find_sound_model
from tasks.parallel import bounded_map
from tasks.progress import track
from tasks.run_plan import (
    RunPlan,
    Shard,
    model_id,
    open_catalogue,
    pin_network,
    preprocessing_of,
    read_plan,
    require_lake_outside,
    settings_in_common,
    shard_id,
)
from tasks.settings import LimitSettings, Settings

_READERS = 8

logger = logging.getLogger(__name__)


def plan(
    lake: Store, run: str, settings: Settings, *, full_rebuild: bool = False, prefix: str = ""
) -> Summary:
    """Compares the catalogue with the latest release and cuts what is new into shards.

    Args:
        lake: the data lake.
        run: id of the run; a run that has its plan keeps it.
        settings: pinned in the plan for the whole run.
        full_rebuild: work on every image, whether it changed or not.
        prefix: look only into this folder of the catalogue and leave the rest as it is.

    Returns:
        What changed, and the shards.

    Raises:
        UserError: the catalogue is empty, missing or has the lake in it, `prefix` is given where
            the rest of the release cannot stay as it is, or the file of the network cannot be read.
    """
    with timed() as summary:
        if not lake.exists(layout.plan(run)):
            require_lake_outside(lake, settings.catalogue)
            made = _make_plan(lake, run, settings, full_rebuild, _as_folder(prefix))
            # Of two attempts at once, the first one pins the run.
            lake.create(layout.plan(run), encode_paper(made.model_dump(mode="json")))
        found = read_plan(lake, run)
        summary |= {
            "run": run,
            "anything_to_do": found.anything_to_do,
            **found.changes.model_dump(),
            "shards": [shard.model_dump(exclude={"members"}) for shard in found.shards],
            "base": found.base,
            "held": found.held,
            "damaged": _damaged_since(Releases(lake), found.base),
            "model": found.model,
            "model_to_build": found.model_to_build,
        }
    return summary


def _make_plan(
    lake: Store, run: str, settings: Settings, full_rebuild: bool, prefix: str
) -> RunPlan:
    look = take_look(lake, run)
    settings = settings.model_copy(update={"pipeline": pin_network(settings.pipeline)})
    releases = Releases(lake)
    # One that was damaged is as good as none: what it held is computed again.
    base = releases.latest()
    catalogue = open_catalogue(lake, settings.catalogue)
    model = model_id(settings.pipeline, preprocessing_of(settings.pipeline))
    if prefix:
        _require_the_rest_to_stay(releases, base, settings, model, prefix)
    with open_comparison() as comparison:
        comparison.add_found(_readable(catalogue.objects(prefix.rstrip("/"))))
        comparison.add_known(_known(lake, base, prefix))
        _note_same_content(catalogue, comparison)
        changes = comparison.changes()
        if not changes.catalogue and not (prefix and changes.removed):
            raise UserError(
                f"no image under {catalogue.uri(prefix.rstrip('/'))}; put images there or correct "
                "the setting `catalogue`"
            )
        marked = partial(
            _to_work_on,
            limits=settings.limits,
            everything=full_rebuild or (base is not None and base.model["id"] != model),
            known_limits=_limits_of(base),
        )
        remade = _must_be_remade(releases, base, settings, model)
        listing = _write_listing(lake, run, comparison, marked, changes.anything or remade)
    return RunPlan(
        run=run,
        base=base.version if base else None,
        catalogue=settings.catalogue,
        prefix=prefix,
        full_rebuild=full_rebuild,
        look=look,
        pipeline=settings.pipeline,
        limits=settings.limits,
        preprocessing=preprocessing_of(settings.pipeline),
        model=model,
        listing=listing,
        changes=changes,
        shards=_cut(lake, listing, run, settings, run if full_rebuild else "") if listing else [],
        model_to_build=find_sound_model(lake, model) is None,
        remade=remade,
        held=base is not None and releases.held(base.version) is not None,
    )


def _must_be_remade(
    releases: Releases, base: Manifest | None, settings: Settings, model: str
) -> bool:
    """Tells whether there is a release to make even if no image changed."""
    if base is None:
        return False
    pinned = settings.pipeline.model_dump()
    return (
        bool(_damaged_since(releases, base.version))
        or not settings_in_common(base, model, settings.limits, settings.catalogue)
        or any(base.pipeline.get(name) != pinned[name] for name in ("ranking", "index_factory"))
    )


def _damaged_since(releases: Releases, base: int | None) -> list[int]:
    """Returns the releases after a base that are damaged: the changes are not against those."""
    newer = itertools.takewhile(lambda each: each.version > (base or 0), releases.newest_first())
    unsound = (each.version for each in newer if not releases.is_sound(each))
    return sorted((*unsound, *releases.unreadable(base or 0)))


def _write_listing(
    lake: Store,
    run: str,
    comparison: Comparison,
    marked: Callable[[Iterable[Image]], Iterator[Image]],
    changed: bool,
) -> Artifact | None:
    # Nobody would read the list of a night without changes.
    new = (image.is_new for image in marked(comparison.images()))
    if not changed and not any(new):
        return None
    path = layout.run_catalogue(run, uuid.uuid4().hex)
    return write_lines(lake, path, marked(comparison.images()))


def _as_folder(prefix: str) -> str:
    folder = prefix.strip("/")
    if folder and not {"", ".", ".."}.isdisjoint(folder.split("/")):
        raise UserError(
            f"the prefix {prefix} is no folder of the catalogue or leads out of the catalogue; "
            "give one like a/b"
        )
    return f"{folder}/" if folder else ""


def _require_the_rest_to_stay(
    releases: Releases, base: Manifest | None, settings: Settings, model: str, prefix: str
) -> None:
    if _damaged_since(releases, base.version if base else None) or (
        base and not settings_in_common(base, model, settings.limits, settings.catalogue)
    ):
        raise UserError(
            f"the latest release is damaged or was not made with {model}, these limits and this "
            f"catalogue; reindex the whole catalogue first, not {prefix} alone"
        )


def _limits_of(base: Manifest | None) -> LimitSettings | None:
    return LimitSettings.model_validate(base.limits) if base else None


def _readable(objects: Iterable[StoredObject]) -> Iterator[StoredObject]:
    for item in objects:
        try:
            item.path.encode()
        except UnicodeEncodeError:
            logger.warning("left out %r: its name is not valid UTF-8; rename it", item.path)
        else:
            yield item


def _known(lake: Store, base: Manifest | None, prefix: str) -> Iterator[Image]:
    if base is None:
        return
    with Releases(lake).noting_damage(base):
        for image in read_lines(lake, base.artifacts[layout.CATALOGUE], Image):
            if image.name.startswith(prefix):
                yield image


def _note_same_content(catalogue: Store, comparison: Comparison) -> None:
    """Finds images that were renamed or merely touched: a known one's size and content.

    One that could not be read for want of access counts as changed once it can.
    """
    for name in comparison.denied():
        with suppress(OSError):
            catalogue.read_range(name, 0, 1)
            comparison.forget(name)

    def digest(candidate: Image) -> tuple[str, str]:
        try:
            found = digest_as_listed(catalogue, candidate.name, candidate.fingerprint)
        except (FileNotFoundError, NotADirectoryError, NotAnObjectError, PermissionError):
            found = None  # etl will say so
        return candidate.name, found or ""

    digests = bounded_map(digest, comparison.candidates(), _READERS)
    for name, sha256 in track(digests, None, "comparing renamed and touched images"):
        if known := comparison.find_same(name, sha256):
            comparison.mark_same(name, known)


def _to_work_on(
    images: Iterable[Image],
    *,
    limits: LimitSettings,
    everything: bool,
    known_limits: LimitSettings | None,
) -> Iterator[Image]:
    """Forgets what is known of images that are to be worked on although nothing changed."""
    other_limits = known_limits is not None and known_limits != limits
    # Nobody knows how many pixels an image has.
    fewer_pixels = known_limits is not None and known_limits.max_pixels > limits.max_pixels
    for image in images:
        over = image.bytes > limits.max_bytes and not image.rejected
        again = over or fewer_pixels or (other_limits and image.rejected)
        if everything or again:
            yield Image(name=image.name, bytes=image.bytes, fingerprint=image.fingerprint)
        else:
            yield image


def _cut(lake: Store, listing: Artifact, run: str, settings: Settings, salt: str) -> list[Shard]:
    """Cuts the images to work on into shards, by name, and lists the members of each."""
    count = sum(1 for _ in _images_to_work_on(lake, listing))
    size = max(settings.pipeline.shard_size, -(-count // settings.pipeline.max_shards))
    images = _images_to_work_on(lake, listing)
    shards = []
    while members := list(itertools.islice(images, size)):
        shard = _shard_of(lake, run, settings, members, salt)
        lines = write_lines(lake, layout.shard_members(run, shard), members)
        shards.append(Shard(shard=shard, images=len(members), members=lines))
    return shards


def _images_to_work_on(lake: Store, listing: Artifact) -> Iterator[Image]:
    return (image for image in read_lines(lake, listing, Image) if image.is_new)


def _shard_of(lake: Store, run: str, settings: Settings, members: list[Image], salt: str) -> str:
    preprocessing = preprocessing_of(settings.pipeline)
    shard = shard_id(members, preprocessing, settings.limits, salt)
    landed = read_landing(lake, shard)
    # What the lake has of this shard missed images that were changing just then: not this time.
    if landed and not landed.settled:
        return shard_id(members, preprocessing, settings.limits, salt=run)
    return shard
