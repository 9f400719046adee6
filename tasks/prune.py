"""prune: drops what no kept release and no unfinished run needs."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tasks.contract import Summary, timed
from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.releases import Releases
from tasks.lake.store import TEMPORARY_SUFFIX, Store, StoredObject
from tasks.run_plan import RunPlan, read_plan
from tasks.settings import RetentionSettings

_DAY = 86_400.0

logger = logging.getLogger(__name__)


def prune(lake: Store, retention: RetentionSettings, *, dry_run: bool = False) -> Summary:
    """Removes old releases, and the artifacts that only they or finished runs needed.

    Args:
        lake: the data lake.
        retention: what stays, and how long.
        dry_run: only say what would go.

    Returns:
        How many objects and bytes went, or would go.
    """
    verb = "would remove" if dry_run else "removing"
    objects = size = 0
    with timed() as summary:
        for item in _superfluous(lake, retention):
            logger.info("%s %s (%d bytes)", verb, item.path, item.bytes)
            objects, size = objects + 1, size + item.bytes
            if not dry_run:
                lake.delete(item.path)
        summary |= {"dry_run": dry_run, "objects": objects, "bytes": size}
    return summary


@dataclass(frozen=True)
class _Needs:
    """What must stay: releases by version, models by id, shards by id, and runs by folder name."""

    releases: set[int]
    models: set[str]
    shards: set[str]
    runs: set[str]


def _needs(lake: Store, retention: RetentionSettings) -> _Needs:
    unfinished = {
        key: plan
        for key, plan in ((key, _plan(lake, key)) for key in lake.folders(layout.RUNS))
        if _is_unfinished(lake, key, plan, retention)
    }
    plans = [plan for plan in unfinished.values() if plan]
    releases = Releases(lake)
    bases = {plan.base for plan in plans} | {releases.pinned()}
    kept = [
        release
        for rank, release in enumerate(releases.newest_first())
        if rank < retention.releases or release.version in bases
    ]
    return _Needs(
        releases={release.version for release in kept},
        models={str(release.model["id"]) for release in kept} | {plan.model for plan in plans},
        shards={shard.shard for plan in plans for shard in plan.shards},
        runs=set(unfinished),
    )


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
    needs = _needs(lake, retention)
    yield from _old_releases(lake, needs)
    shard_folders = [
        (layout.FEATURE_STORE, retention.feature_store_days),
        (layout.LANDING, retention.landing_days),
        *(
            (f"{layout.MODEL}/{model}/vectors", retention.landing_days)
            for model in lake.folders(layout.MODEL)
        ),
    ]
    for folder, days in shard_folders:
        for shard in set(lake.folders(folder)) - needs.shards:
            yield from _older_than(lake, f"{folder}/{shard}", days)
    for model in set(lake.folders(layout.MODEL)) - needs.models:
        for item in _older_than(lake, f"{layout.MODEL}/{model}", retention.abandoned_days):
            if "/vectors/" not in item.path:
                yield item
    for run in set(lake.folders(layout.RUNS)) - needs.runs:
        yield from _older_than(lake, layout.run(run), retention.runs_days)
    for item in lake.objects():
        if item.path.endswith(TEMPORARY_SUFFIX) and _days_since(item.modified) > 1:
            yield item


def _old_releases(lake: Store, needs: _Needs) -> Iterator[StoredObject]:
    """Yields the releases that go, manifests first: without one the rest is no release."""
    newest = max(needs.releases, default=0)
    for version in Releases(lake).numbers():
        # A number above the newest release may be one in the making.
        if version < newest and version not in needs.releases:
            folder = layout.release(version, "").rstrip("/")
            items = list(lake.objects(folder))
            yield from sorted(items, key=lambda item: not item.path.endswith(layout.MANIFEST))


def _older_than(lake: Store, folder: str, days: float) -> Iterator[StoredObject]:
    return (item for item in lake.objects(folder) if _days_since(item.modified) >= days)


def _days_since(moment: float) -> float:
    return (time.time() - moment) / _DAY
