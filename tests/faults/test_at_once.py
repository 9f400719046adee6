"""Two runs, searches and prunes at the same time, and the same task of one run twice."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tasks.lake import layout
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.verify import verify
from tests.faults.child_tasks import Tasks
from tests.faults.equality import assert_equal, newest_sound, release_names
from tests.faults.test_kills import put_photo, rebuilt
from tests.faults.watcher import watching
from tests.tasks.pipeline import settings_for_tests

PRUNE_HARD = {
    "RETENTION__RELEASES": "1",
    "RETENTION__LANDING_DAYS": "0",
    "RETENTION__RUNS_DAYS": "0",
}


def at_once(*calls: Callable[[], dict[str, Any]]) -> list[dict[str, Any]]:
    """Makes all calls at the same time and returns what they return."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


@pytest.fixture
def indexed(lake: Store, tmp_path: Path) -> Store:
    """A lake with release 1 of four photographs."""
    for view in range(2):
        put_photo(lake, f"cat {view}.jpg", "chelsea", view, tmp_path)
        put_photo(lake, f"cups/{view}.jpg", "coffee", view, tmp_path)
    Tasks(lake).reindex("first")
    return lake


def test_two_runs_searches_and_prunes_get_on_with_each_other(
    indexed: Store, model_once: Path, tmp_path: Path
) -> None:
    tasks = Tasks(indexed, PIPELINE__SHARD_SIZE="2", **PRUNE_HARD)
    answers: list[dict[str, Any]] = []
    done = threading.Event()

    def search_and_prune() -> dict[str, Any]:
        while not done.is_set():
            run = f"search-{len(answers)}"
            answers.append(tasks.run("search", "--query", "cat 0.jpg", "--run", run))
            tasks.run("prune")
        return {}

    def two_runs() -> dict[str, Any]:
        try:
            for number in range(3):
                put_photo(indexed, f"new {number}.jpg", "rocket", number, tmp_path)
                put_photo(indexed, "cups/1.jpg", "rocket", number + 5, tmp_path)
                one, other = at_once(
                    partial(tasks.reindex, f"one-{number}"),
                    partial(tasks.reindex, f"other-{number}"),
                )
                assert {one.get("images"), other.get("images")} <= {5 + number, None}
        finally:
            done.set()
        return {}

    with watching(indexed):
        at_once(search_and_prune, two_runs)
    versions = [answer["release"] for answer in answers]
    assert versions == sorted(versions)
    assert all(answer["results"][0]["name"] == "cat 0.jpg" for answer in answers)
    # Whoever came second gave its number up, and found nothing left to do or published once more.
    assert Releases(indexed).numbers()[-1] <= 1 + 3 * 4  # four a pair of runs, see below
    assert_equal(indexed, rebuilt(indexed, model_once, tmp_path / "full"))


def test_a_run_that_was_planned_before_a_change_loses_nothing_of_it(
    indexed: Store, model_once: Path, tmp_path: Path
) -> None:
    tasks = Tasks(indexed)
    put_photo(indexed, "early.jpg", "rocket", 0, tmp_path)
    tasks.run("plan", "--run", "early")
    put_photo(indexed, "late.jpg", "rocket", 1, tmp_path)
    early, late = at_once(lambda: tasks.reindex("early"), lambda: tasks.reindex("late"))
    # Who loses gives up the number that the winner has closed, and one more if it claims that
    # before the winner is seen: one run takes one number, the other at most three.
    assert {early["version"], late["version"]} <= {2, 3, 4, 5}
    assert "late.jpg" in release_names(indexed, newest_sound(indexed))
    tasks.reindex("last")
    assert_equal(indexed, rebuilt(indexed, model_once, tmp_path / "full"))


def test_runs_on_two_folders_both_get_into_the_next_release(indexed: Store, tmp_path: Path) -> None:
    tasks = Tasks(indexed)
    put_photo(indexed, "cups/new.jpg", "coffee", 7, tmp_path)
    put_photo(indexed, "rockets/new.jpg", "rocket", 7, tmp_path)
    tasks.run("plan", "--run", "cups", "--prefix", "cups")
    tasks.run("plan", "--run", "rockets", "--prefix", "rockets")
    published = at_once(lambda: tasks.reindex("cups"), lambda: tasks.reindex("rockets"))
    assert sorted(summary["images"] for summary in published) == [5, 6]
    names = release_names(indexed, newest_sound(indexed))
    assert {"cups/new.jpg", "rockets/new.jpg"} < set(names)


def test_a_task_that_runs_twice_at_once_does_its_work_right(
    lake: Store, model_once: Path, tmp_path: Path
) -> None:
    tasks = Tasks(lake, PIPELINE__SHARD_SIZE="3")
    for view in range(5):
        put_photo(lake, f"cat {view}.jpg", "chelsea", view, tmp_path)

    def twice(task: str, *arguments: str) -> list[dict[str, Any]]:
        return at_once(*[partial(tasks.run, task, *arguments)] * 2)

    with watching(lake):
        one, other = twice("plan", "--run", "r")
        assert one["shards"] == other["shards"]
        for part in one["shards"]:
            for task in ("etl", "feature_engineering", "vectorize"):
                twice(task, "--run", "r", "--shard", part["shard"])
        published = twice("publish", "--run", "r")
    assert {summary["images"] for summary in published} == {5}
    assert verify(lake, settings_for_tests())["sound"]
    assert_equal(lake, rebuilt(lake, model_once, tmp_path / "full"))
    manifests = [release.version for release in Releases(lake).newest_first()]
    assert len(manifests) == 1, layout.MANIFEST
