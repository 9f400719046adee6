"""prune: drops what no kept release and no unfinished run needs."""

import itertools
import logging
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from tasks.contract import Summary, timed
from tasks.lake import layout
from tasks.lake.looks import look_number, newest_look
from tasks.lake.papers import encode_paper, read_paper
from tasks.lake.releases import Releases
from tasks.lake.store import Store, StoredObject
from tasks.needs import Needs, days_since
from tasks.settings import RetentionSettings

# Whoever still writes after that long is gone.
_UNFINISHED_DAYS = 1.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Folder:
    """Objects that nobody needs, and that go together.

    Attributes:
        items: the objects.
        is_needed: tells whether somebody has come to need them.
        path: of the folder, where others may come to need it any time; else empty.
    """

    items: list[StoredObject]
    is_needed: Callable[[], bool] = lambda: False
    path: str = ""

    @property
    def journal(self) -> str:
        """Where a prune notes that it is at work on the folder, and what it may bring back."""
        return f"{self.path}/{layout.PRUNING}"


def prune(
    lake: Store, retention: RetentionSettings, *, with_loaded: bool = False, dry_run: bool = False
) -> Summary:
    """Removes old releases, and the artifacts that only they or finished runs needed.

    It may be killed at any moment, and run while others work: what tells that something is complete
    goes first, so nobody takes the rest for it, and comes back if by then somebody needs it.

    Args:
        lake: the data lake.
        retention: what stays, and how long.
        with_loaded: searches use a vector database; the releases that it holds stay.
        dry_run: only say what would go.

    Returns:
        How many objects and bytes went, or would go, in all and by zone.
    """
    verb = "would remove" if dry_run else "removed"
    zones: dict[str, dict[str, int]] = {}
    with timed() as summary:
        for folder in _superfluous(lake, retention, with_loaded):
            for item in _remove(lake, folder, dry_run):
                logger.info("%s %s (%d bytes)", verb, item.path, item.bytes)
                _count(zones, item)
        for item in _unfinished_writes(lake):
            if not dry_run:
                lake.discard_unfinished(item)
            logger.info("%s what was left of writing %s", verb, item.path)
            _count(zones, item)
        objects, size = (
            sum(zone[kind] for zone in zones.values()) for kind in ("objects", "bytes")
        )
        summary |= {"dry_run": dry_run, "objects": objects, "bytes": size, "zones": zones}
    return summary


def _count(zones: dict[str, dict[str, int]], item: StoredObject) -> None:
    zone = zones.setdefault(item.path.split("/", 1)[0], {"objects": 0, "bytes": 0})
    zone["objects"] += 1
    zone["bytes"] += item.bytes


def _remove(lake: Store, folder: _Folder, dry_run: bool) -> Iterator[StoredObject]:
    """Removes a folder and yields what went, or would go, unless somebody needs it."""
    items = [item for item in folder.items if item.path != folder.journal]
    begun = next((item for item in folder.items if item.path == folder.journal), None)
    if not folder.items or (begun and days_since(begun.modified) < _UNFINISHED_DAYS):
        return  # there is nothing to do, or another prune is at work here
    if folder.is_needed():
        if begun and not dry_run:
            _bring_back(lake, folder, _noted(lake, folder))
        return
    if not dry_run and folder.path and not _make_incomplete(lake, folder, items, bool(begun)):
        return
    for item in items:
        # What makes it complete has gone; if it is there again, somebody has made it anew.
        if not dry_run and not (folder.path and layout.completes(item.path)):
            lake.delete(item.path)
        yield item
    if not dry_run and folder.path:
        lake.delete(folder.journal)


def _make_incomplete(lake: Store, folder: _Folder, items: list[StoredObject], begun: bool) -> bool:
    """Removes what makes a folder complete; tells whether it stays so and all else may go, too.

    A run shows its plan before it looks for what is complete, and here what tells so is removed
    before the plans are looked at. So of a run and a prune at the same moment, either the run finds
    nothing complete and makes it anew, elsewhere, or its plan is found here, and all is as before.
    The same holds for a pin. Two prunes are never at work on one folder, and one that dies has
    noted what to bring back.

    Args:
        lake: the data lake.
        folder: that nobody needs, as far as is known.
        items: what is in it.
        begun: a prune that died has begun with it.
    """
    first = [item.path for item in items if layout.completes(item.path)]
    papers = (_noted(lake, folder) if begun else {}) | _read(lake, first)
    note = encode_paper({"papers": papers, "attempt": uuid.uuid4().hex})
    if not begun and not lake.create(folder.journal, note):
        return False  # another prune is at work here
    for path in first:
        lake.delete(path)
    if folder.is_needed():
        _bring_back(lake, folder, papers)
        return False
    return True


