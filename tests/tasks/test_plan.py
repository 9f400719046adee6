import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from PIL import Image as Picture

from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.local_store import LocalStore
from tasks.lake.store import Store
from tasks.plan import plan
from tasks.run_plan import read_plan
from tests.tasks.pipeline import reindex, save_photo, settings_for_tests

SETTINGS = settings_for_tests()


def test_a_first_plan_takes_in_every_file(lake: Store, master: Path) -> None:
    save_photo(master / "b.jpg")
    save_photo(master / "a" / "deep" / "a.jpg", view=1)
    summary = plan(lake, "r", SETTINGS)
    assert (summary["catalogue"], summary["added"], summary["base"]) == (2, 2, None)
    assert [shard["images"] for shard in summary["shards"]] == [2]
    assert summary["anything_to_do"]


def test_an_unchanged_catalogue_leaves_nothing_to_do(indexed: Store) -> None:
    summary = plan(indexed, "r", SETTINGS)
    assert not summary["anything_to_do"]
    assert (summary["unchanged"], summary["shards"]) == (7, [])


def test_a_night_without_changes_leaves_no_list_of_the_catalogue_and_deletes_nothing(
    indexed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(LocalStore, "delete")  # as a bucket's policy may
    plan(indexed, "night", SETTINGS)
    assert [item.path for item in indexed.objects("runs/night")] == ["runs/night/plan.json"]
    assert not plan(indexed, "night", SETTINGS)["anything_to_do"]


def test_changes_are_told_apart(indexed: Store, master: Path) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    save_photo(master / "coffee_0.jpg", "coffee", 8)
    (master / "coffee_1.jpg").rename(master / "cup.jpg")
    (master / "rocket" / "rocket_1.jpg").unlink()
    summary = plan(indexed, "r", SETTINGS)
    counts = {
        name: summary[name] for name in ("added", "changed", "renamed", "removed", "unchanged")
    }
    assert counts == {"added": 1, "changed": 1, "renamed": 1, "removed": 1, "unchanged": 4}
    assert [shard["images"] for shard in summary["shards"]] == [2]


def test_images_numbered_up_by_one_are_no_work(lake: Store, master: Path) -> None:
    for view in range(4):
        save_photo(master / f"{view}.jpg", view=view)
    reindex(lake, "r1")
    for view in reversed(range(4)):
        (master / f"{view}.jpg").rename(master / f"{view + 1}.jpg")
    summary = plan(lake, "r2", SETTINGS)
    assert summary["anything_to_do"]
    assert summary["shards"] == []


def test_a_touched_file_is_no_work(indexed: Store, master: Path) -> None:
    (master / "coffee_0.jpg").touch()
    assert not plan(indexed, "r", SETTINGS)["anything_to_do"]


def test_a_copy_of_a_removed_size_with_other_content_is_not_taken_for_a_rename(
    indexed: Store, master: Path
) -> None:
    old = master / "coffee_0.jpg"
    data = bytearray(old.read_bytes())
    data[-3] ^= 1
    old.unlink()
    (master / "other.jpg").write_bytes(data)
    summary = plan(indexed, "r", SETTINGS)
    assert (summary["renamed"], summary["added"], summary["removed"]) == (0, 1, 1)


def test_a_content_that_is_there_only_while_plan_reads_it_makes_no_rename(
    indexed: Store, master: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = master / "coffee_0.jpg", master / "new.jpg"
    removed = old.read_bytes()
    old.unlink()
    new.write_bytes(bytes(len(removed)))
    really_open = LocalStore.open

    @contextmanager
    def open_another(store: LocalStore, path: str) -> Iterator[IO[bytes]]:
        before = new.read_bytes(), new.stat().st_mtime_ns
        if path == "new.jpg":
            new.unlink()
            new.write_bytes(removed)
        with really_open(store, path) as stream:
            yield stream
        if path == "new.jpg":
            new.write_bytes(before[0])
            os.utime(new, ns=(before[1], before[1]))

    monkeypatch.setattr(LocalStore, "open", open_another)
    summary = plan(indexed, "r", SETTINGS)
    assert (summary["renamed"], summary["added"], summary["removed"]) == (0, 1, 1)


def test_the_shard_size_is_kept_and_every_image_is_in_one_shard(lake: Store, master: Path) -> None:
    for view in range(7):
        save_photo(master / f"{view}.jpg", view=view)
    settings = settings_for_tests(pipeline={"shard_size": 3})
    assert [shard["images"] for shard in plan(lake, "r", settings)["shards"]] == [3, 3, 1]


def test_a_large_catalogue_gets_larger_shards_rather_than_too_many(
    lake: Store, master: Path
) -> None:
    for view in range(7):
        save_photo(master / f"{view}.jpg", view=view)
    settings = settings_for_tests(pipeline={"shard_size": 1, "max_shards": 2})
    assert [shard["images"] for shard in plan(lake, "r", settings)["shards"]] == [4, 3]


def test_the_same_images_make_the_same_shards_in_another_run(lake: Store, master: Path) -> None:
    save_photo(master / "a.jpg")
    assert plan(lake, "r1", SETTINGS)["shards"] == plan(lake, "r2", SETTINGS)["shards"]


def test_a_full_rebuild_shares_no_shard_with_what_the_lake_has(indexed: Store) -> None:
    known = set(indexed.folders(layout.LANDING))
    summary = plan(indexed, "r", SETTINGS, full_rebuild=True)
    assert sum(shard["images"] for shard in summary["shards"]) == 7
    assert not known & {shard["shard"] for shard in summary["shards"]}


def test_a_run_that_has_its_plan_keeps_it(lake: Store, master: Path) -> None:
    save_photo(master / "a.jpg")
    before = plan(lake, "r", SETTINGS)
    save_photo(master / "b.jpg", view=1)
    after = plan(lake, "r", settings_for_tests(pipeline={"shard_size": 1}))
    assert after["shards"] == before["shards"]
    assert read_plan(lake, "r").pipeline.shard_size == SETTINGS.pipeline.shard_size


def test_a_prefix_leaves_the_rest_of_the_catalogue_alone(indexed: Store, master: Path) -> None:
    save_photo(master / "cats" / "new.jpg", "chelsea", 5)
    save_photo(master / "elsewhere.jpg", "chelsea", 6)
    shutil.rmtree(master / "rocket")
    summary = plan(indexed, "r", SETTINGS, prefix="/cats")
    assert (summary["catalogue"], summary["added"], summary["removed"]) == (3, 1, 0)


def test_a_prefix_is_a_folder_not_the_beginning_of_a_name(indexed: Store, master: Path) -> None:
    save_photo(master / "cats-not.jpg", view=9)
    assert not plan(indexed, "r", SETTINGS, prefix="cats")["anything_to_do"]


def test_another_model_means_all_images_again(indexed: Store) -> None:
    settings = settings_for_tests(pipeline={"backbone": "ResNet101"})
    summary = plan(indexed, "r", settings)
    assert sum(shard["images"] for shard in summary["shards"]) == 7
    assert (summary["added"], summary["unchanged"]) == (0, 7)


def test_another_model_with_a_prefix_is_refused(indexed: Store) -> None:
    settings = settings_for_tests(pipeline={"backbone": "ResNet101"})
    with pytest.raises(UserError, match="reindex the whole catalogue first"):
        plan(indexed, "r", settings, prefix="cats")


def test_raised_limits_give_rejected_images_another_chance(lake: Store, master: Path) -> None:
    save_photo(master / "a.jpg")
    save_photo(master / "large.jpg", view=1)
    size = (master / "large.jpg").stat().st_size
    (master / "large.jpg").write_bytes((master / "large.jpg").read_bytes() + bytes(size))
    assert (
        reindex(lake, "r1", settings_for_tests(limits={"max_bytes": 2 * size - 1}))["rejected"] == 1
    )
    assert reindex(lake, "r2", settings_for_tests(limits={"max_bytes": 2 * size}))["rejected"] == 0


def test_lowered_bytes_put_aside_what_is_over_them_by_now(indexed: Store, master: Path) -> None:
    largest = max(master.rglob("*.*g"), key=lambda path: path.stat().st_size)
    limits = {"max_bytes": largest.stat().st_size - 1}
    settings = settings_for_tests(limits=limits)
    (shard,) = plan(indexed, "p", settings)["shards"]
    assert shard["images"] == 2  # and the broken one, which has another chance
    summary = reindex(indexed, "r", settings)
    assert (summary["images"], summary["rejected"]) == (5, 2)
    assert not plan(indexed, "next", settings)["anything_to_do"]


def test_lowered_pixels_put_aside_what_is_over_them_by_now(lake: Store, master: Path) -> None:
    save_photo(master / "large.jpg")
    save_photo(master / "small.jpg", view=1)
    Picture.open(master / "small.jpg").resize((80, 60)).save(master / "small.jpg")
    reindex(lake, "r1")
    lowered = settings_for_tests(limits={"max_pixels": 160 * 120 - 1})
    summary = reindex(lake, "r2", lowered)
    assert (summary["images"], [item["name"] for item in summary["rejections"]]) == (
        1,
        ["large.jpg"],
    )


@pytest.mark.parametrize("limits", [{"max_bytes": 2**20}, {"max_pixels": 2**40}])
def test_other_limits_with_a_prefix_are_refused(indexed: Store, limits: dict[str, int]) -> None:
    with pytest.raises(UserError, match="reindex the whole catalogue first"):
        plan(indexed, "r", settings_for_tests(limits=limits), prefix="cats")


def test_another_catalogue_with_a_prefix_is_refused(indexed: Store, tmp_path: Path) -> None:
    save_photo(tmp_path / "bucket" / "cats" / "a.jpg")
    settings = settings_for_tests(catalogue=(tmp_path / "bucket").as_uri())
    with pytest.raises(UserError, match="reindex the whole catalogue first"):
        plan(indexed, "r", settings, prefix="cats")


def test_an_empty_catalogue_is_an_error_that_says_what_to_do(lake: Store) -> None:
    with pytest.raises(UserError, match=r"no image under .*master; put images there"):
        plan(lake, "r", SETTINGS)
    assert not lake.exists(layout.plan("r"))


def test_an_emptied_catalogue_is_an_error_and_the_release_stands(
    indexed: Store, master: Path
) -> None:
    shutil.rmtree(master)
    master.mkdir()
    with pytest.raises(UserError, match="no image under"):
        plan(indexed, "r", SETTINGS)


@pytest.mark.parametrize("prefix", ["../..", ".", "cats/./x", "cats/../..", "cats//x"])
def test_a_prefix_that_is_no_folder_of_the_catalogue_is_refused(
    indexed: Store, prefix: str
) -> None:
    with pytest.raises(UserError, match="leads out of the catalogue"):
        plan(indexed, "r", SETTINGS, prefix=prefix)


def test_a_missing_catalogue_is_an_error(lake: Store, tmp_path: Path) -> None:
    settings = settings_for_tests(catalogue=(tmp_path / "nowhere").as_uri())
    with pytest.raises(UserError, match="nowhere does not exist"):
        plan(lake, "r", settings)


@pytest.mark.parametrize("folder", ["", ".."])
def test_a_catalogue_that_holds_the_lake_is_refused(lake: Store, master: Path, folder: str) -> None:
    save_photo(master / "a.jpg")
    settings = settings_for_tests(catalogue=str(master.parent / folder))
    with pytest.raises(UserError, match=r"holds the lake .* give a folder beside the lake"):
        plan(lake, "r", settings)


def test_the_catalogue_may_lie_outside_the_lake(lake: Store, tmp_path: Path) -> None:
    save_photo(tmp_path / "bucket" / "a.jpg")
    settings = settings_for_tests(catalogue=(tmp_path / "bucket").as_uri())
    assert plan(lake, "r", settings)["catalogue"] == 1
