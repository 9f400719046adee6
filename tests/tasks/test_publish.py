import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.contract import file_result
from tasks.errors import UserError
from tasks.etl import etl
from tasks.feature_engineering import feature_engineering
from tasks.lake import layout
from tasks.lake.manifest import Manifest
from tasks.lake.open_store import open_store
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.plan import plan
from tasks.prune import prune
from tasks.publish import publish
from tasks.vectorize import vectorize
from tests.tasks.pipeline import (
    NOTHING_STAYS,
    reindex,
    save_photo,
    seal_vectors,
    settings_for_tests,
)

SETTINGS = settings_for_tests()


def latest(lake: Store) -> Manifest:
    release = Releases(lake).latest()
    assert release
    return release


def array(lake: Store, name: str) -> np.ndarray:
    path = lake.local_path(latest(lake).artifacts[name].path)
    assert path
    return np.asarray(np.load(path, allow_pickle=False))


def names(lake: Store) -> list[str]:
    return [str(name) for name in array(lake, layout.NPY_IMAGE_NAMES)]


def work_on_shards(lake: Store, run: str, **options: Any) -> None:
    for shard in plan(lake, run, SETTINGS, **options)["shards"]:
        etl(lake, run, shard["shard"])
        feature_engineering(lake, run, shard["shard"])
        vectorize(lake, run, shard["shard"], SETTINGS)


def rebuilt(lake: Store) -> tuple[list[str], np.ndarray]:
    """Indexes the catalogue of a lake from nothing, in another lake beside it."""
    root = lake.local_path("")
    assert root
    other = root.parent / "rebuilt"
    (other / "model").parent.mkdir()
    (other / "model").symlink_to(root / "model")
    (other / "master").symlink_to(root / "master")
    fresh = open_store(other.as_uri())
    reindex(fresh, "fresh")
    return names(fresh), array(fresh, layout.NPY_IMAGE_VECTORS)


def test_a_release_holds_the_usable_images_by_name(indexed: Store) -> None:
    assert names(indexed) == [
        "cats/chelsea_0.jpg",
        "cats/chelsea_1.png",
        "coffee_0.jpg",
        "coffee_1.jpg",
        "rocket/rocket_0.jpg",
        "rocket/rocket_1.jpg",
    ]
    vectors = array(indexed, layout.NPY_IMAGE_VECTORS)
    assert (vectors.shape, vectors.dtype) == ((6, 2048), np.float32)
    # What the model returned: not normalized.
    assert (np.linalg.norm(vectors, axis=1) > 2).all()


def test_the_manifest_names_every_artifact_with_size_and_digest(indexed: Store) -> None:
    for artifact in latest(indexed).artifacts.values():
        assert indexed.stat(artifact.path).bytes == artifact.bytes
        assert indexed.digest(artifact.path) == artifact.sha256


def test_the_manifest_tells_what_was_rejected_and_why(indexed: Store) -> None:
    (rejection,) = latest(indexed).rejections
    assert rejection.name == "broken.jpg"
    assert rejection.reason


def test_an_incremental_release_equals_a_full_rebuild(indexed: Store, master: Path) -> None:
    save_photo(master / "a_new.jpg", "coffee", 7)
    save_photo(master / "coffee_0.jpg", "coffee", 8)
    save_photo(master / "broken.jpg", "rocket", 9)
    (master / "coffee_1.jpg").rename(master / "z_moved.jpg")
    (master / "rocket" / "rocket_1.jpg").unlink()
    summary = reindex(indexed, "second")
    assert (summary["version"], summary["images"], summary["rejected"]) == (2, 7, 0)
    full_names, full_vectors = rebuilt(indexed)
    assert names(indexed) == full_names
    np.testing.assert_allclose(array(indexed, layout.NPY_IMAGE_VECTORS), full_vectors, atol=1e-4)


def test_only_what_changed_is_embedded(indexed: Store, master: Path) -> None:
    save_photo(master / "a_new.jpg", "coffee", 7)
    (master / "coffee_1.jpg").rename(master / "z_moved.jpg")
    before = set(indexed.folders(layout.LANDING))
    reindex(indexed, "second")
    (shard,) = set(indexed.folders(layout.LANDING)) - before
    assert indexed.read_json(layout.landing(shard, layout.REJECTED))["images"] == 1


def test_a_run_that_only_removes_publishes(indexed: Store, master: Path) -> None:
    (master / "coffee_1.jpg").unlink()
    summary = reindex(indexed, "second")
    assert (summary["version"], summary["images"], summary["removed"]) == (2, 5, 1)
    assert "coffee_1.jpg" not in names(indexed)


