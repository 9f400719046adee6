"""service: what the HTTP service holds, by name and by picture, and what it does past that.

The service is a process, `serve` with its defaults; whoever asks is this one, on the same machine.
The lake has made vectors and the real model.
"""

import asyncio
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import aiohttp

from benchmarks.figures import Figure, spread_of
from benchmarks.load import Load, Question, ask, closed_loop, open_loop, session
from benchmarks.processes import REPOSITORY, cost_of, task
from benchmarks.scale.made_lake import made_name, make_catalogue, make_shards
from demo.catalogue import encode, open_photo
from tasks.lake.open_store import open_store
from tasks.lake.releases import Releases
from tasks.run_plan import read_plan
from tasks.settings import ServiceSettings

_IMAGES = {True: 10_000, False: 100_000}
_SECONDS = {True: 4.0, False: 20.0}
_REPEATS = 3
_PICTURES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
_NAMES = 500
_LOADS = (50, 80, 150)
_PERCENTILES = (50, 95, 99)
_FLOOD = 5  # times what it holds
_LOOK_SECONDS = 0.2
_MOST_SECONDS_AFTER = 1.0
_END_SECONDS = 60


def figures(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Yields requests held, seconds at shares of that, and what becomes of a flood."""
    images = _IMAGES[quick]
    lake = _made_lake(folder / str(images), images)
    asked = {
        "by name": [
            Question(f"/search?query={quote(made_name(row))}")
            for row in range(0, images, images // _NAMES)
        ],
        "by picture": [Question("/search", encode(open_photo(it), "jpeg")) for it in _PICTURES],
    }
    with _running(lake, folder / "service.log") as service:
        for way, questions in asked.items():
            name = f"{way}, {images:,} images"
            yield from asyncio.run(_measured(service, name, questions, _SECONDS[quick]))
        yield Figure("memory of the service at most", "MB", service.megabytes())


def _made_lake(folder: Path, images: int) -> str:
    """Makes a lake with a release of so many made vectors, or finds the one of the last time."""
    lake = folder / "lake"
    if (lake / "releases").exists() and Releases(open_store(lake.as_uri())).current():
        return lake.as_uri()
    shutil.rmtree(folder, ignore_errors=True)
    lake.mkdir(parents=True)
    make_catalogue(lake, images)
    given = ("--lake", lake.as_uri(), "--run", "first")
    cost_of(task("plan", *given))
    cost_of(task("build_model", *given))
    store = open_store(lake.as_uri())
    make_shards(store, read_plan(store, "first"))
    cost_of(task("publish", *given))
    return lake.as_uri()


@dataclass
class _Service:
    """A service that runs."""

    url: str
    pid: int

    def megabytes(self) -> float:
        """Returns the memory that it has held at most, mapped files included."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
        [line] = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) / 1000

    def processor_seconds(self) -> float:
        """Returns for how long processors have worked for it, all together."""
        fields = (
            Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        )
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _running(lake: str, log: Path) -> Iterator[_Service]:
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            task("serve", "--lake", lake, "--port", "0"),
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise RuntimeError(f"the service did not start: {log.read_text()[-1000:]}")
            yield _Service(json.loads(line)["url"], process.pid)
            process.terminate()
            process.wait(_END_SECONDS)
        finally:
            process.kill()


async def _measured(
    service: _Service, name: str, questions: Sequence[Question], seconds: float
) -> list[Figure]:
    settings = ServiceSettings()
    places = settings.at_once + settings.waiting
    async with session(service.url) as client:
        await closed_loop(client, questions, places, seconds / _REPEATS)  # a warm-up
        before = service.processor_seconds()
        found = [
            await closed_loop(client, questions, places, seconds / _REPEATS)
            for _ in range(_REPEATS)
        ]
        held = spread_of([len(it.answered) / it.seconds for it in found])
        worked = service.processor_seconds() - before
        each = worked / sum(len(it.answered) for it in found)
        shown = [
            Figure(
                f"held {name}",
                "1/s",
                held.median,
                bound=(os.cpu_count() or 1) / each,
                bound_name="all cores do nothing else",
                low=held.low,
                high=held.high,
            ),
            Figure(f"processor time of a search {name}", "ms", 1000 * each),
        ]
        for percent in _LOADS:
            load = await open_loop(client, questions, held.median * percent / 100, seconds)
            shown += _at(f"{name}, at {percent} %", load, percent)
        return shown + await _flooded(client, name, questions, held.median * _FLOOD, seconds)


def _at(name: str, load: Load, percent: int) -> list[Figure]:
    refused = 100 * load.refused / len(load.outcomes)
    return [
        *(Figure(f"{name}: p{it}", "ms", 1000 * load.percentile(it)) for it in _PERCENTILES),
        Figure(
            f"{name}: refused, 503 with Retry-After",
            "%",
            refused,
            bound=max(0.0, 100 - 10_000 / percent),
            bound_name="what is past the load that it holds",
        ),
        _none_failed(name, load),
    ]


def _none_failed(name: str, load: Load) -> Figure:
    return Figure(
        f"{name}: neither answered nor refused", "", load.failed, goal="0", met=load.failed == 0
    )


async def _flooded(
    client: aiohttp.ClientSession,
    name: str,
    questions: Sequence[Question],
    rate: float,
    seconds: float,
) -> list[Figure]:
    """Asks for more than it holds, looks whether it lives, and how soon it answers afterwards."""
    looking = asyncio.create_task(_look(client, seconds))
    load = await open_loop(client, questions, rate, seconds)
    looks = await looking
    began = time.perf_counter()
    while (await ask(client, questions[0], 0.0)).status != 200:
        await asyncio.sleep(_LOOK_SECONDS / 10)
    again = load.tail + time.perf_counter() - began
    name = f"{name}, flooded with {rate:.0f} a second"
    return [
        Figure(f"{name}: answered", "1/s", len(load.answered) / load.seconds),
        Figure(f"{name}: p99 of the answered", "ms", 1000 * load.percentile(99)),
        _none_failed(name, load),
        Figure(
            f"{name}: /healthz, the slowest of {len(looks.outcomes)}",
            "ms",
            1000 * max(it.seconds for it in looks.outcomes),
            goal="all 200",
            met=len(looks.answered) == len(looks.outcomes),
        ),
        Figure(
            f"{name}: a search after the last of it, answered after",
            "s",
            again,
            goal=f"<= {_MOST_SECONDS_AFTER}",
            met=again <= _MOST_SECONDS_AFTER,
        ),
    ]


async def _look(client: aiohttp.ClientSession, seconds: float) -> Load:
    clock = asyncio.get_running_loop()
    began = clock.time()
    found = []
    while clock.time() < began + seconds:
        found.append(await ask(client, Question("/healthz"), clock.time()))
        await asyncio.sleep(_LOOK_SECONDS)
    return Load(found, clock.time() - began)
