"""The same catalogue through child processes and through containers gives the same answers."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tests.docker.engine import docker, need_docker
from tests.end_to_end.conftest import RunDag
from tests.s3_server import S3Server
from tests.tasks.pipeline import save_photo

pytestmark = pytest.mark.docker

# The user of the task images.
TASKS = 10001
RUNNER = "IMAGE_SEARCH_AIRFLOW__RUNNER"
NETWORK = "IMAGE_SEARCH_AIRFLOW__DOCKER__NETWORK"
VECTORIZE_MEMORY = "IMAGE_SEARCH_AIRFLOW__TASKS__VECTORIZE__MEMORY"
QUERY = "cups/cup 0.jpg"

Airflow = dict[str, str]
CopyOf = Callable[[str], Store]


@pytest.fixture(scope="module", name="process_lake")
def _process_lake(run_dag: RunDag, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A lake in a folder, reindexed and searched by child processes."""
    need_docker()
    folder = tmp_path_factory.mktemp("lakes") / "process"
    for view in range(3):
        save_photo(folder / "master" / f"cat+{view}.jpg", "chelsea", view)
        save_photo(folder / "master" / "cups" / f"cup {view}.jpg", "coffee", view)
    lake = open_store(folder.as_uri())
    run_dag("image_reindex", lake)
    return lake


def copy(source: Store, target: Store, *zones: str) -> None:
    for item in source.objects():
        if item.path.startswith(zones) and "/vectors/" not in item.path:
            target.write(item.path, source.read(item.path))


def read(lake: Store, path: str) -> np.ndarray[Any, Any]:
    with lake.open(path) as file:
        return np.asarray(np.load(file, allow_pickle=False))


def artifacts(lake: Store) -> Mapping[str, np.ndarray[Any, Any]]:
    """Returns the arrays of the latest release, and what the stages before it made of its shard."""
    release = Releases(lake).latest()
    assert release
    paths = {item.path for item in lake.objects(layout.LANDING)}
    paths |= {release.artifacts[name].path for name in (NAMES, VECTORS)}
    return {
        f"{path.split('/')[0]} {path.rpartition('/')[2]}": read(lake, path)
        for path in sorted(paths)
        if path.endswith(".npy")
    }


NAMES, VECTORS = layout.NPY_IMAGE_NAMES, layout.NPY_IMAGE_VECTORS


def assert_same_results(one: Store, other: Store, run_dag: Callable[[Store], str]) -> None:
    ours, theirs = artifacts(one), artifacts(other)
    assert ours.keys() == theirs.keys()
    assert len(ours) >= 5
    for name, array in ours.items():
        if name.endswith(VECTORS):
            np.testing.assert_allclose(theirs[name], array, rtol=0, atol=1e-4)
        else:
            np.testing.assert_array_equal(theirs[name], array)
    hits, other_hits = (
        lake.read_json(f"runs/{run_dag(lake)}/result.json")["results"] for lake in (one, other)
    )
    assert [hit["name"] for hit in other_hits] == [hit["name"] for hit in hits]
    assert [hit["score"] for hit in other_hits] == pytest.approx(
        [hit["score"] for hit in hits], abs=1e-5
    )
    assert len(hits) == 6


@pytest.fixture(name="in_containers")
def _in_containers(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Returns a function that switches between containers and child processes."""

    def switch(on: bool) -> None:
        monkeypatch.setitem(airflow, RUNNER, "docker" if on else "process")
        monkeypatch.setitem(airflow, NETWORK, "host")

    return switch


@pytest.fixture(name="search")
def _search(run_dag: RunDag, in_containers: Callable[[bool], None]) -> Callable[..., Any]:
    """Returns a function that searches with a picture, each lake the way it was made."""

    def search(process: Store) -> Callable[[Store], str]:
        def run(lake: Store) -> str:
            in_containers(lake is not process)
            query = (
                process.uri(f"master/{QUERY}") if lake is process else lake.uri(f"master/{QUERY}")
            )
            return run_dag("image_search", lake, query_image=query, top_n=6)

        return run

    return search


def test_a_lake_in_a_folder(  # pylint: disable=too-many-positional-arguments  # fixtures
    process_lake: Store,
    run_dag: RunDag,
    in_containers: Callable[[bool], None],
    search: Callable[..., Any],
    airflow: Airflow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = Path(str(process_lake.local_path("master"))).parents[1] / "docker"
    folder.mkdir()
    lake = open_store(folder.as_uri())
    # Trained weights: a container without access to their sources finds them in the lake.
    copy(process_lake, lake, "master/", "weights/")
    hand_over(folder)
    in_containers(True)

    # A container killed for memory says so, and the next attempt goes on from there.
    monkeypatch.setitem(airflow, VECTORIZE_MEMORY, "16Mi")
    with pytest.raises(RuntimeError, match=r"vectorize ran out of memory .* limit of 16Mi; raise"):
        run_dag("image_reindex", lake)
    monkeypatch.delitem(airflow, VECTORIZE_MEMORY)
    run = run_dag("image_reindex", lake)
    for path in lake.objects(f"runs/{run}/results"):
        if path.path.rpartition("/")[2].startswith(("etl", "build_model")):
            assert lake.read_json(path.path)["already_complete"]

    assert_same_results(process_lake, lake, search(process_lake))
    assert docker("ps", "--all", "--quiet", "--filter", "label=image-search.run") == ""


def hand_over(folder: Path) -> None:
    """Gives a folder to the user of the task images, and lets it be reached."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, TASKS, TASKS)
    for path in folder.parents:
        if path.stat().st_mode & 0o001 == 0 and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)


def test_a_lake_in_a_bucket(
    process_lake: Store,
    s3_server: S3Server,
    run_dag: RunDag,
    in_containers: Callable[[bool], None],
    search: Callable[..., Any],
) -> None:
    lakes = [open_store(s3_server.new_root()) for _ in range(2)]
    for lake, containers in zip(lakes, (False, True), strict=True):
        copy(process_lake, lake, "master/", "weights/", "model/")
        in_containers(containers)
        run_dag("image_reindex", lake)
    assert_same_results(*lakes, search(lakes[0]))