def test_a_prefix_changes_only_its_folder(indexed: Store, master: Path) -> None:
    save_photo(master / "cats" / "new.jpg", "chelsea", 7)
    save_photo(master / "outside.jpg", "coffee", 7)
    (master / "cats" / "chelsea_0.jpg").unlink()
    (master / "coffee_0.jpg").unlink()
    reindex(indexed, "second", prefix="cats")
    assert names(indexed) == [
        "cats/chelsea_1.png",
        "cats/new.jpg",
        "coffee_0.jpg",
        "coffee_1.jpg",
        "rocket/rocket_0.jpg",
        "rocket/rocket_1.jpg",
    ]
    # The next look at everything catches up with the rest.
    summary = reindex(indexed, "third")
    assert (summary["added"], summary["removed"]) == (1, 1)


def test_publishing_twice_is_publishing_once(indexed: Store, master: Path) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    first = reindex(indexed, "second")
    again = publish(indexed, "second")
    assert (again["version"], again["already_complete"]) == (first["version"], True)
    assert latest(indexed).version == 2


def test_of_two_runs_that_publish_the_same_change_the_second_finds_nothing_left_to_do(
    indexed: Store, master: Path
) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    work_on_shards(indexed, "a")
    work_on_shards(indexed, "b")
    assert publish(indexed, "b")["version"] == 2
    assert publish(indexed, "a")["version"] == 2


def test_a_later_look_at_the_catalogue_follows_an_earlier_one(indexed: Store, master: Path) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    work_on_shards(indexed, "earlier")
    (master / "coffee_0.jpg").unlink()
    work_on_shards(indexed, "later")
    assert publish(indexed, "earlier")["version"] == 2
    assert publish(indexed, "later")["version"] == 3
    assert "coffee_0.jpg" not in names(indexed)
    assert "new.jpg" in names(indexed)


