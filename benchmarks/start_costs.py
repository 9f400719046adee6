"""What it costs to start a task: seconds with each runner, megabytes of each image.

`make start-costs` prints two tables. Each task is run on a lake where its work is complete, so that
what is left is starting, reading a few documents, and ending; the best of three. Without an engine
there is no column for it.
"""

import argparse
import os
import subprocess
import time
from pathlib import Path
from typing import Any, cast

from airflow.sdk import Context
from docker import APIClient
from docker.errors import DockerException

from image_search_airflow.runner import run_task
from image_search_airflow.runner_settings import REPOSITORY

IMAGES = ("data", "search", "vectorize", "model")
# The user of the images, who works on a lake of root's.
TASKS_USER = 10001
RUN = "start-costs"


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="for a lake of the sample catalogue; kept")
    lake = parser.parse_args().folder.resolve() / "lake"
    # What operators log goes to stderr: stdout is for the tables.
    tables = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.environ["IMAGE_SEARCH_LAKE"] = lake.as_uri()
    os.environ["IMAGE_SEARCH_AIRFLOW__DOCKER__NETWORK"] = "none"
    lake.mkdir(parents=True, exist_ok=True)
    _make_catalogue(lake)
    options = _complete_all(lake)
    sizes = _image_sizes()
    runners = ("process", "docker") if len(sizes) == len(IMAGES) else ("process",)
    if "docker" in runners:
        _hand_over(lake)
    print(f"| task | {' | '.join(f'{runner}, s' for runner in runners)} |", file=tables)
    print("|---" * (len(runners) + 1) + "|", file=tables)
    for name, given in options.items():
        seconds = (min(_seconds(runner, name, given) for _ in range(3)) for runner in runners)
        print(f"| `{name}` | {' | '.join(f'{it:.2f}' for it in seconds)} |", file=tables)
    if sizes:
        print("\n| image | MB |\n|---|---|", file=tables)
        for image, size in sizes.items():
            print(f"| `{image}` | {size / 1e6:,.0f} |", file=tables)


def _make_catalogue(lake: Path) -> None:
    python = REPOSITORY / ".venv" / "tasks" / "bin" / "python"
    command: list[str | Path] = [python, "-m", "demo.catalogue", "--lake", lake.as_uri()]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)


def _complete_all(lake: Path) -> dict[str, dict[str, Any]]:
    """Does all the work once; returns the options of each task."""
    planned = _run("process", "plan", {})
    shards = [{"shard": it["shard"]} for it in planned["shards"]]
    _run("process", "build_model", {})
    for shard in shards:
        for name in ("etl", "feature_engineering", "vectorize"):
            _run("process", name, shard)
    _run("process", "publish", {})
    of_shard = dict.fromkeys(("etl", "feature_engineering", "vectorize"), shards[0])
    return {
        "plan": {},
        "build_model": {},
        **of_shard,
        "publish": {},
        "evaluate": {"gate": True},
        "prune": {},
        "search": {"query": f"{lake.as_uri()}/queries/motorcycle.jpg"},
    }


def _run(runner: str, name: str, options: dict[str, Any]) -> dict[str, Any]:
    os.environ["IMAGE_SEARCH_AIRFLOW__RUNNER"] = runner
    return cast(dict[str, Any], run_task(name, options).execute(cast(Context, {"run_id": RUN})))


def _seconds(runner: str, name: str, options: dict[str, Any]) -> float:
    started = time.monotonic()
    _run(runner, name, options)
    return time.monotonic() - started


def _image_sizes() -> dict[str, int]:
    """Returns the bytes of each image that the engine has; empty if none answers."""
    try:
        client = APIClient()
        found = {image: client.images(f"image-search/{image}:latest") for image in IMAGES}
    except DockerException:
        return {}
    return {image: int(it[0]["Size"]) for image, it in found.items() if it}


def _hand_over(lake: Path) -> None:
    if lake.stat().st_uid == 0:
        for path in (lake, *lake.rglob("*")):
            os.chown(path, TASKS_USER, TASKS_USER)


if __name__ == "__main__":
    main()
