"""The same catalogue through child processes and through containers gives the same answers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tests.docker.engine import docker
from tests.end_to_end.conftest import RunDag
from tests.end_to_end.same_results import (
    assert_same_hits,
    assert_same_landing,
    assert_same_release,
    copy,
    hand_over,
)
from tests.s3_server import S3Server

pytestmark = pytest.mark.docker

RUNNER = "IMAGE_SEARCH_AIRFLOW__RUNNER"
NETWORK = "IMAGE_SEARCH_AIRFLOW__DOCKER__NETWORK"
VECTORIZE_MEMORY = "IMAGE_SEARCH_AIRFLOW__TASKS__VECTORIZE__MEMORY"
QUERY = "cups/cup 0.jpg"

Airflow = dict[str, str]
CopyOf = Callable[[str], Store]


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


@pytest.fixture(name="folder")
def _folder(process_lake: Store, model_once: Path, tmp_path: Path) -> Path:
    """A lake for containers: pictures and trained weights, as they cannot fetch those."""
    (tmp_path / "lake").mkdir()
    lake = open_store((tmp_path / "lake").as_uri())
    copy(process_lake, lake, "master/")
    copy(open_store(model_once.as_uri()), lake, "weights/")
    hand_over(tmp_path / "lake")
    return tmp_path / "lake"


@pytest.fixture(name="limit_memory")
def _limit_memory(airflow: Airflow, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Returns a function that limits what `vectorize` may take."""
    return lambda limit: monkeypatch.setitem(airflow, VECTORIZE_MEMORY, limit)


def test_a_lake_in_a_folder(  # pylint: disable=too-many-positional-arguments  # fixtures
    process_lake: Store,
    folder: Path,
    run_dag: RunDag,
    in_containers: Callable[[bool], None],
    search: Callable[..., Any],
    limit_memory: Callable[[str], None],
) -> None:
    lake = open_store(folder.as_uri())
    in_containers(True)

    # A container killed for memory says so, and the next attempt goes on from there.
    limit_memory("16Mi")
    with pytest.raises(RuntimeError, match=r"vectorize ran out of memory .* limit of 16Mi; raise"):
        run_dag("image_reindex", lake)
    limit_memory("2Gi")
    run = run_dag("image_reindex", lake)
    for path in lake.objects(f"runs/{run}/results"):
        if path.path.rpartition("/")[2].startswith(("etl", "build_model")):
            assert lake.read_json(path.path)["already_complete"]

    assert_same_landing(process_lake, lake)
    assert_same_release(process_lake, lake)
    assert_same_hits(process_lake, lake, search(process_lake))
    assert docker("ps", "--all", "--quiet", "--filter", "label=image-search.run") == ""
    assert_that_what_no_dag_runs_has_an_image_too(folder)


def assert_that_what_no_dag_runs_has_an_image_too(folder: Path) -> None:
    run = ("run", "--rm", "--interactive", "--read-only", "--network=none", "--volume=/scratch")
    run = (*run, f"--volume={folder}:{folder}")
    lake = ("--lake", folder.as_uri())
    verified = docker(*run, "image-search/data", "verify", *lake)
    assert json.loads(verified.splitlines()[-1])["sound"]
    question = json.dumps({"id": 7, "ask": "release", "with": {}}) + "\n"
    said = json.loads(docker(*run, "image-search/search", "page", *lake, text=question))
    assert (said["id"], said["answer"]["images"]) == (7, 6)


def test_a_lake_in_a_bucket(
    process_lake: Store,
    s3_server: S3Server,
    run_dag: RunDag,
    in_containers: Callable[[bool], None],
    search: Callable[..., Any],
) -> None:
    lakes = [open_store(s3_server.new_root()) for _ in range(2)]
    for lake, containers in zip(lakes, (False, True), strict=True):
        copy(process_lake, lake, "master/", "model/")
        in_containers(containers)
        run_dag("image_reindex", lake)
    assert_same_landing(*lakes)
    assert_same_release(*lakes)
    assert_same_hits(*lakes, search(lakes[0]))
