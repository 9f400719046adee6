"""ranking_cost: what ranking with neighbours, the default, adds to a search of the photographs.

Two lakes of the same 300 labelled photographs are searched in turns: one ranks as by default, the
other by the cosine of the vectors as they are.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.figures import Figure, Spread, in_turns, spread_of
from benchmarks.photo_lake import PhotoLake
from benchmarks.processes import cost_of, task
from demo.catalogue import PHOTOS, encode, open_photo
from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.searcher import Searcher
from tasks.settings import Settings

_IMAGES = 300
_TOP = 5
_COLD, _WARM = 15, 15  # how often each is timed
_QUERIES = len(PHOTOS)
_PLAIN = {
    "IMAGE_SEARCH_PIPELINE__RANKING__CENTRE": "false",
    "IMAGE_SEARCH_PIPELINE__RANKING__CANDIDATES": "0",
}
_MOST = 1.1


def figures(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Yields the time of a search, ranked and by cosine."""
    models = folder.parent / "models"
    lakes = {
        "ranked": PhotoLake(folder / "ranked", _IMAGES, models=models, lent=True),
        "plain": PhotoLake(folder / "plain", _IMAGES, _PLAIN),
    }
    lakes["ranked"].full()
    if not lakes["plain"].root.exists():  # what is embedded serves both
        shutil.copytree(lakes["ranked"].root, lakes["plain"].root)
    lakes["plain"].full()
    query = folder / "query.jpg"
    query.write_bytes(encode(open_photo("motorcycle_right.png"), "jpeg"))
    cold = _cold(lakes, query, 2 if quick else _COLD)
    yield _figure("cold search by picture, a process", "s", cold, 1)
    searchers = {name: _engine(lake) for name, lake in lakes.items()}
    pictures = [np.asarray(cv2.imread(str(query)))]
    yield _figure(
        "search by picture, process running", "ms", _warm(searchers, "most_similar", pictures), 1000
    )
    file = lakes["plain"].root / layout.release(1, layout.NPY_IMAGE_VECTORS)
    some = np.load(file)[:: _IMAGES // _QUERIES]
    for name, clock in (("", time.perf_counter), (", processor time", time.process_time)):
        taken = _warm(searchers, "most_similar_to_vector", some, clock)
        what = f"the same by vector: nothing is embedded{name}"
        yield _figure(what, "ms", taken, 1000 / len(some))


def _engine(lake: PhotoLake) -> Any:
    return Searcher(open_store(lake.uri), Settings()).engine


def _cold(lakes: dict[str, PhotoLake], query: Path, repeats: int) -> dict[str, Spread]:
    allowed = {"IMAGE_SEARCH_QUERY_PREFIXES": json.dumps([str(query.parent)])}
    seconds: dict[str, list[float]] = {name: [] for name in lakes}
    for turn in range(1 + repeats):  # the first one warms up
        for name, lake in lakes.items():
            search = task("search", "--no-picture", "--lake", lake.uri, "--top-n", str(_TOP))
            cost = cost_of([*search, "--query", str(query)], allowed)
            if turn:
                seconds[name].append(cost.seconds)
    return {name: spread_of(found) for name, found in seconds.items()}


def _warm(
    engines: dict[str, Any],
    method: str,
    queries: Sequence[Any],
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Spread]:
    def ask_all(ask: Callable[..., Any]) -> None:
        for query in queries:
            ask(query, n=_TOP)

    ways = {name: partial(ask_all, getattr(engine, method)) for name, engine in engines.items()}
    return in_turns(ways, _WARM, clock)


def _figure(name: str, unit: str, taken: dict[str, Spread], scale: float) -> Figure:
    ranked, plain = taken["ranked"], taken["plain"]
    return Figure(
        f"{name}, ranked, {_IMAGES} images",
        unit,
        ranked.median * scale,
        goal=f"<= {_MOST} x by cosine",
        met=ranked.median <= _MOST * plain.median,
        rival=plain.median * scale,
        rival_name="by cosine",
        ratio=plain.median / ranked.median,
        low=ranked.low * scale,
        high=ranked.high * scale,
    )
