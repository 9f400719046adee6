"""Counts what tasks ask of a real S3 server: `python -m benchmarks.scale.s3_requests OUTPUT SIZE`.

The server (SeaweedFS) runs on this machine; a proxy before it counts. Each task runs alone, in a
process of its own. Bytes are those of answers. `docs/scaling.md` has the table, which is printed.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.scale.growth import POINTS, Point, read_points
from benchmarks.scale.made_lake import (
    change_catalogue,
    made_name,
    make_catalogue,
    make_model,
    make_shards,
)
from benchmarks.scale.measure import CHANGED_EVERY
from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tasks.run_plan import read_plan
from tasks.settings import Settings
from tests.faults.faulty_proxy import FaultyProxy, running_proxy
from tests.s3_server import running_s3_server

S3_POINTS = POINTS.with_name("s3.json")
_REPOSITORY = Path(__file__).parents[2]
_TASKS = {
    "first": ("plan", "publish", "evaluate", "verify", "search", "warm_search"),
    "changed": ("plan", "publish", "evaluate"),
}
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def measure(folder: Path, images: int, dimensions: int) -> Iterator[Point]:
    """Yields what tasks asked of the server on a catalogue of so many images, with made vectors.

    Args:
        folder: for the server and the originals.
        images: how many there are.
        dimensions: of the vectors.
    """
    originals, settings = folder / "originals", Settings()
    make_catalogue(originals, images)
    with running_s3_server(folder / "server") as server, running_proxy(server.endpoint) as proxy:
        os.environ.update(server.environment)
        lake = open_store(server.new_root())
        master = f"{lake.root}/{layout.MASTER}"
        server.files.put(f"{originals / layout.MASTER}/", master, recursive=True)
        make_model(lake, settings, dimensions)
        yield from (_with(images, dimensions, it) for it in _night(proxy, lake, "first", folder))
        change_catalogue(originals, images, CHANGED_EVERY)
        for row in range(0, images, CHANGED_EVERY):
            path = f"{layout.MASTER}/{made_name(row)}"
            lake.write(path, (originals / path).read_bytes())
        yield from (_with(images, dimensions, it) for it in _night(proxy, lake, "changed", folder))


def table(points: list[Point], in_folder: list[Point]) -> str:
    """Returns the points as a Markdown table, beside what was counted in a folder, if it was."""
    lines = [
        "| task | night | images | requests | as counted | MB answered | as counted |",
        "|---|---|---|---|---|---|---|",
    ]
    known = {_key(point): point for point in in_folder}
    for point in points:
        both = (point, known.get(_key(point)))
        requests = ("" if it is None else f"{it['requests']:,}" for it in both)
        megabytes = ("" if it is None else f"{it['bytes_read'] / 1e6:,.1f}" for it in both)
        place = (f"`{point['task']}`", point["night"], f"{point['images']:,}")
        lines.append(f"| {' | '.join((*place, *requests, *megabytes))} |")
    return "\n".join(lines)


def _with(images: int, dimensions: int, asked: Point) -> Point:
    return {"images": images, "dimensions": dimensions, **asked}


def _night(proxy: FaultyProxy, lake: Store, night: str, folder: Path) -> Iterator[Point]:
    for task in _TASKS[night]:
        yield {"task": task, "night": night, **_asked(proxy, task, str(lake), night, folder)}
        if task == "plan":
            make_shards(lake, read_plan(lake, night))


def _key(point: Point) -> tuple[Any, ...]:
    return tuple(point[name] for name in ("task", "night", "images", "dimensions"))


def _asked(proxy: FaultyProxy, task: str, uri: str, run: str, folder: Path) -> Point:
    proxy.break_by()  # forgets what it has seen
    subprocess.run(
        [sys.executable, "-m", "benchmarks.scale.one_task", task, uri, run],
        cwd=_REPOSITORY,
        env={
            **os.environ,
            "AWS_ENDPOINT_URL": proxy.endpoint,
            "IMAGE_SEARCH_CACHE": str(folder / "cache"),
        },
        check=True,
        stdout=subprocess.PIPE,
    )
    seen = list(proxy.seen)
    return {"requests": len(seen), "bytes_read": sum(request.answered for request in seen)}


@app.command(help=__doc__)
def main(
    output: Annotated[Path, typer.Argument(help="JSON file of points; made anew.")],
    images: Annotated[int, typer.Argument(help="Images.")],
    dimensions: Annotated[int, typer.Option(help="Of the vectors.")] = 2048,
) -> None:
    """Counts, writes and prints."""
    with tempfile.TemporaryDirectory() as folder:
        points = list(measure(Path(folder), images, dimensions))
    output.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(point) for point in points)
    output.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    typer.echo(table(points, read_points()))


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.scale.s3_requests")
