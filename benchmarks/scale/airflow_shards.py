"""What a reindex of many mapped shards costs Airflow itself: scheduler, executor and database.

`make scale-airflow SHARDS=1000` starts a real Airflow (standalone: SQLite, local executor, the
settings of `config/airflow.env`) in a folder of its own, triggers `image_reindex` once, and prints
one JSON object. The tasks are child processes that do no work (`no_work.sh`): whatever the run
takes is Airflow's.
"""

import argparse
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

_DAG = "image_reindex"
_PATIENCE_SECONDS = 180
_LOOK_SECONDS = 5
_HERE = Path(__file__).parent


def measure(folder: Path, shards: int, hours: float) -> dict[str, Any]:
    """Runs the DAG over so many shards and returns what Airflow took.

    Args:
        folder: for Airflow's home, made anew.
        shards: how many the plan has.
        hours: after which the run is cut short; the figures are then of what has ended.
    """
    environment = _environment(folder, shards)
    _airflow(environment, "db", "migrate")
    database = folder / "airflow.db"
    with _standalone(folder, environment):
        _wait_for_dag(environment)
        empty = database.stat().st_size
        started = time.time()
        _airflow(environment, "dags", "trigger", _DAG, "--run-id", "scale")
        state = _wait_for_run(database, started + hours * 3600)
        seconds = time.time() - started
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        figures = _figures(connection)
    instances = figures["task_instances"]
    return {
        "shards": shards,
        "state": state,
        "seconds": round(seconds),
        **figures,
        "instances_per_minute": round(60 * instances / seconds, 1),
        "database_bytes": database.stat().st_size,
        "database_bytes_an_instance": round((database.stat().st_size - empty) / instances),
        "load": round(os.getloadavg()[0], 1),
    }


def _environment(folder: Path, shards: int) -> dict[str, str]:
    (folder / "lake").mkdir(parents=True)
    plan = folder / "plan.json"
    listed = [{"shard": f"{number:020x}", "images": 500} for number in range(shards)]
    printed = {"anything_to_do": True, "unchanged": 0, "model_to_build": False, "shards": listed}
    plan.write_text(json.dumps(printed) + "\n", encoding="utf-8")
    return {
        **os.environ,
        "AIRFLOW_HOME": str(folder),
        "IMAGE_SEARCH_LAKE": (folder / "lake").as_uri(),
        "IMAGE_SEARCH_AIRFLOW__PYTHON": str(_HERE / "no_work.sh"),
        "IMAGE_SEARCH_AIRFLOW__SCHEDULE": "",
        "NO_WORK_PLAN": str(plan),
    }


def _airflow(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("airflow")), *arguments],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    return done.stdout


@contextmanager
def _standalone(folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Airflow in a process group of its own, ended with the block."""
    with (folder / "standalone.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("airflow")), "standalone"],
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(_PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _wait_for_dag(environment: dict[str, str]) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if _DAG in _airflow(environment, "dags", "list", "--output", "json"):
            return
        time.sleep(_LOOK_SECONDS)
    raise RuntimeError(f"Airflow has not found {_DAG} in {_PATIENCE_SECONDS} s; see standalone.log")


def _wait_for_run(database: Path, deadline: float) -> str:
    while True:
        time.sleep(_LOOK_SECONDS)
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=60)) as reader:
            ((state,),) = reader.execute("SELECT state FROM dag_run WHERE run_id = 'scale'")
        if state in ("success", "failed"):
            return str(state)
        if time.time() > deadline:
            return "cut short"


def _figures(connection: sqlite3.Connection) -> dict[str, Any]:
    rows = connection.execute(
        "SELECT task_id, queued_dttm, start_date, end_date FROM task_instance "
        "WHERE start_date IS NOT NULL AND end_date IS NOT NULL AND state = 'success'"
    ).fetchall()
    moments = [(task, *map(_seconds, times)) for task, *times in rows]
    waits = sorted(start - queued for _, queued, start, _ in moments)
    expanded = min((start for task, _, start, _ in moments if task == "shards.etl"), default=0.0)
    handed = next(end for task, _, _, end in moments if task == "changed_shards")
    last = max((end for task, _, _, end in moments if task.startswith("shards.")), default=0.0)
    joined = next((start for task, _, start, _ in moments if task == "publish"), None)
    rounds = sorted(
        {round(queued, 1) for task, queued, *_ in moments if task.startswith("shards.")}
    )
    return {
        "task_instances": len(moments),
        "task_seconds_median": round(
            statistics.median(end - start for *_, start, end in moments), 2
        ),
        "queued_to_start_median": round(statistics.median(waits), 2),
        "queued_to_start_p95": round(waits[int(0.95 * len(waits))], 2),
        # From one moment at which the scheduler hands out mapped tasks to the next one.
        "scheduler_round_median": round(
            statistics.median(after - before for before, after in pairwise(rounds)), 1
        ),
        "expansion_seconds": round(expanded - handed, 2),
        "join_seconds": None if joined is None else round(joined - last, 2),
    }


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="for Airflow's home; must not exist")
    parser.add_argument("--shards", type=int, default=1000)
    parser.add_argument("--hours", type=float, default=3, help="after which the run is cut short")
    given = parser.parse_args()
    print(json.dumps(measure(given.folder.resolve(), given.shards, given.hours)))


if __name__ == "__main__":
    main()
