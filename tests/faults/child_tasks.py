"""Tasks as Airflow starts them, each a process of its own, and what kills them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from tasks.lake.store import Store
from tests.faults.slow_task import WORKING
from tests.tasks.pipeline import CACHE, REPOSITORY

_SLOW = "tests.faults.slow_task"


class TaskFailedError(Exception):
    """A task ended with a status other than zero; its last words."""


class Tasks:
    """Runs tasks on one lake, with the same settings."""

    def __init__(self, lake: Store, **settings: str) -> None:
        self.lake = lake
        self._environment = {
            **{name: value for name, value in os.environ.items() if "IMAGE_SEARCH" not in name},
            "IMAGE_SEARCH_LAKE": str(lake),
            "IMAGE_SEARCH_CACHE": str(CACHE),
            **{f"IMAGE_SEARCH_{name}": value for name, value in settings.items()},
        }
        self.seconds: dict[str, float] = {}
        self._seconds_at_work: dict[str, float] = {}

    def start(
        self, task: str, *arguments: str, wrapper: Sequence[str] = (), program: str = "tasks"
    ) -> subprocess.Popen[str]:
        """Starts a task in a process group of its own, by way of another command if need be."""
        return subprocess.Popen(
            [*wrapper, sys.executable, "-m", program, task, *arguments],
            cwd=REPOSITORY,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, task: str, *arguments: str, wrapper: Sequence[str] = ()) -> dict[str, Any]:
        """Runs a task to its end; returns what it printed.

        Raises:
            TaskFailedError: it failed.
        """
        began = time.monotonic()
        with self.start(task, *arguments, wrapper=wrapper) as child:
            result = _result(task, child)
        self.seconds[task] = time.monotonic() - began
        return result

    def run_slowly(self, task: str, *arguments: str) -> dict[str, Any]:
        """Runs a task to its end on a slow lake, and learns how long it works there."""
        with self.start(task, *arguments, program=_SLOW) as child:
            _wait_for_work(child)
            began = time.monotonic()
            result = _result(task, child)
        self._seconds_at_work[task] = time.monotonic() - began
        return result

    def kill(self, share: float, task: str, *arguments: str) -> bool:
        """Starts a task and kills it after a share of its usual time, unless it is done by then."""
        with self.start(task, *arguments) as child:
            return _kill_after(share * self.seconds.get(task, 1.0), child)

    def kill_at_work(self, share: float, task: str, *arguments: str) -> bool:
        """Kills a task like `kill`, but after a share of the time that it works in the lake."""
        with self.start(task, *arguments, program=_SLOW) as child:
            _wait_for_work(child)
            return _kill_after(share * self._seconds_at_work.get(task, 0.2), child)

    def reindex(self, run: str) -> dict[str, Any]:
        """Runs all tasks of a reindex, in order; returns what the last one printed."""
        planned = self.run("plan", "--run", run)
        if not planned["anything_to_do"]:
            return planned
        for part in planned["shards"]:
            for task in ("etl", "feature_engineering", "vectorize"):
                self.run(task, "--run", run, "--shard", part["shard"])
        return self.run("publish", "--run", run)


def _result(task: str, child: subprocess.Popen[str]) -> dict[str, Any]:
    printed, log = child.communicate(timeout=300)
    if child.returncode:
        raise TaskFailedError(f"{task}: {log.strip().splitlines()[-1]}")
    result: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return result


def _wait_for_work(child: subprocess.Popen[str]) -> None:
    assert child.stderr
    said = ""
    while WORKING not in said:
        line = child.stderr.readline()
        assert line, f"it ended before its work began: {said}"
        said += line


def _kill_after(seconds: float, child: subprocess.Popen[str]) -> bool:
    """Kills a task, unless it is done by then."""
    try:
        child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    return child.returncode == -signal.SIGKILL
