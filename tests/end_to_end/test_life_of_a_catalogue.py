from pathlib import Path

import numpy as np
import pytest

from tasks.lake import layout
from tasks.lake.manifest import Manifest
from tasks.lake.open_store import open_store
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tests.conftest import link_model
from tests.end_to_end.conftest import RunDag
from tests.tasks.pipeline import save_photo


@pytest.fixture
def lake(model_once: Path, tmp_path: Path) -> Store:
    """A lake that is empty but for the model."""
    link_model(model_once, tmp_path)
    (tmp_path / "master").mkdir()
    return open_store(tmp_path.as_uri())


def latest(lake: Store) -> Manifest:
    release = Releases(lake).latest()
    assert release
    return release


def names(lake: Store) -> list[str]:
    path = lake.local_path(latest(lake).artifacts[layout.NPY_IMAGE_NAMES].path)
    assert path
    return [str(name) for name in np.load(path, allow_pickle=False)]


def hits(lake: Store, run: str) -> list[str]:
    return [hit["name"] for hit in lake.read_json(f"runs/{run}/result.json")["results"]]


def test_reindex_change_three_files_reindex_search_and_roll_back(
    run_dag: RunDag, lake: Store, tmp_path: Path
) -> None:
    master = tmp_path / "master"
    for view in range(4):
        save_photo(master / f"cat_{view}.jpg", "chelsea", view)
        save_photo(master / f"cup_{view}.jpg", "coffee", view)
    run_dag("image_reindex", lake)
    assert latest(lake).version == 1

    save_photo(master / "cat_9.jpg", "chelsea", 9)
    save_photo(master / "cup_0.jpg", "rocket", 0)
    (master / "cat_3.jpg").unlink()
    run = run_dag("image_reindex", lake)
    counts = latest(lake).counts
    assert (latest(lake).version, counts.images) == (2, 8)
    assert (counts.added, counts.changed, counts.removed) == (1, 1, 1)
    worked_on = lake.read_json(layout.task_result(run, "plan"))["shards"]
    assert sum(shard["images"] for shard in worked_on) == 2
    assert "cat_9.jpg" in names(lake)
    assert "cat_3.jpg" not in names(lake)

    found = hits(lake, run_dag("image_search", lake, query_image="cat_9.jpg", top_n=4))
    assert found[0] == "cat_9.jpg"
    assert all(name.startswith("cat") for name in found)

    Releases(lake).pin(1)
    found = hits(lake, run_dag("image_search", lake, query_image="cat_3.jpg", top_n=1))
    assert found == ["cat_3.jpg"]

    run_dag("image_reindex", lake)
    assert latest(lake).version == 2  # nothing changed, and rolling back deleted nothing


def test_a_run_that_only_removes_publishes(run_dag: RunDag, lake: Store, tmp_path: Path) -> None:
    for view in range(3):
        save_photo(tmp_path / "master" / f"cat_{view}.jpg", "chelsea", view)
    run_dag("image_reindex", lake)
    (tmp_path / "master" / "cat_1.jpg").unlink()
    run_dag("image_reindex", lake)
    assert names(lake) == ["cat_0.jpg", "cat_2.jpg"]


def test_a_full_rebuild_of_one_folder_embeds_that_folder_again(
    run_dag: RunDag, lake: Store, tmp_path: Path
) -> None:
    for view in range(2):
        save_photo(tmp_path / "master" / "cats" / f"{view}.jpg", "chelsea", view)
        save_photo(tmp_path / "master" / "cups" / f"{view}.jpg", "coffee", view)
    run_dag("image_reindex", lake)
    run = run_dag("image_reindex", lake, full_rebuild=True, catalogue="cats")
    planned = lake.read_json(layout.task_result(run, "plan"))
    assert [shard["images"] for shard in planned["shards"]] == [2]
    assert len(names(lake)) == 4


@pytest.mark.parametrize(
    ("dag", "params", "reason"),
    [
        ("image_reindex", {}, "no image under .*master; put images there"),
        ("image_search", {"query_image": "cat.jpg"}, "no release in .* run image_reindex first"),
    ],
)
def test_a_failed_run_ends_with_the_reason(
    run_dag: RunDag, lake: Store, dag: str, params: dict[str, str], reason: str
) -> None:
    with pytest.raises(RuntimeError, match=reason):
        run_dag(dag, lake, **params)
