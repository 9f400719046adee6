"""prune: drops what no kept release and no unfinished run needs."""

import itertools
import logging
import time
from collections.abc import Iterable, Iterator, Set
from typing import TypeVar

from tasks.contract import Summary, timed
from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.looks import look_number, newest_look
from tasks.lake.manifest import Manifest
from tasks.lake.releases import Releases
from tasks.lake.store import Store, StoredObject
from tasks.run_plan import RunPlan, read_plan
from tasks.settings import RetentionSettings

_DAY = 86_400.0
# Whoever still writes after that long is gone.
_UNFINISHED_DAYS = 1.0

_Key = TypeVar("_Key", str, int)

logger = logging.getLogger(__name__)


def prune(lake: Store, retention: RetentionSettings, *, dry_run: bool = False) -> Summary:
    """Removes old releases, and the artifacts that only they or finished runs needed.

    It may be killed at any moment, and run while others work: what tells that something is complete
    goes first, so nobody takes the rest for it.

    Args:
        lake: the data lake.
        retention: what stays, and how long.
        dry_run: only say what would go.

    Returns:
        How many objects and bytes went, or would go, in all and by zone.
    """
    verb = "would remove" if dry_run else "removing"
    zones: dict[str, dict[str, int]] = {}
    with timed() as summary:
        for item in _superfluous(lake, retention):
            logger.info("%s %s (%d bytes)", verb, item.path, item.bytes)
            _count(zones, item)
            if not dry_run:
                lake.delete(item.path)
        for item in _unfinished_writes(lake):
            logger.info("%s what was left of writing %s", verb, item.path)
            _count(zones, item)
            if not dry_run:
                lake.discard_unfinished(item)
        objects, size = (
            sum(zone[kind] for zone in zones.values()) for kind in ("objects", "bytes")
        )
        summary |= {"dry_run": dry_run, "objects": objects, "bytes": size, "zones": zones}
    return summary


def _count(zones: dict[str, dict[str, int]], item: StoredObject) -> None:
    zone = zones.setdefault(item.path.split("/", 1)[0], {"objects": 0, "bytes": 0})
    zone["objects"] += 1
    zone["bytes"] += item.bytes


class _Needs:
    """What must stay: releases by version, models by id, shards by id, and runs by folder name.

    It grows while prune is at work: a run that begins meanwhile may find complete, and rely on,
    what was about to go.
    """

    def __init__(self, lake: Store, retention: RetentionSettings) -> None:
        self._lake, self._retention = lake, retention
        self.releases: set[int] = set()
        self.models: set[str] = set()
        self.shards: set[str] = set()
        self.runs: set[str] = set()
        self._bases: set[int] = set()  # of unfinished runs; 0 where there was no release
        self._known_runs: set[str] = set()
        self._look()
        for release in _kept_releases(lake, retention, self._bases):
            self.releases.add(release.version)
            self.models.add(str(release.model["id"]))

    def unneeded(
        self, key: _Key, needed: set[_Key], items: Iterable[StoredObject]
    ) -> Iterator[StoredObject]:
        """Yields the objects of a folder unless it is needed, by a look just before the first one.

        From there on nobody finds the folder complete: what tells so is the first that goes.

        Args:
            key: of the folder.
            needed: one of the sets of this object.
            items: the objects.
        """
        if key not in needed and (found := list(items)):
            self._look()
            if key not in needed:
                yield from found

    def _look(self) -> None:
        """Takes in the runs that have begun, or got their plan, since the last look."""
        for run in set(_run_keys(self._lake)) - self._known_runs:
            plan = _plan(self._lake, run)
            # The first thing that a run which is being planned writes is its listing.
            if plan or "listings" not in self._lake.folders(layout.run(run)):
                self._known_runs.add(run)
            if not _is_unfinished(self._lake, run, plan, self._retention):
                continue
            self.runs.add(run)
            if plan:
                self.models.add(plan.model)
                self.shards.update(shard.shard for shard in plan.shards)
                self._bases.add(plan.base or 0)
                self.releases.add(plan.base or 0)


def _run_keys(lake: Store) -> Iterator[str]:
    """Yields the folders of runs; what else somebody has put beside them is left alone."""
    return filter(layout.is_run_key, lake.folders(layout.RUNS))


def _kept_releases(
    lake: Store, retention: RetentionSettings, bases: Set[int]
) -> Iterator[Manifest]:
    releases = Releases(lake)
    pinned, pin_changed = releases.pinned(), releases.pin_changed()
    # An unfinished run must learn what was published since it looked, also if there was none then.
    oldest_base = min(bases, default=None)
    sound = 0
    superseded = float("inf")  # when the next newer release took over
    for release in releases.newest_first():
        since_base = oldest_base is not None and release.version >= oldest_base
        in_use = since_base or release.version == pinned
        # A search may still be reading it, as it was the newest or as it was pinned.
        recent = _days_since(max(superseded, pin_changed)) < retention.superseded_days
        if in_use or recent or sound < retention.releases:
            yield release
        if releases.is_sound(release):
            sound += 1
            superseded = release.created_seconds