def test_which_look_was_the_later_no_clock_decides(
    indexed: Store, master: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    with monkeypatch.context() as patch:
        ahead = time.time() + 7200
        patch.setattr(time, "time", lambda: ahead)
        work_on_shards(indexed, "ahead")
    (master / "coffee_0.jpg").unlink()
    work_on_shards(indexed, "later")
    assert publish(indexed, "ahead")["version"] == 2
    assert publish(indexed, "later")["version"] == 3
    assert "coffee_0.jpg" not in names(indexed)


def test_an_earlier_look_does_not_undo_a_later_one(indexed: Store, master: Path) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    work_on_shards(indexed, "earlier")
    (master / "coffee_0.jpg").unlink()
    work_on_shards(indexed, "later")
    assert publish(indexed, "later")["version"] == 2
    assert publish(indexed, "earlier")["version"] == 2
    assert "coffee_0.jpg" not in names(indexed)


def change_unnoticed(path: Path) -> None:
    """Gives an image another content with the size and the time of the old one."""
    before = path.stat()
    save_photo(path, "rocket", 3)
    path.write_bytes(path.read_bytes()[: before.st_size].ljust(before.st_size, b"\0"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("order", [("rebuild", "nightly"), ("nightly", "rebuild")])
def test_a_full_rebuild_counts_whichever_run_publishes_first(
    order: tuple[str, str], indexed: Store, master: Path
) -> None:
    change_unnoticed(master / "coffee_0.jpg")
    work_on_shards(indexed, "rebuild", full_rebuild=True)
    save_photo(master / "new.jpg", "coffee", 7)
    (master / "coffee_1.jpg").unlink()
    work_on_shards(indexed, "nightly")
    assert [publish(indexed, run)["version"] for run in order] == [2, 3]
    full_names, full_vectors = rebuilt(indexed)
    assert names(indexed) == full_names
    np.testing.assert_allclose(array(indexed, layout.NPY_IMAGE_VECTORS), full_vectors, atol=1e-4)
    assert not plan(indexed, "next", SETTINGS)["anything_to_do"]


def test_a_later_full_rebuild_stands_for_an_earlier_one(indexed: Store) -> None:
    work_on_shards(indexed, "earlier", full_rebuild=True)
    work_on_shards(indexed, "later", full_rebuild=True)
    assert publish(indexed, "later")["version"] == 2
    assert publish(indexed, "earlier")["version"] == 2


def test_a_run_with_other_limits_does_not_mix_with_a_later_look(
    indexed: Store, master: Path
) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    work_on_shards(indexed, "earlier")
    limits = {"max_bytes": SETTINGS.limits.max_bytes + 1}
    reindex(indexed, "later", settings_for_tests(limits=limits))
    with pytest.raises(UserError, match=r"other limits .* start a new run"):
        publish(indexed, "earlier")
    assert latest(indexed).run == "later"


def test_two_runs_that_looked_at_different_folders_both_count(indexed: Store, master: Path) -> None:
    save_photo(master / "cats" / "new.jpg", "chelsea", 7)
    save_photo(master / "rocket" / "new.jpg", "rocket", 7)
    for folder in ("cats", "rocket"):
        for shard in plan(indexed, folder, SETTINGS, prefix=folder)["shards"]:
            etl(indexed, folder, shard["shard"])
            feature_engineering(indexed, folder, shard["shard"])
            vectorize(indexed, folder, shard["shard"], SETTINGS)
    publish(indexed, "rocket")
    publish(indexed, "cats")
    assert {"cats/new.jpg", "rocket/new.jpg"} < set(names(indexed))


def test_an_earlier_look_at_everything_does_not_undo_a_later_one_at_a_folder(
    indexed: Store, master: Path
) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    save_photo(master / "cats" / "early.jpg", "coffee", 8)
    work_on_shards(indexed, "everything")
    save_photo(master / "cats" / "new.jpg", "chelsea", 7)
    (master / "cats" / "chelsea_0.jpg").unlink()
    (master / "cats" / "early.jpg").unlink()
    reindex(indexed, "cats", prefix="cats")
    save_photo(master / "rocket" / "new.jpg", "rocket", 7)
    reindex(indexed, "rocket", prefix="rocket")
    assert publish(indexed, "everything")["version"] == 4
    full_names, full_vectors = rebuilt(indexed)
    assert names(indexed) == full_names
    np.testing.assert_allclose(array(indexed, layout.NPY_IMAGE_VECTORS), full_vectors, atol=1e-4)


@pytest.fixture
def looked_early(indexed: Store, master: Path) -> Store:
    """Run `early` has looked at everything; since then `cats` and `rocket` have been published."""
    save_photo(master / "new.jpg", "coffee", 7)
    work_on_shards(indexed, "early")
    (master / "cats" / "chelsea_0.jpg").unlink()
    file_result(indexed, "cats", "publish", None, reindex(indexed, "cats", prefix="cats"))
    save_photo(master / "rocket" / "new.jpg", "rocket", 7)
    file_result(indexed, "rocket", "publish", None, reindex(indexed, "rocket", prefix="rocket"))
    return indexed


def test_prune_leaves_what_an_earlier_look_must_not_undo(looked_early: Store) -> None:
    prune(looked_early, NOTHING_STAYS.model_copy(update={"abandoned_days": 1}))
    assert publish(looked_early, "early")["version"] == 4
    assert "cats/chelsea_0.jpg" not in names(looked_early)
    assert {"new.jpg", "rocket/new.jpg"} < set(names(looked_early))


@pytest.mark.parametrize("damage", [None, b"{"], ids=["gone", "damaged"])
def test_a_run_does_not_publish_when_it_cannot_know_what_was_published_since_it_looked(
    looked_early: Store, damage: bytes | None
) -> None:
    manifest = layout.release(2, layout.MANIFEST)
    looked_early.delete(manifest)
    if damage:
        looked_early.write(manifest, damage)
    with pytest.raises(UserError, match=r"release 2, .* is gone or damaged; start a new run"):
        publish(looked_early, "early")
    assert latest(looked_early).version == 3


def test_a_run_that_has_published_does_not_publish_again_on_top_of_another(
    indexed: Store, master: Path
) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    reindex(indexed, "everything")
    save_photo(master / "cats" / "new.jpg", "chelsea", 7)
    reindex(indexed, "cats", prefix="cats")
    assert publish(indexed, "everything")["version"] == 2
    assert latest(indexed).version == 3


def test_an_incomplete_shard_is_not_published(indexed: Store, master: Path) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    (shard,) = plan(indexed, "second", SETTINGS)["shards"]
    etl(indexed, "second", shard["shard"])
    with pytest.raises(UserError, match=f"shard {shard['shard']} is not complete"):
        publish(indexed, "second")
    assert latest(indexed).version == 1


def test_a_catalogue_without_one_usable_image_is_not_published(lake: Store, master: Path) -> None:
    (master / "broken.jpg").write_bytes(b"rubbish")
    with pytest.raises(UserError, match=r"no image of the catalogue can be used \(broken\.jpg: "):
        reindex(lake, "r")
    assert Releases(lake).latest() is None


def test_vectors_that_are_not_finite_are_not_published(indexed: Store, master: Path) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    work_on_shards(indexed, "second")
    (shard,) = plan(indexed, "second", SETTINGS)["shards"]
    nan = np.full((1, 2048), np.nan, np.float32)
    seal_vectors(indexed, latest(indexed).model["id"], shard["shard"], nan)
    with pytest.raises(UserError, match="not finite"):
        publish(indexed, "second")
    assert latest(indexed).version == 1
