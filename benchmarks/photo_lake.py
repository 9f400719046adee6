"""A lake of hard views of photographs, indexed by the tasks, each a process as under Airflow.

Airflow's own scheduling is left out: what is measured here is the work.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.processes import REPOSITORY, task
from demo.catalogue import PHOTOS
from demo.labelled import photographs
from tasks.lake.layout import MASTER, MODEL
from tasks.lake.open_store import open_store

_FULL = "full.json"
SHARD_TASKS = ("etl", "feature_engineering", "vectorize")


@dataclass(frozen=True)
class Done:
    """What a task printed, and what it took.

    Attributes:
        result: the JSON object that it printed.
        seconds: from its start to its end.
        processor: seconds of all cores together.
    """

    result: dict[str, Any]
    seconds: float
    processor: float


@dataclass
class Reindex:
    """What a reindex took: seconds by task, and how many images it embedded."""

    seconds: dict[str, float] = field(default_factory=dict)
    embedded: int = 0

    @property
    def total(self) -> float:
        """Seconds of all tasks but the model's, which is built once."""
        return sum(seconds for name, seconds in self.seconds.items() if name != "build_model")


class PhotoLake:
    """A lake in a folder, kept for the next time.

    Args:
        folder: for lakes, one of each size.
        images: how many it has, to the next multiple of the number of photographs.
        settings: variables for the tasks that index it.
        models: where lakes of the same model leave it for others.
        lent: take it from there, if it is there.
    """

    def __init__(
        self,
        folder: Path,
        images: int,
        settings: Mapping[str, str] | None = None,
        *,
        models: Path | None = None,
        lent: bool = False,
    ) -> None:
        self._environment = os.environ | dict(settings or {})
        self.views = -(-images // len(PHOTOS))
        self.images = self.views * len(PHOTOS)
        self._models, self._lent = models, lent
        self._folder = folder / str(self.images)
        self.root = self._folder / "lake"
        self.uri = self.root.as_uri()

    def full(self) -> Reindex:
        """Indexes the whole catalogue, or returns what it took when that was done."""
        file = self._folder / _FULL
        if not file.exists():
            self.root.mkdir(parents=True, exist_ok=True)
            store = open_store(self.uri)
            for name, data in photographs(self.views):
                store.write(f"{MASTER}/{name}", data)
            if self._lent and self._models and self._models.exists():
                shutil.copytree(self._models, self.root / MODEL, dirs_exist_ok=True)
            done = self.reindex("full")
            if self._models and not self._models.exists():
                without = shutil.ignore_patterns("vectors")
                shutil.copytree(self.root / MODEL, self._models, ignore=without)
            file.write_text(json.dumps({"seconds": done.seconds, "embedded": done.embedded}))
        found = json.loads(file.read_text())
        return Reindex(found["seconds"], found["embedded"])

    def reindex(self, run: str) -> Reindex:
        """Does what the DAG does in a night."""
        done = Reindex()
        run = f"{run}-{time.time_ns()}"
        planned = self._add(done, "plan", "--run", run)
        if not planned["anything_to_do"]:
            return done
        self._add(done, "build_model", "--run", run)
        for shard in planned["shards"]:
            for name in SHARD_TASKS:
                made = self._add(done, name, "--run", run, "--shard", shard["shard"])
            done.embedded += made["images"]
        self._add(done, "publish", "--run", run)
        return done

    def _add(self, done: Reindex, name: str, *arguments: str) -> dict[str, Any]:
        task_done = self.run_task(name, *arguments)
        done.seconds[name] = done.seconds.get(name, 0.0) + task_done.seconds
        return task_done.result

    def run_task(self, name: str, *arguments: str) -> Done:
        """Runs a task in a process of its own.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        started = time.perf_counter()
        command = task(name, "--lake", self.uri, *arguments)
        with subprocess.Popen(
            command, cwd=REPOSITORY, env=self._environment, stdout=subprocess.PIPE
        ) as process:
            printed = b"" if process.stdout is None else process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)  # of this process alone
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        return Done(
            dict(json.loads(printed.splitlines()[-1])),
            time.perf_counter() - started,
            usage.ru_utime + usage.ru_stime,
        )