def _plan(lake: Store, run: str) -> RunPlan | None:
    try:
        return read_plan(lake, run)
    except UserError:
        return None  # none, or damaged: no task of it can go on


def _is_unfinished(
    lake: Store, run: str, plan: RunPlan | None, retention: RetentionSettings
) -> bool:
    if lake.exists(layout.task_result(run, "publish")) or (plan and not plan.anything_to_do):
        return False
    newest = max((item.modified for item in lake.objects(layout.run(run))), default=0.0)
    return _days_since(newest) < retention.abandoned_days


def _superfluous(lake: Store, retention: RetentionSettings) -> Iterator[StoredObject]:
    models, landed, featured, runs = (
        lake.folders(zone)
        for zone in (layout.MODEL, layout.LANDING, layout.FEATURE_STORE, layout.RUNS)
    )
    # Looked up after the listings: what is listed and belongs to a run has that run's plan by now.
    needs = _Needs(lake, retention)
    yield from _old_releases(lake, needs)
    yield from _old_looks(lake)
    for zone, shards, days in (
        (layout.FEATURE_STORE, featured, retention.feature_store_days),
        (layout.LANDING, landed, retention.landing_days),
    ):
        for shard in shards:
            folder = lake.objects(f"{zone}/{shard}")
            yield from needs.unneeded(shard, needs.shards, _if_older(folder, days))
    for model in models:
        yield from _of_model(lake, model, needs, retention)
    for run in filter(layout.is_run_key, runs):
        old = _if_older(lake.objects(layout.run(run)), retention.runs_days)
        yield from needs.unneeded(run, needs.runs, old)
    yield from _of_page(lake, needs, retention)


def _of_page(lake: Store, needs: _Needs, retention: RetentionSettings) -> Iterator[StoredObject]:
    for thumbnail in lake.objects(layout.THUMBNAILS):
        yield from _if_older([thumbnail], retention.thumbnails_days)
    for version in lake.folders(layout.NEAR_DUPLICATES):
        if version.isdecimal() and int(version) not in needs.releases:
            yield from lake.objects(f"{layout.NEAR_DUPLICATES}/{version}")


def _of_model(
    lake: Store, model: str, needs: _Needs, retention: RetentionSettings
) -> Iterator[StoredObject]:
    vectors = f"{layout.MODEL}/{model}/vectors"
    for shard in lake.folders(vectors):
        old = _if_older(lake.objects(f"{vectors}/{shard}"), retention.landing_days)
        yield from needs.unneeded(shard, needs.shards, old)
    everything = lake.objects(f"{layout.MODEL}/{model}")
    network = (item for item in everything if not item.path.startswith(f"{vectors}/"))
    yield from needs.unneeded(model, needs.models, _if_older(network, retention.abandoned_days))


def _old_releases(lake: Store, needs: _Needs) -> Iterator[StoredObject]:
    newest = max(needs.releases, default=0)
    releases = Releases(lake)
    for version in releases.numbers():
        # A number above the newest release may be one in the making.
        if version < newest and version not in needs.releases:
            # Whoever is still at work on one that was abandoned must find that it has been closed.
            days = 0 if releases.get(version) else _UNFINISHED_DAYS
            old = _if_older(lake.objects(layout.release(version, "").rstrip("/")), days)
            items = list(needs.unneeded(version, needs.releases, old))
            # Somebody may have pinned it since this began.
            if version != releases.pinned():
                yield from items


def _old_looks(lake: Store) -> Iterator[StoredObject]:
    """Yields the numbers of looks but for the highest, which the next one goes on from."""
    newest = newest_look(lake)
    for item in lake.objects(layout.LOOKS):
        # One that is about to begin may have seen no higher number yet.
        if look_number(item.path) < newest and _days_since(item.modified) >= _UNFINISHED_DAYS:
            yield item


def _if_older(objects: Iterable[StoredObject], days: float) -> Iterator[StoredObject]:
    """Yields the objects of a folder if all are older: those that make it complete first."""
    items = list(objects)
    if all(_days_since(item.modified) >= days for item in items):
        yield from sorted(items, key=lambda item: not layout.completes(item.path))


def _unfinished_writes(lake: Store) -> Iterator[StoredObject]:
    found = itertools.chain.from_iterable(lake.unfinished(zone) for zone in layout.ZONES)
    return (item for item in found if _days_since(item.modified) >= _UNFINISHED_DAYS)


def _days_since(moment: float) -> float:
    return (time.time() - moment) / _DAY
