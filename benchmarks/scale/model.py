"""Tells what a night costs for any catalogue: `python -m benchmarks.scale.model --images 1e8`.

From the points measured on this pipeline (`docs/scaling/`), each task is a fixed cost and one an
image; docs/scaling.md says what is assumed. Hours are those of idle machines, two cores a slot.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer

from benchmarks.scale.growth import POINTS, Point, Series, read_points, series_of
from tasks.lake.arrays import WIDE_GAP
from tasks.lake.store import CHUNK
from tasks.settings import PipelineSettings

AIRFLOW = POINTS.with_name("airflow.json")
# Images a second of a slot of two cores: docs/results.md. That of a GPU is assumed, not measured.
RATES = {"etl": 226.0, "feature_engineering": 849.0, "cpu": 23.8, "gpu": 1000.0}
PIXELS_BYTES = 224 * 224 * 3
VECTOR_BYTES = 4 * 2048
INDEX_BYTES = 264
# Of a warm query, on an idle machine: docs/results.md.
MILLISECONDS_A_MILLION = 17.6
# An inverted file searches an eighth of its lists (tasks/index/vector_index.py).
IVF_SHARE = 1 / 8
PIPELINE = PipelineSettings()
SHARD_TASKS = 3
# Airflow's max_tis_per_query.
TASKS_A_ROUND = 16
_HOUR = 3600.0
_LEAST_SECONDS = 0.01
# A smaller catalogue does not fill the batches that tasks hold.
_FULL_BATCHES = 10_000
_LISTINGS = 1.1  # requests a thousand images
_READS = 2  # requests an image that is read
# Of each release `evaluate` looks at 200 images and their candidates: once, and at most once alone.
_PROBES = 180
_CANDIDATES = _PROBES * PIPELINE.ranking.candidates
_PROBE_READS = 2 * _PROBES
_FROM_POINTS = (("plan", "plan"), ("publish", "publish"), ("evaluate", "evaluate"))
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Line:
    """A cost that is fixed, and one an image more."""

    fixed: float
    each: float

    def at(self, images: float) -> float:
        """Returns the cost of so many images."""
        return self.fixed + self.each * images


@dataclass(frozen=True)
class Night:
    """What is asked.

    Attributes:
        images: of the catalogue.
        change: share of them that is new or changed, 0 to 1.
        slots: tasks at once, each with two cores or a GPU.
        device: what `vectorize` computes with.
        image_bytes: of an original, on average.
        window_hours: that a night may take.
        query_milliseconds: that a warm query may take.
        memory_gigabytes: of the machine that searches.
    """

    images: float
    change: float = 0.01
    slots: int = 1
    device: Literal["cpu", "gpu"] = "cpu"
    image_bytes: float = 500_000
    window_hours: float = 6.0
    query_milliseconds: float = 150.0
    memory_gigabytes: float = 32.0

    @property
    def shards(self) -> int:
        """How many shards `plan` cuts."""
        changed = self.images * self.change
        return int(min(PIPELINE.max_shards, -(-changed // PIPELINE.shard_size)))


@dataclass(frozen=True)
class Cost:
    """What a stage of a night takes; memory is of one process."""

    stage: str
    hours: float
    memory_bytes: float
    bytes_read: float
    bytes_written: float
    requests: float


def fit(points: list[Point], quantity: str) -> Line:
    """Fits a line to measured points with small relative errors; no part is negative."""
    images = np.array([float(point["images"]) for point in points])
    values = np.array([float(point[quantity]) for point in points])
    weights = 1 / np.maximum(values, 1e-9)
    terms = np.stack([np.ones_like(images), images], axis=1)
    fixed, each = np.linalg.lstsq(terms * weights[:, np.newaxis], values * weights)[0]
    if each < 0:
        return Line(float(np.average(values, weights=weights)), 0.0)
    if fixed < 0:
        return Line(0.0, float(np.average(values / images)))
    return Line(float(fixed), float(each))


def costs(night: Night, points: list[Point], airflow: list[Point]) -> list[Cost]:
    """Returns what each stage of a night takes."""
    series = series_of(points)
    found = [_measured(series, task, stage, night) for task, stage in _FROM_POINTS]
    found[1:1] = [*_of_shards(night), _airflow(night, airflow)]
    return [*found, _prune(series, night)]


def total(found: list[Cost]) -> Cost:
    """Returns the whole night. Airflow hands out the tasks of shards while others work."""
    hours = {cost.stage: cost.hours for cost in found}
    work = sum(hours[stage] for stage in ("etl", "feature_engineering", "vectorize"))
    others = sum(hours.values()) - work - hours["airflow"]
    return Cost(
        "the night",
        others + max(work, hours["airflow"]),
        max(cost.memory_bytes for cost in found),
        sum(cost.bytes_read for cost in found),
        sum(cost.bytes_written for cost in found),
        sum(cost.requests for cost in found),
    )


def layout(night: Night, publish_hours: float) -> str:
    """Returns where the vectors of a catalogue belong, the simplest that serves."""
    scan = MILLISECONDS_A_MILLION * night.images / 1e6
    index_fits = INDEX_BYTES * night.images < night.memory_gigabytes * 1e9
    if index_fits and publish_hours <= night.window_hours:
        if scan <= night.query_milliseconds:
            return "RaBitQ scan (index_factory = RaBitQfs)"
        if scan * IVF_SHARE <= night.query_milliseconds:
            return "IVF + RaBitQ (index_factory = IVF65536,RaBitQfs)"
    if index_fits and scan * IVF_SHARE <= night.query_milliseconds:
        return "segmented releases (not built: a release is rewritten as a whole each night)"
    return "Milvus, or another vector database on several machines"


def _measured(series: Series, task: str, stage: str, night: Night) -> Cost:
    points = series[task, "changed"]
    read, written, requests = (
        fit(points, quantity).at(night.images)
        for quantity in ("bytes_read", "bytes_written", "requests")
    )
    if task == "evaluate":
        read, requests = _evaluate(points, night.images)
    if (
        task == "plan"
    ):  # it lists, and reads what changed and has the size of what went: at most all
        requests = night.images * (_LISTINGS / 1000 + _READS * night.change) + night.shards
    # Another night holds as much, where it has as much to do.
    held = [it for it in series[task, "first"] if it["cpu_seconds"] > _LEAST_SECONDS]
    full = [it for it in points + held if it["images"] >= _FULL_BATCHES]
    memory = fit(full, "memory_bytes").at(night.images)
    if task == "evaluate":
        others = [
            {**it, "others": it["memory_bytes"] - _candidates_held(it["images"])} for it in full
        ]
        memory = fit(others, "others").at(night.images) + _candidates_held(night.images)
    hours = fit(points, "cpu_seconds").at(night.images) / _HOUR
    return Cost(stage, hours, memory, read, written, requests)


def _evaluate(points: list[Point], images: float) -> tuple[float, float]:
    """Returns bytes and requests: the vectors of two releases that it looks at, and the rest."""
    vectors = [2 * VECTOR_BYTES * _looked_at(float(point["images"]))[0] for point in points]
    others = [
        {**point, "others": max(1.0, float(point["bytes_read"]) - of_vectors)}
        for point, of_vectors in zip(points, vectors, strict=True)
    ]
    fixed = min(float(point["requests"]) for point in points)
    rows, ranges = _looked_at(images)
    read = 2 * VECTOR_BYTES * rows + fit(others, "others").at(images)
    return read, fixed + 2 * (_PROBE_READS + ranges) + read / CHUNK


def _candidates_held(images: float) -> float:
    return VECTOR_BYTES * min(images, _CANDIDATES)


def _looked_at(images: float) -> tuple[float, float]:
    """Returns rows read of a release, and ranges, as candidates lie anywhere and gaps are read."""
    apart = images / _CANDIDATES
    gap = WIDE_GAP / VECTOR_BYTES
    alone = math.exp(-gap / apart)
    between = apart * (1 - alone * (1 + gap / apart))
    return min(images, _CANDIDATES * (1 + between)), _CANDIDATES * alone


def _of_shards(night: Night) -> list[Cost]:
    images = night.images * night.change
    shard = images / max(1, night.shards)
    taken = {"etl": 2.0, "feature_engineering": 0.0, "vectorize": 0.0}  # a look and a read an image
    sizes = {
        "etl": (night.image_bytes, PIXELS_BYTES),
        "feature_engineering": (PIXELS_BYTES, 4 * PIXELS_BYTES),
        "vectorize": (4 * PIXELS_BYTES, VECTOR_BYTES),
    }
    # etl holds the resized images of its shard: 172 MB for 500.
    memory = {
        "etl": 97e6 + PIXELS_BYTES * shard,
        "feature_engineering": 208e6,
        "vectorize": 503e6,
    }
    slots = max(1, min(night.slots, night.shards))
    found = []
    for stage, (read, written) in sizes.items():
        rate = RATES[night.device if stage == "vectorize" else stage]
        blocks = night.shards * (20 + shard * (written + (read if stage != "etl" else 0)) / 2**23)
        hours = images / rate / slots / _HOUR
        requests = images * taken[stage] + blocks
        found.append(Cost(stage, hours, memory[stage], images * read, images * written, requests))
    return found


def _airflow(night: Night, runs: list[Point]) -> Cost:
    """A round of the scheduler looks at every mapped task that is left, and hands out some."""
    shards = np.array([float(run["shards"]) for run in runs])
    rounds = np.array([float(run["scheduler_round_median"]) for run in runs])
    a_shard = float(np.dot(shards, rounds) / np.dot(shards, shards))
    one_round = a_shard * night.shards / 2  # half of them are left, on average
    handed_out = min(night.slots, TASKS_A_ROUND)
    # Airflow starts no more than this on two cores, however few there are.
    least = 60 / max(float(run["instances_per_minute"]) for run in runs)
    instances = SHARD_TASKS * night.shards
    kept = [run["database_bytes_an_instance"] for run in runs if run["state"] == "success"]
    database = float(np.mean(kept))
    hours = instances * max(least, one_round / handed_out) / _HOUR
    return Cost("airflow", hours, 0.0, 0.0, instances * database, 0.0)


def _prune(series: Series, night: Night) -> Cost:
    # There it removed the shards of the first night, of all images.
    images = night.images * night.change
    points = series["prune", "changed"]
    requests = fit(points, "requests").at(images)
    hours = fit(points, "cpu_seconds").at(images) / _HOUR
    return Cost("prune", hours, fit(points, "memory_bytes").at(images), 0.0, 0.0, requests)


def _row(cost: Cost) -> str:
    shown = (
        f"{cost.hours:,.2f}",
        *(f"{it / 1e9:,.2f}" for it in (cost.memory_bytes, cost.bytes_read, cost.bytes_written)),
        f"{cost.requests:,.0f}",
    )
    return f"| {cost.stage} | {' | '.join(shown)} |"


@app.command(help=__doc__)
def main(  # pylint: disable=too-many-arguments,too-many-positional-arguments  # what may be asked
    images: Annotated[float, typer.Option(min=1, help="Of the catalogue, up to 1e9.")] = 1e6,
    change: Annotated[float, typer.Option(min=0, max=1, help="Share that is new a night.")] = 0.01,
    slots: Annotated[int, typer.Option(min=1, help="Tasks at once, two cores or a GPU each.")] = 1,
    gpu: Annotated[bool, typer.Option("--gpu", help="Embed with GPUs.")] = False,
    image_bytes: Annotated[float, typer.Option(help="Of an original.")] = 500_000,
    window_hours: Annotated[float, typer.Option(help="That a night may take.")] = 6.0,
    query_milliseconds: Annotated[float, typer.Option(help="That a query may take.")] = 150.0,
    memory_gigabytes: Annotated[float, typer.Option(help="Of the machine that searches.")] = 32.0,
    points: Annotated[Path, typer.Option(help="Measured.")] = POINTS,
) -> None:
    """Prints what a night costs."""
    device: Literal["cpu", "gpu"] = "gpu" if gpu else "cpu"
    night = Night(
        images,
        change,
        slots,
        device,
        image_bytes,
        window_hours,
        query_milliseconds,
        memory_gigabytes,
    )
    airflow = json.loads(points.with_name(AIRFLOW.name).read_text(encoding="utf-8"))
    found = costs(night, read_points(points), airflow)
    typer.echo(f"{images:,.0f} images, {change:.1%} new, {slots} slots, {device}\n")
    typer.echo(
        "| stage | hours | GB held | GB read | GB written | requests |\n|---|---|---|---|---|---|"
    )
    for cost in (*found, total(found)):
        typer.echo(_row(cost))
    publish = next(cost for cost in found if cost.stage == "publish")
    typer.echo(
        f"\nindex {INDEX_BYTES * images / 1e9:,.2f} GB, "
        f"vectors {VECTOR_BYTES * images / 1e9:,.0f} GB"
    )
    typer.echo(f"layout: {layout(night, publish.hours)}")


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.scale.model")
