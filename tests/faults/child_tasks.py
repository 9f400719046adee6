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

    def start(
        self, task: str, *arguments: str, wrapper: Sequence[str] = ()
    ) -> subprocess.Popen[str]:
        """Starts a task in a process group of its own, by way of another command if need be."""
        return subprocess.Popen(
            [*wrapper, sys.executable, "-m", "tasks", task, *arguments],
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
            printed, log = child.communicate(timeout=300)
        if child.returncode:
            raise TaskFailedError(f"{task}: {log.strip().splitlines()[-1]}")
        self.seconds[task] = time.monotonic() - began
        result: dict[str, Any] = json.loads(printed.splitlines()[-1])
        return result

    def kill(self, share: float, task: str, *arguments: str) -> bool:
        """Starts a task and kills it after a share of its usual time, unless it is done by then."""
        with self.start(task, *arguments) as child:
            try:
                child.communicate(timeout=share * self.seconds.get(task, 1.0))
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.communicate()
        return child.returncode == -signal.SIGKILL

    def reindex(self, run: str) -> dict[str, Any]:
        """Runs all tasks of a reindex, in order; returns what the last one printed."""
        planned = self.run("plan", "--run", run)
        if not planned["anything_to_do"]:
            return planned
        for part in planned["shards"]:
            for task in ("etl", "feature_engineering", "vectorize"):
                self.run(task, "--run", run, "--shard", part["shard"])
        return self.run("publish", "--run", run)
