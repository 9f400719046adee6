"""A running Airflow is told to stop a task; whether anything of it still runs is looked up."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.browser.running_airflow import RunningAirflow, running_airflow, until
from tests.docker.engine import docker, need_docker
from tests.docker.stand_in import build_stand_in

pytestmark = pytest.mark.docker

# A task that starts a process of its own, and lasts longer than any test.
PROGRAM = """
import subprocess, sys, time
subprocess.Popen(["sleep", "{seconds}"])
print("started", file=sys.stderr, flush=True)
time.sleep(600)
"""
TIMEOUT_MINUTES = "0.5"


@dataclass(frozen=True)
class Lasting:
    """A task of a DAG that goes on until it is stopped; its processes are known by their mark."""

    dag: str
    task: str
    seconds: str

    def processes(self) -> set[int]:
        """Returns the ids of the processes that its attempts have started and that still run."""
        found = set()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[:2] == [b"sleep", self.seconds.encode()]:
                found.add(int(entry.name))
        return found

    def is_gone(self) -> bool:
        """Tells whether nothing of it runs."""
        return not self.processes()


def lasting(dag: str, task: str) -> Lasting:
    return Lasting(dag, task, f"600.{uuid.uuid4().int % 10**12:012}")


IN_PROCESS = lasting("image_reindex", "plan")
IN_CONTAINER = lasting("image_search", "search")
TASKS = (IN_PROCESS, IN_CONTAINER)


@pytest.fixture(scope="module", name="airflow")
def _airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    """An Airflow whose `plan` is a child process and whose `search` is a container."""
    need_docker()
    home = tmp_path_factory.mktemp("airflow")
    lake = tmp_path_factory.mktemp("lake")
    (lake / "master").mkdir()
    python = home / "python"
    python.write_text(f"#!/usr/bin/env python3\n{PROGRAM.format(seconds=IN_PROCESS.seconds)}")
    python.chmod(0o755)
    program = PROGRAM.format(seconds=IN_CONTAINER.seconds)
    settings = {
        "IMAGE_SEARCH_AIRFLOW__PYTHON": str(python),
        "IMAGE_SEARCH_AIRFLOW__TASK_TIMEOUT_MINUTES": TIMEOUT_MINUTES,
        "IMAGE_SEARCH_AIRFLOW__RETRY_DELAY_SECONDS": "1",
        "IMAGE_SEARCH_AIRFLOW__DOCKER__NETWORK": "none",
        "IMAGE_SEARCH_AIRFLOW__TASKS__SEARCH__RUNNER": "docker",
        "IMAGE_SEARCH_AIRFLOW__TASKS__SEARCH__IMAGE": build_stand_in(home),
        "IMAGE_SEARCH_AIRFLOW__TASKS__SEARCH__ENVIRONMENT": json.dumps({"PROGRAM": program}),
    }
    with running_airflow(home, lake.as_uri(), settings) as airflow:
        yield airflow


def test_clearing_failing_and_timing_out_leave_nothing_running(airflow: RunningAirflow) -> None:
    for it in TASKS:
        airflow.start_dag(it.dag, "stopped", query_image="cat.jpg")
    first = {it: until(it.processes) for it in TASKS}

    for it in TASKS:
        order = {"task_ids": [it.task], "dag_run_id": "stopped", "only_failed": False}
        airflow.call(
            "POST", f"api/v2/dags/{it.dag}/clearTaskInstances", {"dry_run": False, **order}
        )
    for it in TASKS:
        # The next attempt is there, and the one that was cleared is not.
        until(lambda it=it: it.processes() - first[it])
        until(lambda it=it: not it.processes() & first[it])

    for it in TASKS:
        path = f"api/v2/dags/{it.dag}/dagRuns/stopped/taskInstances/{it.task}"
        airflow.call("PATCH", path, {"new_state": "failed"})
    for it in TASKS:
        until(it.is_gone)

    for it in TASKS:
        airflow.start_dag(it.dag, "timed-out", query_image="cat.jpg")
    for it in TASKS:
        until(it.processes)
    for it in TASKS:
        until(it.is_gone)
        path = f"api/v2/dags/{it.dag}/dagRuns/timed-out"
        assert until(lambda path=path: airflow.ended(path)) == "failed"
    # A container is removed after its process has ended, on a busy machine a while after.
    until(lambda: not docker("ps", "--all", "--quiet", "--filter", "label=image-search.dag"))
