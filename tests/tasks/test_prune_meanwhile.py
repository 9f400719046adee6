"""What begins while `prune` is at work, before any of its requests: nothing that it needs goes."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.contract import file_result
from tasks.errors import UserError
from tasks.etl import etl
from tasks.feature_engineering import feature_engineering
from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.plan import plan
from tasks.prune import prune
from tasks.publish import publish
from tasks.vectorize import vectorize
from tests.tasks.pipeline import NOTHING_STAYS, reindex, save_photo, settings_for_tests

SETTINGS = settings_for_tests()
REQUESTS = ("delete", "folders", "objects", "read", "create")
AS_LITTLE_AS_MAY_BE = NOTHING_STAYS.model_copy(update={"abandoned_days": 1})


def prune_while(lake: Store, before_request: int, happens: Callable[[Store], None]) -> int:
    """Prunes with something happening before one of its requests; returns how many there were."""
    count = 0

    def noticed(name: str) -> Callable[..., Any]:
        request = getattr(lake, name)

        def make(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == before_request:
                happens(open_store(lake.uri("")))
            return request(*arguments, **options)

        return make

    with pytest.MonkeyPatch.context() as patch:
        for name in REQUESTS:
            patch.setattr(lake, name, noticed(name))
        prune(lake, AS_LITTLE_AS_MAY_BE)
    return count


def copies(lake: Store, folder: Path) -> Callable[[], Store]:
    """Returns what makes copies of a lake, each to do anything with."""
    source = lake.local_path("")
    assert source

    def copy() -> Store:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder, copy_function=os.link)  # replaced, never changed
        return open_store(folder.as_uri())

    return copy


def test_a_run_that_begins_at_any_moment_finds_or_makes_all_it_needs(
    indexed: Store, tmp_path: Path
) -> None:
    # Damages the release, so that the next run needs all shards; those are still there.
    file_result(indexed, "first", "publish", None, {})
    indexed.delete(layout.release(1, layout.CATALOGUE))
    copy = copies(indexed, tmp_path / "copy")
    shards: list[str] = []
    found_complete = set()

    def begin_a_run(lake: Store) -> None:
        shards[:] = [part["shard"] for part in plan(lake, "late", SETTINGS)["shards"]]
        found_complete.update(etl(lake, "late", shard)["already_complete"] for shard in shards)

    requests = prune_while(copy(), 0, begin_a_run)
    for moment in range(1, requests + 1):
        lake = copy()
        prune_while(lake, moment, begin_a_run)
        for shard in shards:
            feature_engineering(lake, "late", shard)
            vectorize(lake, "late", shard, SETTINGS)
        assert publish(lake, "late")["images"] == 6, f"before request {moment} of {requests}"
    assert found_complete == {True, False}


def test_a_pin_that_is_set_at_any_moment_holds_or_is_refused(
    indexed: Store, master: Path, tmp_path: Path
) -> None:
    save_photo(master / "another.jpg", "coffee", 10)
    file_result(indexed, "first", "publish", None, {})
    file_result(indexed, "second", "publish", None, reindex(indexed, "second"))
    copy = copies(indexed, tmp_path / "copy")
    said = []

    def pin(lake: Store) -> None:
        try:
            Releases(lake).pin(1)
            said.append("pinned")
        except UserError:
            said.append("refused")

    requests = prune_while(copy(), 0, pin)
    for moment in range(1, requests + 1):
        lake = copy()
        prune_while(lake, moment, pin)
        current = Releases(lake).current()
        assert current
        assert current.version == (1 if said[-1] == "pinned" else 2), f"before request {moment}"
        assert Releases(lake).is_sound(current)
    assert set(said) == {"pinned", "refused"}
