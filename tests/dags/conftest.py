"""What the tests of the DAGs share: Airflow's database, and a lake with stand-ins for the tasks."""

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.plugins import airflow_environment

airflow_environment.prepare()

NO_CHANGE: dict[str, Any] = {
    "anything_to_do": False,
    "catalogue": 1000,
    "added": 0,
    "changed": 0,
    "renamed": 0,
    "removed": 0,
    "unchanged": 1000,
    "shards": [],
    "base": 7,
    "model": "m",
}


@dataclass(frozen=True)
class StandInLake:
    """A folder that tells the stand-ins what to answer, and where they say how they were called."""

    path: Path

    def plan(self, **changes: Any) -> None:
        """Sets what `plan` finds, as differences from a night without changes."""
        (self.path / "plan.json").write_text(json.dumps(NO_CHANGE | changes), encoding="utf-8")

    def publish(self, **result: Any) -> None:
        """Sets what `publish` prints, as differences from a new release."""
        (self.path / "publish.json").write_text(json.dumps(result), encoding="utf-8")

    def fail(self, task: str) -> None:
        """Makes a task fail."""
        (self.path / "fails.txt").write_text(task, encoding="utf-8")

    def calls(self) -> list[list[str]]:
        """Returns the task and the options of each call so far, without `--lake` and `--run`."""
        lines = (self.path / "calls.jsonl").read_text(encoding="utf-8").splitlines()
        return [[task, *options[4:]] for task, *options in map(json.loads, lines)]


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandInLake:
    stand_in = StandInLake(tmp_path)
    stand_in.plan()
    stand_in.publish()
    stand_in.fail("")
    monkeypatch.setenv("IMAGE_SEARCH_LAKE", str(tmp_path))
    python = Path(__file__).with_name("stand_in_tasks.py")
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__PYTHON", str(python))
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__RETRIES", "0")
    return stand_in


@pytest.fixture
def load_dag() -> Callable[[str], Any]:
    """Returns a function that imports a DAG file under the settings of the moment."""

    def load(dag_id: str) -> Any:
        path = airflow_environment.DAGS / f"{dag_id}.py"
        spec = importlib.util.spec_from_file_location(f"dag_{dag_id}", path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.dag

    return load


@pytest.fixture(name="_airflow_database", scope="session")
def _airflow_database() -> None:
    """Makes Airflow's database, which running a DAG needs."""
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    subprocess.run(command, check=True, capture_output=True)
