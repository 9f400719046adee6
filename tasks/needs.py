"""`Needs`: what `prune` must leave, as somebody searches with it, builds on it or works on it."""

import time
from collections.abc import Callable, Iterable, Iterator, Set
from typing import TypeVar

from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.manifest import Manifest
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.run_plan import RunPlan, read_plan
from tasks.settings import RetentionSettings

_DAY = 86_400.0

_Key = TypeVar("_Key", str, int)


def days_since(moment: float) -> float:
    """Returns how many days ago a moment was, given in seconds since 1970."""
    return (time.time() - moment) / _DAY


class Needs:  # pylint: disable=too-many-instance-attributes  # four sets, and where they come from
    """What must stay: releases by version, models by id, shards by id, and runs by folder name.

    It grows while prune is at work: a run that begins meanwhile may find complete, and rely on,
    what was about to go.

    Attributes:
        releases: versions that are kept, and those that unfinished runs were planned against.
        models: ids.
        shards: ids.
        runs: folders of unfinished runs.
    """

    def __init__(
        self, lake: Store, retention: RetentionSettings, *, with_loaded: bool = False
    ) -> None:
        """Looks up what is needed.

        Args:
            lake: the data lake.
            retention: what stays, and how long.
            with_loaded: searches use a vector database; the releases that it holds stay.
        """
        self._lake, self._retention, self._with_loaded = lake, retention, with_loaded
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

    def asks_for(self, key: _Key, needed: set[_Key]) -> Callable[[], bool]:
        """Returns what tells whether somebody needs a folder by now, if nobody has so far.

        Args:
            key: of the folder.
            needed: one of the sets of this object.
        """

        def needs_it() -> bool:
            if key not in needed:
                self._look()
            return key in needed

        return needs_it

    def asks_for_release(self, version: int) -> Callable[[], bool]:
        """Returns what tells whether somebody needs a release by now: a run, a pin, a load."""
        planned = self.asks_for(version, self.releases)
        return lambda: planned() or version in self._in_use()

    def _in_use(self) -> set[int]:
        """Returns the pinned release, and those that a vector database holds if searches use it."""
        releases = Releases(self._lake)
        pinned = releases.pinned()
        loaded = releases.loaded() if self._with_loaded else set()
        return loaded if pinned is None else loaded | {pinned}

    def _look(self) -> None:
        """Takes in pin, load and the runs that have begun or got their plan since the last look."""
        for version in self._in_use() - self.releases:
            if release := Releases(self._lake).get(version):
                self.releases.add(version)
                self.models.add(str(release.model["id"]))
        for run in set(run_keys(self._lake)) - self._known_runs:
            found = {item.path: item.modified for item in self._lake.objects(layout.run(run))}
            plan = _plan(self._lake, run) if layout.plan(run) in found else None
            if plan or not _may_be_planned(run, found):
                self._known_runs.add(run)
            if not _is_unfinished(run, found, plan, self._retention):
                continue
            self.runs.add(run)
            if plan:
                self.models.add(plan.model)
                self.shards.update(shard.shard for shard in plan.shards)
                self._bases.add(plan.base or 0)
                self.releases.add(plan.base or 0)


def run_keys(lake: Store) -> Iterator[str]:
    """Yields the folders of runs; what else somebody has put beside them is left alone."""
    return filter(layout.is_run_key, lake.folders(layout.RUNS))


def _kept_releases(
    lake: Store, retention: RetentionSettings, bases: Set[int]
) -> Iterator[Manifest]:
    releases = Releases(lake)
    pinned, pin_changed = releases.pinned(), releases.pin_changed()
    usable = releases.usable()
    # An unfinished run must learn what was published since it looked, also if there was none then.
    oldest_base = min(bases, default=None)
    sound = 0
    superseded = float("inf")  # when the next newer release took over
    for release in releases.newest_first():
        since_base = oldest_base is not None and release.version >= oldest_base
        in_use = since_base or release.version == pinned or release == usable
        # A search may still be reading it, as it was the newest or as it was pinned.
        recent = days_since(max(superseded, pin_changed)) < retention.superseded_days
        if in_use or recent or sound < retention.releases:
            yield release
        if releases.is_sound(release) and releases.held(release.version) is None:
            sound += 1
            superseded = release.created_seconds


def _may_be_planned(run: str, found: Iterable[str]) -> bool:
    """Tells whether a run without a plan may be about to get one.

    The first thing that it writes is its listing; on a disk the folder is there before.
    """
    paths = list(found)
    return not paths or any(path.startswith(layout.run(run, "listings/")) for path in paths)


def _plan(lake: Store, run: str) -> RunPlan | None:
    try:
        return read_plan(lake, run)
    except UserError:
        return None  # none, or damaged: no task of it can go on


def _is_unfinished(
    run: str, found: dict[str, float], plan: RunPlan | None, retention: RetentionSettings
) -> bool:
    """Tells whether tasks of a run may still need what is in the lake.

    Args:
        run: its folder name.
        found: paths in the folder, and when each was written.
        plan: of the run, if it has one.
        retention: after how long it counts as given up.
    """
    published = found.get(layout.task_result(run, "publish"), 0.0)
    # A run whose tasks were cleared works again, though it has published.
    work = max((found[path] for path in found if _is_of_work(run, path)), default=0.0)
    if (published and published >= work) or (plan and not plan.anything_to_do):
        return False
    return days_since(max(found.values(), default=0.0)) < retention.abandoned_days


def _is_of_work(run: str, path: str) -> bool:
    before_publish = ("plan", "build_model", "etl", "feature_engineering", "vectorize")
    return path.startswith(tuple(layout.run(run, "results", task) for task in before_publish))