def _read(lake: Store, paths: list[str]) -> dict[str, str]:
    papers = {}
    for path in paths:
        with suppress(FileNotFoundError):
            papers[path] = lake.read(path).decode(errors="replace")
    return papers


def _noted(lake: Store, folder: _Folder) -> dict[str, str]:
    try:
        return dict(read_paper(lake, folder.journal)["papers"])
    except (FileNotFoundError, ValueError):
        return {}


def _bring_back(lake: Store, folder: _Folder, papers: dict[str, str]) -> None:
    for path, paper in papers.items():
        lake.create(path, paper.encode())
    lake.delete(folder.journal)


def _superfluous(lake: Store, retention: RetentionSettings, with_loaded: bool) -> Iterator[_Folder]:
    models, landed, featured, runs = map(
        lake.folders, (layout.MODEL, layout.LANDING, layout.FEATURE_STORE, layout.RUNS)
    )
    # Looked up after the listings: what is listed and belongs to a run has that run's plan by now.
    needs = Needs(lake, retention, with_loaded=with_loaded)
    yield from _old_releases(lake, needs)
    yield from _old_looks(lake)
    for zone, shards, days in (
        (layout.FEATURE_STORE, featured, retention.feature_store_days),
        (layout.LANDING, landed, retention.landing_days),
    ):
        for shard in shards:
            old = _if_older(lake.objects(f"{zone}/{shard}"), days)
            yield _Folder(old, needs.asks_for(shard, needs.shards), f"{zone}/{shard}")
    for model in models:
        yield from _of_model(lake, model, needs, retention)
    for run in filter(layout.is_run_key, runs):
        old = _if_older(lake.objects(layout.run(run)), retention.runs_days)
        yield _Folder(old, needs.asks_for(run, needs.runs))
    yield from _of_page(lake, needs, retention)


def _of_page(lake: Store, needs: Needs, retention: RetentionSettings) -> Iterator[_Folder]:
    for thumbnail in lake.objects(layout.THUMBNAILS):
        yield _Folder(_if_older([thumbnail], retention.thumbnails_days))
    for version in lake.folders(layout.NEAR_DUPLICATES):
        if version.isdecimal():
            items = list(lake.objects(f"{layout.NEAR_DUPLICATES}/{version}"))
            yield _Folder(items, needs.asks_for_release(int(version)))


def _of_model(
    lake: Store, model: str, needs: Needs, retention: RetentionSettings
) -> Iterator[_Folder]:
    vectors = f"{layout.MODEL}/{model}/vectors"
    for shard in lake.folders(vectors):
        items = _if_older(lake.objects(f"{vectors}/{shard}"), retention.landing_days)
        yield _Folder(items, needs.asks_for(shard, needs.shards), f"{vectors}/{shard}")
    everything = lake.objects(f"{layout.MODEL}/{model}")
    network = (item for item in everything if not item.path.startswith(f"{vectors}/"))
    items = _if_older(network, retention.abandoned_days)
    yield _Folder(items, needs.asks_for(model, needs.models), f"{layout.MODEL}/{model}")


def _old_releases(lake: Store, needs: Needs) -> Iterator[_Folder]:
    newest = max(needs.releases, default=0)
    releases = Releases(lake)
    for version in releases.numbers():
        # A number above the newest release may be one in the making.
        if version < newest:
            # Whoever is still at work on one that was abandoned must find that it has been closed.
            days = 0 if releases.get(version) else _UNFINISHED_DAYS
            folder = layout.release(version, "").rstrip("/")
            items = _if_older(lake.objects(folder), days)
            yield _Folder(items, needs.asks_for_release(version), folder)


def _old_looks(lake: Store) -> Iterator[_Folder]:
    """Yields the numbers of looks but for the highest, which the next one goes on from."""
    newest = newest_look(lake)
    for item in lake.objects(layout.LOOKS):
        if look_number(item.path) < newest:
            # One that is about to begin may have seen no higher number yet.
            yield _Folder(_if_older([item], _UNFINISHED_DAYS))


def _if_older(objects: Iterable[StoredObject], days: float) -> list[StoredObject]:
    """Returns the objects of a folder if all are older."""
    items = list(objects)
    return items if all(days_since(item.modified) >= days for item in items) else []


def _unfinished_writes(lake: Store) -> Iterator[StoredObject]:
    found = itertools.chain.from_iterable(lake.unfinished(zone) for zone in layout.ZONES)
    return (item for item in found if days_since(item.modified) >= _UNFINISHED_DAYS)
