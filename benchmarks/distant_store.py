"""distant_store: `etl` of a shard in a real S3 store that answers 50 ms later, and on a disk."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import fsspec

from benchmarks.decoding import jpeg_of
from benchmarks.distant_link import distant
from benchmarks.figures import REPEATS, Figure, Spread, spread_of
from benchmarks.processes import REPOSITORY, Cost, cost_of, task
from demo.catalogue import PHOTOS
from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tests.certificates import Certificate, certificate_in
from tests.s3_server import ACCESS_KEY, SECRET_KEY, S3Server, running_s3_server

IMAGES, IMAGES_QUICK = 1_000, 200
_SIDES, _SIDES_QUICK = (1_600, 4_000), (1_600,)  # pixels of the longer side
_LATENCY = 0.05
_GOAL = 1.2
_RUN = "bench"
_FAR, _NEAR, _DISK = "far", "near", "disk"


@dataclass
class _Place:
    """A lake with one shard, and what a task needs in its environment to reach it."""

    lake: Store
    environment: Mapping[str, str]
    shard: str = ""
    costs: list[Cost] = field(default_factory=list)

    def plan(self) -> None:
        """Cuts all images into one shard."""
        command = task("plan", "--lake", str(self.lake), "--run", _RUN)
        environment = {**os.environ, **self.environment}
        planned = subprocess.run(
            command, cwd=REPOSITORY, env=environment, check=True, stdout=subprocess.PIPE
        )
        (part,) = json.loads(planned.stdout.splitlines()[-1])["shards"]
        self.shard = part["shard"]

    def etl(self) -> Cost:
        """Lands the shard, again."""
        for item in list(self.lake.objects(layout.landing(self.shard, "").rstrip("/"))):
            self.lake.delete(item.path)
        command = task("etl", "--lake", str(self.lake), "--run", _RUN, "--shard", self.shard)
        return cost_of(command, self.environment)


def figures(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Yields what distance costs: seconds, against a disk and against no distance; memory.

    The store and the way to it have a core of their own, as if they were elsewhere.
    """
    images, repeats = (IMAGES_QUICK, 2) if quick else (IMAGES, REPEATS)
    for side in _SIDES_QUICK if quick else _SIDES:
        shutil.rmtree(folder, ignore_errors=True)
        with _places(folder, images) as places:
            for place in places.values():
                _fill(place.lake, images, side)
                place.plan()
            for turn in range(1 + repeats):  # the first one warms up
                for place in places.values():
                    cost = place.etl()
                    if turn:
                        place.costs.append(cost)
        shutil.rmtree(folder)
        yield from _figures(
            f"etl of {images:,} photographs of {side:,} px",
            images,
            {name: place.costs for name, place in places.items()},
        )


# What reading one image after another would take is computed: without latency, and that of each.
def _figures(what: str, images: int, costs: Mapping[str, list[Cost]]) -> Iterator[Figure]:
    far = spread_of([cost.seconds for cost in costs[_FAR]])
    disk, near = (spread_of([cost.seconds for cost in costs[name]]) for name in (_DISK, _NEAR))
    rival = near.median + images * _LATENCY
    loss = _times(costs, _FAR, _DISK)
    yield Figure(
        f"{what}, store {_LATENCY * 1000:.0f} ms away",
        "s",
        far.median,
        rival=rival,
        rival_name="one image after another",
        bound=disk.median,
        bound_name="on a local disk",
        ratio=rival / far.median,
        low=far.low,
        high=far.high,
    )
    yield Figure(
        "the same against a local disk",
        "x",
        loss.median,
        goal=f"<= {_GOAL}",
        met=loss.median <= _GOAL,
        low=loss.low,
        high=loss.high,
    )
    latency = _times(costs, _FAR, _NEAR)
    yield Figure(
        "the same against that store without latency",
        "x",
        latency.median,
        low=latency.low,
        high=latency.high,
    )
    for name, unit, values in (
        ("its computing, all threads", "s", _medians(costs, lambda cost: cost.computing)),
        ("its memory", "MB", _medians(costs, lambda cost: cost.megabytes)),
    ):
        yield Figure(name, unit, values[_FAR], rival=values[_DISK], rival_name="local disk")


def _medians(costs: Mapping[str, list[Cost]], value: Callable[[Cost], float]) -> dict[str, float]:
    return {
        name: spread_of([value(cost) for cost in taken]).median for name, taken in costs.items()
    }


def _times(costs: Mapping[str, list[Cost]], ours: str, other: str) -> Spread:
    """Returns how many times as long one takes as the other, turn by turn."""
    turns = zip(costs[ours], costs[other], strict=True)
    return spread_of([one.seconds / two.seconds for one, two in turns])


@contextmanager
def _places(folder: Path, images: int) -> Iterator[dict[str, _Place]]:
    """Opens a lake in the store, reached from far and from near, and one on the disk."""
    (folder / "disk").mkdir(parents=True)
    one_shard = {"IMAGE_SEARCH_PIPELINE__SHARD_SIZE": str(images)}
    *most, last = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        stack.callback(os.sched_setaffinity, 0, [*most, last])
        # What is started from here on stays on the cores that are this thread's at the time.
        os.sched_setaffinity(0, [last])
        certificate = certificate_in(folder / "certificate")
        server = stack.enter_context(
            running_s3_server(folder / "store", certificate=certificate, roomy=True)
        )
        address = urlsplit(server.endpoint)
        port = stack.enter_context(
            distant(address.hostname or "", address.port or 0, seconds=_LATENCY)
        )
        os.sched_setaffinity(0, most or [last])
        # This server would end the connection after each body that carries its checksum behind it.
        plain = {"AWS_REQUEST_CHECKSUM_CALCULATION": "when_required"}
        near = one_shard | server.environment | plain
        far = near | {"AWS_ENDPOINT_URL": f"https://127.0.0.1:{port}"}
        yield {
            _FAR: _Place(_open_bucket(server, certificate), far),
            _NEAR: _Place(_open_bucket(server, certificate), near),
            _DISK: _Place(open_store((folder / "disk").as_uri()), one_shard),
        }


def _open_bucket(server: S3Server, certificate: Certificate) -> Store:
    fsspec.config.conf["s3"] = {
        "endpoint_url": server.endpoint,
        "key": ACCESS_KEY,
        "secret": SECRET_KEY,
        "client_kwargs": {"verify": str(certificate.authority)},
    }
    return open_store(server.new_root())


def _fill(lake: Store, images: int, side: int) -> None:
    """Writes photographs over and over, with a number after the end of the picture."""
    photos = [jpeg_of(name, side) for name in PHOTOS]
    for number in range(images):
        photo = photos[number % len(photos)]
        lake.write(f"{layout.MASTER}/{number:04}.jpg", photo + str(number).encode())
