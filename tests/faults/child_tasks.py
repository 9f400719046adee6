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
from tests.faults.slow_task import STAND_AT, STANDING, STEPS
from tests.tasks.pipeline import CACHE, REPOSITORY


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
        self.steps: dict[str, int] = {}

    def start(
        self, task: str, *arguments: str, wrapper: Sequence[str] = (), **slowly: str
    ) -> subprocess.Popen[str]:
        """Starts a task in a process group of its own, by way of another command if need be.

        Args:
            task: its name.
            arguments: its arguments.
            wrapper: the other command.
            slowly: environment of `slow_task`; with it the task runs on a slow lake.
        """
        program = "tests.faults.slow_task" if slowly else "tasks"
        return subprocess.Popen(
            [*wrapper, sys.executable, "-m", program, task, *arguments],
            cwd=REPOSITORY,
            env=self._environment | slowly,
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
            result, _ = _result(task, child)
        self.seconds[task] = time.monotonic() - began
        return result

    def run_slowly(self, task: str, *arguments: str) -> dict[str, Any]:
        """Runs a task to its end on a slow lake, and learns how many steps and seconds it takes."""
        began = time.monotonic()
        with self.start(task, *arguments, **{STAND_AT: "0"}) as child:
            result, log = _result(task, child)
        self.seconds[task] = time.monotonic() - began
        self.steps[task] = int(log.rpartition(STEPS)[2])
        return result

    def kill(self, share: float, task: str, *arguments: str) -> bool:
        """Kills a task on a slow lake after a share of its usual time, unless it ended before."""
        with self.start(task, *arguments, **{STAND_AT: "0"}) as child:
            return _kill_after(share * self.seconds.get(task, 1.0), child)

    def kill_at_step(self, share: float, task: str, *arguments: str) -> bool:
        """Kills a task at a step of its work in the lake, unless it is done by then.

        Args:
            share: how far on, of the steps it took when it last ran to its end.
            task: its name.
            arguments: its arguments.
        """
        step = 1 + int(share * self.steps.get(task, 4))
        with self.start(task, *arguments, **{STAND_AT: str(step)}) as child:
            _wait_until_it_stands(child)
            return _kill_after(0.0, child)

    def reindex(self, run: str) -> dict[str, Any]:
        """Runs all tasks of a reindex, in order; returns what the last one printed."""
        planned = self.run("plan", "--run", run)
        if not planned["anything_to_do"]:
            return planned
        for part in planned["shards"]:
            for task in ("etl", "feature_engineering", "vectorize"):
                self.run(task, "--run", run, "--shard", part["shard"])
        return self.run("publish", "--run", run)


def _result(task: str, child: subprocess.Popen[str]) -> tuple[dict[str, Any], str]:
    """Waits for a task; returns what it printed, and what it logged."""
    printed, log = child.communicate(timeout=300)
    if child.returncode:
        raise TaskFailedError(f"{task}: {log.strip().splitlines()[-1]}")
    result: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return result, log


def _wait_until_it_stands(child: subprocess.Popen[str]) -> None:
    """Reads what a task says until it stands still, or is done."""
    assert child.stderr
    while (line := child.stderr.readline()) and STANDING not in line:
        pass


def _kill_after(seconds: float, child: subprocess.Popen[str]) -> bool:
    """Kills a task, unless it is done by then."""
    try:
        child.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
    return child.returncode == -signal.SIGKILL
