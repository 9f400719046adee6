"""reindex: all images from the plan to the release, beside bare `vectorize` on the same arrays.

Tasks are processes, and shards go side by side, as Airflow's process runner has them; Airflow's
own scheduling is left out (`make scale-airflow` measures it). It is a rebuild with the model at
hand, by wall and by processor time, which other work of the machine disturbs less.
"""

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Semaphore

from benchmarks.figures import Chart, Figure, Measured, Point, Spread, spread_of
from benchmarks.photo_lake import SHARD_TASKS, Done, PhotoLake
from tasks.lake import layout

IMAGES, IMAGES_QUICK = 5_000, 150
_REPEATS, _REPEATS_QUICK = 5, 2
_MOST = 1.1
# Shards in the same stage at once: `max_parallel_shards` of Airflow's settings.
_AT_ONCE = 2


@dataclass
class Rebuild:
    """A whole reindex.

    Attributes:
        run: its id.
        shards: the ids of its shards.
        seconds: from the start of `plan` to the end of `publish`.
        processor: seconds of all cores together, by task.
    """

    run: str
    shards: list[str]
    seconds: float
    processor: dict[str, float]


def figures(folder: Path, *, quick: bool) -> Iterator[Measured]:
    """Yields the time of a whole reindex, and what of it each task takes."""
    lake = PhotoLake(
        folder,
        IMAGES_QUICK if quick else IMAGES,
        models=folder.parent / "models",
        lent=True,
    )
    lake.full()
    rebuilds, bare = [], []
    for _ in range(_REPEATS_QUICK if quick else _REPEATS):
        rebuilds.append(_rebuild(lake))
        bare.append(_vectorize_again(lake, rebuilds[-1]))
        _drop(lake)
    whole = spread_of([rebuild.seconds for rebuild in rebuilds])
    yield _figure(lake, "s", whole, spread_of([done.seconds for done in bare]))
    processor = spread_of([sum(rebuild.processor.values()) for rebuild in rebuilds])
    yield _figure(lake, "processor s", processor, spread_of([done.processor for done in bare]))
    for name in rebuilds[0].processor:
        taken = spread_of([rebuild.processor[name] for rebuild in rebuilds])
        yield Figure(f"of that {name}", "processor s", taken.median, low=taken.low, high=taken.high)
        line = f"rebuild of {lake.images:,} images, processor time"
        yield Point(Chart.STAGES, line, name, taken.median)


def _figure(lake: PhotoLake, unit: str, whole: Spread, bare: Spread) -> Figure:
    return Figure(
        f"whole reindex of {lake.images:,} images",
        unit,
        whole.median,
        goal=f"<= {_MOST} x",
        met=whole.median <= _MOST * bare.median,
        rival=bare.median,
        rival_name="bare vectorize",
        ratio=bare.median / whole.median,
        low=whole.low,
        high=whole.high,
    )


def _rebuild(lake: PhotoLake) -> Rebuild:
    """Works on every image again, as far as `publish`."""
    started = time.perf_counter()
    run = f"rebuild-{time.time_ns()}"
    plan = lake.run_task("plan", "--run", run, "--full-rebuild")
    model = lake.run_task("build_model", "--run", run)
    shards = [shard["shard"] for shard in plan.result["shards"]]
    slots = {name: Semaphore(_AT_ONCE) for name in SHARD_TASKS}

    def work_on(shard: str) -> list[Done]:
        done = []
        for name in SHARD_TASKS:
            with slots[name]:
                done.append(lake.run_task(name, "--run", run, "--shard", shard))
        return done

    with ThreadPoolExecutor(len(shards)) as pool:
        by_shard = list(pool.map(work_on, shards))
    publish = lake.run_task("publish", "--run", run)
    seconds = time.perf_counter() - started
    processor = {"plan": plan.processor, "build_model": model.processor}
    for name, found in zip(SHARD_TASKS, zip(*by_shard, strict=True), strict=True):
        processor[name] = sum(done.processor for done in found)
    processor["publish"] = publish.processor
    return Rebuild(run, shards, seconds, processor)


def _vectorize_again(lake: PhotoLake, rebuild: Rebuild) -> Done:
    """Embeds the same arrays once more, one shard after the other, and nothing else."""
    found = []
    for shard in rebuild.shards:
        for model in (lake.root / layout.MODEL).iterdir():
            shutil.rmtree(model / "vectors" / shard)
        found.append(lake.run_task("vectorize", "--run", rebuild.run, "--shard", shard))
    return Done({}, sum(done.seconds for done in found), sum(done.processor for done in found))


def _drop(lake: PhotoLake) -> None:
    """Removes features and pictures, which are gigabytes, before the next ones come."""
    for name in (layout.FEATURE_STORE, layout.LANDING):
        shutil.rmtree(lake.root / name)
