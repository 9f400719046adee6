"""Measures each task at one size after the other: `python -m benchmarks.scale.measure OUTPUT SIZE`.

Each task runs alone, in a process of its own. A size gets a lake of its own, which is removed
afterwards. Points are added to the file as they are measured, and replace those of the same size.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.scale.made_lake import change_catalogue, make_catalogue, make_model, make_shards
from tasks.lake.open_store import open_store
from tasks.run_plan import read_plan
from tasks.settings import Settings

_REPOSITORY = Path(__file__).parents[2]
CHANGED_EVERY = 100
_FIRST = ("publish", "evaluate", "verify", "search", "warm_search")
_CHANGED = ("publish", "evaluate", "prune")
_ETL_IMAGES = 2_000
Point = dict[str, Any]
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def measure(folder: Path, images: int, dimensions: int, *, changed: bool = True) -> Iterator[Point]:
    """Yields what each task took on a catalogue of so many images, with made vectors.

    Args:
        folder: for the lake.
        images: how many there are.
        dimensions: of the vectors.
        changed: also measure the nights after the first one.
    """
    root = folder / "lake"
    root.mkdir(parents=True)
    make_catalogue(root, images)
    lake, settings = open_store(root.as_uri()), Settings()
    make_model(lake, settings, dimensions)
    yield _point("plan", "first", root, images, dimensions)
    if images <= _ETL_IMAGES:
        for task in ("etl", "feature_engineering"):
            yield _point(task, "first", root, images, dimensions)
        (root / "landing").rename(folder / "landing of etl")
    make_shards(lake, read_plan(lake, "first"))
    for task in _FIRST:
        yield _point(task, "first", root, images, dimensions)
    if not changed:
        return
    yield _point("plan", "nothing", root, images, dimensions)
    change_catalogue(root, images, CHANGED_EVERY)
    yield _point("plan", "changed", root, images, dimensions)
    make_shards(lake, read_plan(lake, "changed"))
    for task in _CHANGED:
        yield _point(task, "changed", root, images, dimensions)


def _point(task: str, run: str, root: Path, images: int, dimensions: int) -> Point:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale.one_task", task, root.as_uri(), run],
        cwd=_REPOSITORY,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    place = {"task": task, "night": run, "images": images, "dimensions": dimensions}
    return {**place, **found, "load": round(os.getloadavg()[0], 1)}


@app.command(help=__doc__)
def main(
    output: Annotated[Path, typer.Argument(help="JSON file of points; kept and added to.")],
    sizes: Annotated[list[int], typer.Argument(help="Images.")],
    dimensions: Annotated[int, typer.Option(help="Of the vectors.")] = 2048,
    changed: Annotated[
        bool, typer.Option(help="Also the nights after the first one; they need half more room.")
    ] = True,
    folder: Annotated[
        Path, typer.Option(help="For the lakes: 20 KB an image with 2048 dimensions.")
    ] = Path("var/benchmarks/scale"),
) -> None:
    """Measures and writes."""
    for images in sizes:
        points = json.loads(output.read_text("utf-8")) if output.exists() else []
        place = folder.resolve() / f"{images}"
        try:
            for point in measure(place, images, dimensions, changed=changed):
                points = [it for it in points if _key(it) != _key(point)] + [point]
                _write(output, points)
                typer.echo(f"{images:,} {point['task']} {point['night']} {point['seconds']:.1f} s")
        finally:
            shutil.rmtree(place, ignore_errors=True)


def _key(point: Point) -> tuple[Any, ...]:
    return tuple(point[name] for name in ("task", "night", "images", "dimensions"))


def _write(output: Path, points: list[Point]) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(point) for point in sorted(points, key=_key))
    output.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.scale.measure")
