import os
import time
from pathlib import Path

import pytest

from tasks import prune as prune_module
from tasks.contract import file_result
from tasks.etl import etl
from tasks.feature_engineering import feature_engineering
from tasks.lake import layout
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.load import load
from tasks.plan import plan
from tasks.prune import prune
from tasks.publish import publish
from tasks.search import search
from tasks.settings import RetentionSettings
from tasks.vectorize import vectorize
from tests.tasks.pipeline import NOTHING_STAYS, reindex, save_photo, settings_for_tests

SETTINGS = settings_for_tests()


def everything(lake: Store) -> set[str]:
    return {item.path for item in lake.objects()}


def publish_another(lake: Store, master: Path, view: int) -> None:
    save_photo(master / f"another_{view}.jpg", "coffee", view)
    run = f"run-{view}"
    file_result(lake, run, "publish", None, reindex(lake, run))


def test_the_features_of_published_shards_go_first(indexed: Store) -> None:
    file_result(indexed, "first", "publish", None, {})
    before = everything(indexed)
    summary = prune(indexed, RetentionSettings())
    gone = before - everything(indexed)
    assert {path.split("/")[0] for path in gone} == {"feature_store"}
    assert summary["objects"] == summary["zones"]["feature_store"]["objects"] == len(gone) == 2
    assert summary["bytes"] > 6 * 224 * 224 * 3 * 4


def test_a_dry_run_removes_nothing_and_says_what_would_go(indexed: Store) -> None:
    file_result(indexed, "first", "publish", None, {})
    before = everything(indexed)
    assert prune(indexed, RetentionSettings(), dry_run=True)["objects"] == 2
    assert everything(indexed) == before


def test_the_last_releases_stay_and_search_goes_on(indexed: Store, master: Path) -> None:
    file_result(indexed, "first", "publish", None, {})
    for view in (10, 11, 12):
        publish_another(indexed, master, view)
    prune(indexed, RetentionSettings(releases=2, superseded_days=0))
    assert [release.version for release in Releases(indexed).newest_first()] == [4, 3]
    assert search(indexed, "s", "another_12.jpg", 1, SETTINGS)["release"] == 4


def test_what_the_page_has_made_goes_by_age_and_with_its_release(indexed: Store) -> None:
    thumbnail = layout.thumbnail("ab" * 32, 256)
    kept, gone = layout.near_duplicates(1), layout.near_duplicates(99)
    upload = layout.query_picture("manual__1", "random.jpg")
    for path in (thumbnail, kept, gone, upload):
        indexed.write(path, b"x")
    prune(indexed, RetentionSettings())
    assert {thumbnail, kept, upload} <= everything(indexed)
    assert gone not in everything(indexed)
    prune(indexed, RetentionSettings(thumbnails_days=0, runs_days=0, abandoned_days=0))
    assert kept in everything(indexed)
    assert not {thumbnail, upload} & everything(indexed)


def test_a_pinned_release_stays(indexed: Store, master: Path) -> None:
    Releases(indexed).pin(1)
    publish_another(indexed, master, 10)
    prune(indexed, NOTHING_STAYS)
    assert [release.version for release in Releases(indexed).newest_first()] == [2, 1]
    assert search(indexed, "s", str(master / "coffee_0.jpg"), 1, SETTINGS)["release"] == 1


def test_what_a_vector_database_holds_stays_as_long_as_it_is_set(
    indexed: Store, master: Path, tmp_path: Path
) -> None:
    milvus = settings_for_tests(vector_database={"uri": str(tmp_path / "vectors.db")})
    load(indexed, milvus.vector_database)
    for view in (10, 11, 12):
        publish_another(indexed, master, view)
        if view == 10:
            load(indexed, milvus.vector_database)
    prune(indexed, NOTHING_STAYS, with_loaded=True)
    assert [release.version for release in Releases(indexed).newest_first()] == [4, 2, 1]
    for version in (2, 1):
        Releases(indexed).pin(version)
        query = str(master / "coffee_0.jpg")
        assert search(indexed, "s", query, 1, milvus)["release"] == version
    Releases(indexed).unpin()
    load(indexed, milvus.vector_database)
    prune(indexed, NOTHING_STAYS, with_loaded=True)
    assert [release.version for release in Releases(indexed).newest_first()] == [4, 2]
    prune(indexed, NOTHING_STAYS)
    assert [release.version for release in Releases(indexed).newest_first()] == [4]


