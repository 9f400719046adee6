"""What made every next reindex say that there is nothing to do, though something was wrong."""

import shutil
from pathlib import Path

import pytest

from tasks.contract import file_result
from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.plan import plan
from tasks.search import search
from tasks.verify import verify
from tests.tasks.pipeline import reindex, save_photo, settings_for_tests

SETTINGS = settings_for_tests()


def newest(lake: Store) -> int:
    release = Releases(lake).latest()
    assert release
    return release.version


def damage_manifest(lake: Store, how: str) -> None:
    """Damages the newest manifest, or removes it from a release that its run has reported."""
    path = layout.release(newest(lake), layout.MANIFEST)
    if how == "lost":
        lake.delete(path)
    else:
        lake.write(path, lake.read(path).replace(b'"run"', b'"ruo"'))


DAMAGE = pytest.mark.parametrize("how", ["damaged", "lost"])


@DAMAGE
def test_a_release_whose_manifest_is_gone_is_found_and_made_again(indexed: Store, how: str) -> None:
    file_result(indexed, "second", "publish", None, reindex(indexed, "second", full_rebuild=True))
    damage_manifest(indexed, how)
    summary = verify(indexed, SETTINGS)
    assert not summary["sound"]
    assert [problem["path"] for problem in summary["problems"]] == [
        layout.release(2, layout.MANIFEST)
    ]
    assert reindex(indexed, "repair")["version"] == 3
    assert verify(indexed, SETTINGS)["sound"]
    assert not plan(indexed, "after", SETTINGS)["anything_to_do"]


@DAMAGE
def test_nothing_is_built_folder_by_folder_on_the_release_before_one_whose_manifest_is_gone(
    indexed: Store, master: Path, how: str
) -> None:
    save_photo(master / "coffee_0.jpg", "rocket", 9)
    file_result(indexed, "second", "publish", None, reindex(indexed, "second"))
    damage_manifest(indexed, how)
    save_photo(master / "cats" / "new.jpg", "chelsea", 9)
    with pytest.raises(UserError, match="reindex the whole catalogue first, not cats/ alone"):
        plan(indexed, "part", SETTINGS, prefix="cats")
    assert reindex(indexed, "whole")["images"] == 7
    picture = str(master / "coffee_0.jpg")
    assert search(indexed, "s", picture, 1, SETTINGS)["results"][0]["name"] == "coffee_0.jpg"


def test_the_only_release_with_a_damaged_manifest_is_not_replaced_by_one_folder(
    indexed: Store,
) -> None:
    damage_manifest(indexed, "damaged")
    with pytest.raises(UserError, match="reindex the whole catalogue first"):
        plan(indexed, "part", SETTINGS, prefix="cats")


def test_a_release_damaged_after_a_rebuild_of_the_same_catalogue_is_made_again(
    indexed: Store,
) -> None:
    reindex(indexed, "second", full_rebuild=True)
    indexed.write(layout.release(2, layout.CATALOGUE), b"")
    assert not verify(indexed, SETTINGS)["sound"]
    assert reindex(indexed, "repair")["version"] == 3
    assert verify(indexed, SETTINGS)["sound"]
    assert not plan(indexed, "after", SETTINGS)["anything_to_do"]


def test_a_catalogue_that_moved_is_searched_where_it_is_now(
    indexed: Store, master: Path, tmp_path: Path
) -> None:
    shutil.copytree(master, tmp_path / "moved")
    shutil.rmtree(master)
    moved = settings_for_tests(catalogue=(tmp_path / "moved").as_uri())
    assert reindex(indexed, "moved", moved)["version"] == 2
    assert search(indexed, "s", "coffee_0.jpg", 2, moved)["results"]
    assert not plan(indexed, "after", moved)["anything_to_do"]


def test_limits_that_put_nothing_aside_let_folders_be_reindexed(
    indexed: Store, master: Path
) -> None:
    narrower = settings_for_tests(limits={"max_pixels": 50_000_000})
    assert reindex(indexed, "narrower", narrower)["images"] == 6
    save_photo(master / "cats" / "new.jpg", "chelsea", 9)
    assert reindex(indexed, "part", narrower, prefix="cats")["images"] == 7


def test_a_manifest_of_another_release_is_none(indexed: Store, master: Path) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    reindex(indexed, "second")
    first = indexed.read(layout.release(1, layout.MANIFEST))
    indexed.write(layout.release(2, layout.MANIFEST), first)
    assert newest(indexed) == 1
    assert reindex(indexed, "repair")["images"] == 7
    assert newest(indexed) == 3
