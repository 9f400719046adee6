"""The sample catalogue, and Airflow to run the DAGs with: nothing is stood in for."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from demo.catalogue import make_catalogue
from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tests.conftest import link_model
from tests.docker.engine import need_docker
from tests.s3_server import S3Server
from tests.tasks.pipeline import save_photo

REPOSITORY = Path(__file__).parents[2]
AIRFLOW = REPOSITORY / ".venv" / "airflow" / "bin"

RunDag = Callable[..., str]


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> dict[str, str]:
    """The environment of an Airflow of its own, with an empty database, as the Makefile sets it."""
    home = tmp_path_factory.mktemp("airflow")
    lines = (REPOSITORY / "config" / "airflow.env").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    environment = {
        **{name: value for name, value in os.environ.items() if "IMAGE_SEARCH" not in name},
        **settings,
        "PATH": f"{AIRFLOW}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "IMAGE_SEARCH_AIRFLOW__RETRIES": "0",
        "IMAGE_SEARCH_CACHE": str(REPOSITORY / "var" / "cache"),
    }
    subprocess.run(
        [AIRFLOW / "airflow", "db", "migrate"], env=environment, check=True, capture_output=True
    )
    return environment


@pytest.fixture(scope="session")
def run_dag(airflow: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> RunDag:
    """Runs a DAG on a lake through Airflow, with Params; returns the id of the run in the lake."""
    log = tmp_path_factory.mktemp("log") / "airflow.log"

    def run(dag: str, lake: Store, **params: Any) -> str:
        done = subprocess.run(
            [sys.executable, "scripts/run_dag.py", dag, "--log", log, "--conf", json.dumps(params)],
            cwd=REPOSITORY,
            env={**airflow, "IMAGE_SEARCH_LAKE": str(lake)},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr.splitlines()[-1])
        return done.stdout.strip()

    return run


@pytest.fixture(scope="session")
def demo_lake(run_dag: RunDag, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The lake of the demo, reindexed once by Airflow. Do not change it."""
    lake = open_store(tmp_path_factory.mktemp("demo").as_uri())
    make_catalogue(lake)
    run_dag("image_reindex", lake)
    return lake


@pytest.fixture(scope="session")
def process_lake(
    run_dag: RunDag, model_once: Path, tmp_path_factory: pytest.TempPathFactory
) -> Store:
    """Six images in a folder, reindexed by child processes: what containers are compared with."""
    need_docker()
    folder = tmp_path_factory.mktemp("lakes") / "process"
    for view in range(3):
        save_photo(folder / "master" / f"cat+{view}.jpg", "chelsea", view)
        save_photo(folder / "master" / "cups" / f"cup {view}.jpg", "coffee", view)
    link_model(model_once, folder)
    lake = open_store(folder.as_uri())
    run_dag("image_reindex", lake)
    return lake