def test_a_release_stays_for_a_day_after_it_was_unpinned(
    indexed: Store, master: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Releases(indexed).pin(1)
    publish_another(indexed, master, 10)
    Releases(indexed).unpin()
    pin = indexed.local_path(layout.PIN)
    assert pin
    later = time.time() + 10 * 86_400
    monkeypatch.setattr(time, "time", lambda: later)
    os.utime(pin, (later, later - 80_000))
    one_day = RetentionSettings(releases=1, superseded_days=1)
    prune(indexed, one_day)
    assert [release.version for release in Releases(indexed).newest_first()] == [2, 1]
    os.utime(pin, (later, later - 90_000))
    prune(indexed, one_day)
    assert [release.version for release in Releases(indexed).newest_first()] == [2]


def test_a_release_that_is_pinned_while_prune_is_at_work_stays(
    indexed: Store, master: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for view in (10, 11):
        publish_another(indexed, master, view)
    delete = indexed.delete

    def delete_while_somebody_pins(path: str) -> None:
        if path == layout.release(1, layout.MANIFEST):
            Releases(indexed).pin(2)
        delete(path)

    monkeypatch.setattr(indexed, "delete", delete_while_somebody_pins)
    prune(indexed, NOTHING_STAYS)
    assert [release.version for release in Releases(indexed).newest_first()] == [3, 2]


def test_with_no_retention_the_release_and_its_model_are_all_that_stays(
    indexed: Store, master: Path
) -> None:
    publish_another(indexed, master, 10)
    prune(indexed, NOTHING_STAYS)
    left = {path.split("/")[0] for path in everything(indexed)}
    assert left == {"master", "model", "releases", "weights"}
    assert search(indexed, "s", str(master / "coffee_0.jpg"), 1, SETTINGS)["results"]


def test_the_original_images_always_stay(indexed: Store, master: Path) -> None:
    before = sorted(master.rglob("*"))
    prune(indexed, NOTHING_STAYS)
    assert sorted(master.rglob("*")) == before


def test_what_an_unfinished_run_needs_stays(indexed: Store, master: Path) -> None:
    save_photo(master / "new.jpg", "coffee", 9)
    planned = plan(indexed, "unfinished", SETTINGS)
    publish_another(indexed, master, 10)
    publish_another(indexed, master, 11)
    prune(indexed, NOTHING_STAYS.model_copy(update={"abandoned_days": 1}))
    assert indexed.exists(layout.plan("unfinished"))
    # Its base, and what it must not undo.
    assert [release.version for release in Releases(indexed).newest_first()] == [3, 2, 1]
    assert planned["base"] == 1


def test_a_run_that_was_planned_before_there_was_a_release_keeps_all(
    lake: Store, master: Path
) -> None:
    save_photo(master / "a.jpg")
    plan(lake, "unfinished", SETTINGS)
    for view in (1, 2):
        publish_another(lake, master, view)
    prune(lake, NOTHING_STAYS.model_copy(update={"abandoned_days": 1}))
    assert [release.version for release in Releases(lake).newest_first()] == [2, 1]


def test_what_a_run_needs_that_was_cleared_after_it_had_published_stays(
    indexed: Store, master: Path
) -> None:
    save_photo(master / "new.jpg", "coffee", 9)
    (part,) = plan(indexed, "cleared", SETTINGS)["shards"]
    file_result(indexed, "cleared", "publish", None, {})
    file_result(indexed, "cleared", "etl", part["shard"], etl(indexed, "cleared", part["shard"]))
    feature_engineering(indexed, "cleared", part["shard"])
    prune(indexed, NOTHING_STAYS.model_copy(update={"abandoned_days": 1}))
    assert not vectorize(indexed, "cleared", part["shard"], SETTINGS)["already_complete"]


def test_a_run_given_up_long_ago_is_not_waited_for(indexed: Store, master: Path) -> None:
    save_photo(master / "new.jpg", "coffee", 9)
    plan(indexed, "unfinished", SETTINGS)
    prune(indexed, NOTHING_STAYS)
    assert not indexed.exists(layout.plan("unfinished"))


def test_a_release_in_the_making_stays(indexed: Store) -> None:
    version = Releases(indexed).claim("somebody")
    indexed.write(layout.release(version, layout.IMAGE_INDEX), b"half")
    prune(indexed, NOTHING_STAYS)
    assert indexed.exists(layout.release(version, layout.IMAGE_INDEX))


def test_an_abandoned_release_goes_once_nobody_can_be_at_work_on_it(
    indexed: Store, master: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = Releases(indexed).claim("died")
    publish_another(indexed, master, 10)
    monkeypatch.setattr(prune_module, "_UNFINISHED_DAYS", 0.0)
    prune(indexed, RetentionSettings())
    assert version not in Releases(indexed).numbers()


def test_a_slow_publisher_still_learns_that_it_has_lost(indexed: Store, master: Path) -> None:
    releases = Releases(indexed)
    first, slow = releases.get(1), releases.claim("slow")
    indexed.write(layout.release(slow, layout.IMAGE_INDEX), b"half")
    publish_another(indexed, master, 10)
    prune(indexed, NOTHING_STAYS)
    assert indexed.exists(layout.release(slow, layout.IMAGE_INDEX))
    assert first
    late = first.model_copy(update={"version": slow, "previous": 1, "run": "slow"})
    assert not releases.commit(late)


def test_of_the_looks_at_the_catalogue_the_last_number_stays(
    indexed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run in ("a", "b"):
        plan(indexed, run, SETTINGS)
    before = len(list(indexed.objects(layout.LOOKS)))
    prune(indexed, NOTHING_STAYS)
    assert len(list(indexed.objects(layout.LOOKS))) == before == 3
    monkeypatch.setattr(prune_module, "_UNFINISHED_DAYS", 0.0)
    prune(indexed, NOTHING_STAYS)
    assert [item.path for item in indexed.objects(layout.LOOKS)] == [layout.look(3)]


def test_pruning_twice_removes_nothing_more(indexed: Store, master: Path) -> None:
    publish_another(indexed, master, 10)
    prune(indexed, NOTHING_STAYS)
    assert prune(indexed, NOTHING_STAYS)["objects"] == 0


def test_a_folder_of_somebody_else_beside_the_runs_is_left_alone(
    indexed: Store, master: Path
) -> None:
    indexed.write("runs/old stuff/notes.txt", b"mine")
    publish_another(indexed, master, 10)
    assert prune(indexed, NOTHING_STAYS)["objects"]
    assert indexed.read("runs/old stuff/notes.txt") == b"mine"


def forget_the_release(lake: Store) -> None:
    """Damages the release, so that the next run needs all shards; those are still there."""
    file_result(lake, "first", "publish", None, {})
    lake.delete(layout.release(1, layout.CATALOGUE))


def test_what_a_run_that_begins_meanwhile_finds_complete_stays(
    indexed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_the_release(indexed)
    shards = []

    def begin_a_run_then_delete(path: str) -> None:
        if not shards:
            shards.extend(part["shard"] for part in plan(indexed, "late", SETTINGS)["shards"])
            assert all(etl(indexed, "late", shard)["already_complete"] for shard in shards)
        delete(path)

    delete = indexed.delete
    monkeypatch.setattr(indexed, "delete", begin_a_run_then_delete)
    prune(indexed, NOTHING_STAYS.model_copy(update={"abandoned_days": 1}))
    assert shards
    for shard in shards:
        feature_engineering(indexed, "late", shard)
        assert vectorize(indexed, "late", shard, SETTINGS)["already_complete"]
    assert publish(indexed, "late")["images"] == 6


def test_a_run_that_gets_its_plan_meanwhile_is_noticed(
    indexed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_the_release(indexed)
    plan(indexed, "late", SETTINGS)
    planned = indexed.read(layout.plan("late"))
    indexed.delete(layout.plan("late"))

    def finish_the_plan_then_delete(path: str) -> None:
        indexed.write(layout.plan("late"), planned)
        delete(path)

    delete = indexed.delete
    monkeypatch.setattr(indexed, "delete", finish_the_plan_then_delete)
    prune(indexed, NOTHING_STAYS.model_copy(update={"abandoned_days": 1}))
    assert indexed.folders(layout.LANDING)


def test_a_run_whose_folder_was_there_before_its_first_object_is_noticed(
    indexed: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_the_release(indexed)
    # On a disk the folders come first, then what is written goes there under another name.
    (tmp_path / "lake" / layout.run("late", "listings")).mkdir(parents=True)
    began = []

    def begin_the_run_then_delete(path: str) -> None:
        if not began:
            began.append(plan(indexed, "late", SETTINGS))
        delete(path)

    delete = indexed.delete
    monkeypatch.setattr(indexed, "delete", begin_the_run_then_delete)
    prune(indexed, NOTHING_STAYS.model_copy(update={"abandoned_days": 1}))
    assert began
    assert etl(indexed, "late", began[0]["shards"][0]["shard"])["already_complete"]


def test_a_shard_that_is_used_again_is_kept_as_a_new_one(indexed: Store) -> None:
    forget_the_release(indexed)
    for zone in (layout.LANDING, layout.FEATURE_STORE, layout.MODEL):
        for item in indexed.objects(zone):
            path = indexed.local_path(item.path)
            assert path
            indexed.write(item.path, indexed.read(item.path))  # it is linked, and others read it
            os.utime(path, (0, 0))
    (shard,) = (part["shard"] for part in plan(indexed, "again", SETTINGS)["shards"])
    assert etl(indexed, "again", shard)["already_complete"]
    assert feature_engineering(indexed, "again", shard)["already_complete"]
    assert vectorize(indexed, "again", shard, SETTINGS)["already_complete"]
    file_result(indexed, "again", "publish", None, publish(indexed, "again"))
    prune(indexed, RetentionSettings(feature_store_days=0, landing_days=7))
    assert indexed.folders(layout.LANDING) == [shard]
    assert not indexed.folders(layout.FEATURE_STORE)
    assert vectorize(indexed, "again", shard, SETTINGS)["already_complete"]
