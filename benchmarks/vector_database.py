"""vector_database: the files of a release against a vector database: answers, queries, loads.

Milvus Lite, unless IMAGE_SEARCH_VECTOR_DATABASE__URI names a server, of which the collections named
bench_… are dropped.
"""

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.figures import Figure, in_turns
from benchmarks.made_vectors import made_vectors
from benchmarks.scale.made_lake import made_name
from tasks.index.centre import CentredRows
from tasks.index.checks import check_index
from tasks.index.engine import SearchEngine
from tasks.index.milvus_client import Client
from tasks.index.ranking import Ranking
from tasks.index.rows import ArrayRows
from tasks.index.vector_index import read_index
from tasks.lake import layout
from tasks.lake.catalogue import Image
from tasks.lake.manifest import Manifest
from tasks.lake.open_store import open_store
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.load import load
from tasks.release_ranking import read_mean
from tasks.searcher import Searcher
from tasks.settings import Settings, VectorDatabaseSettings
from tasks.vector_database import opened_database, recall_at_10
from tests.made_release import store_release

_IMAGES, _IMAGES_QUICK = 20_000, 2_000
_CHANGED_EVERY = 100
_QUERIES, _TOP = 20, 10
_PREFIX = "bench"
_LARGEST_DIFFERENCE, _RECALL = 1e-4, 0.99

Vectors = npt.NDArray[np.float32]


def figures(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Yields seconds of loads, milliseconds a query, recall, and how far scores differ."""
    count = _IMAGES_QUICK if quick else _IMAGES
    lake = _lake(folder / f"{count}")
    first, changed = _vectors(count)
    # Two collections take turns: the third release meets what the first one left.
    releases = [_published(lake, number, it) for number, it in enumerate((first, first, changed))]
    database = _settings(folder / f"{count}.db")
    _empty(database.vector_database)
    yield from _loads(lake, releases, database)
    engines = {
        name: Searcher(lake, it, releases[-1]).engine
        for name, it in (("database", database), ("files", Settings()))
    }
    names = [made_name(row) for row in range(0, count, count // _QUERIES)]
    asked = np.concatenate(list(made_vectors(count, queries=True)))[:_QUERIES]
    yield _latency("by vector", engines, "most_similar_to_vector", asked)
    yield _latency("by name", engines, "most_similar_to_name", names)
    yield from _recalls(lake, releases[-1], database)
    yield from _agreement(engines, names)


def _settings(file: Path) -> Settings:
    uri = Settings().vector_database.uri or str(file)
    return Settings(vector_database=VectorDatabaseSettings(uri=uri, prefix=_PREFIX))


def _lake(folder: Path) -> Store:
    (folder / "master").mkdir(parents=True, exist_ok=True)
    return open_store(folder.as_uri())


def _vectors(count: int) -> tuple[Vectors, Vectors]:
    """Returns the vectors of a catalogue (count, d), and of the same after some have changed."""
    first = np.concatenate(list(made_vectors(count)))
    others = np.concatenate(list(made_vectors(count, queries=True)))
    changed = first.copy()
    changed[::_CHANGED_EVERY] = others[::_CHANGED_EVERY]
    return first, changed


def _published(lake: Store, number: int, vectors: Vectors) -> Manifest:
    """Returns a release of these vectors, which is made unless the lake has it."""
    found = Releases(lake).get(number + 1)
    if found:
        return found
    images = [
        Image(name=made_name(row), bytes=1, fingerprint="made", sha256="0" * 64, row=row)
        for row in range(len(vectors))
    ]
    return store_release(lake, number + 1, images, lambda: [vectors], ranking=Ranking())


def _empty(settings: VectorDatabaseSettings) -> None:
    client = Client(settings.uri, os.environ.get("MILVUS_TOKEN", ""))
    for name in client.list_collections():
        if name.startswith(f"{_PREFIX}_"):
            client.drop_collection(name)
    client.close()


def _loads(lake: Store, releases: list[Manifest], settings: Settings) -> Iterator[Figure]:
    """Yields what it takes to load the first release, and the last one."""
    seconds = []
    for release in releases:
        Releases(lake).pin(release.version)
        started = time.perf_counter()
        load(lake, settings.vector_database)
        seconds.append(time.perf_counter() - started)
    count = f"{releases[0].counts.images:,} images"
    yield Figure(f"load of {count}", "s", seconds[0])
    yield Figure(
        f"load of the difference, 1 in {_CHANGED_EVERY} of {count}",
        "s",
        seconds[-1],
        rival=seconds[0],
        rival_name="load of all",
        ratio=seconds[0] / seconds[-1],
    )


def _ask(engine: SearchEngine, method: str, queries: Any) -> None:
    ask: Callable[..., Any] = getattr(engine, method)
    for query in queries:
        ask(query, n=_TOP)


def _latency(name: str, engines: dict[str, SearchEngine], method: str, queries: Any) -> Figure:
    ways = {it: partial(_ask, engine, method, queries) for it, engine in engines.items()}
    taken, scale = in_turns(ways), 1000 / len(queries)
    ours, files = taken["database"], taken["files"]
    return Figure(
        f"warm query {name}",
        "ms",
        ours.median * scale,
        rival=files.median * scale,
        rival_name="the files",
        ratio=files.median / ours.median,
        low=ours.low * scale,
        high=ours.high * scale,
    )


def _recalls(lake: Store, release: Manifest, settings: Settings) -> Iterator[Figure]:
    """Yields which share of the truly nearest are among the ten that each finds, before ranking."""
    index, vectors = (
        lake.local_path(release.artifacts[name].path)
        for name in (layout.IMAGE_INDEX, layout.NPY_IMAGE_VECTORS)
    )
    assert index and vectors  # noqa: S101  # the lake is a folder
    rows = CentredRows(ArrayRows(np.load(vectors, mmap_mode="r")), read_mean(lake, release))
    with opened_database(settings.vector_database) as database:
        of_database = recall_at_10(lake, database, release)
    for name, recall in (
        ("database", of_database),
        ("files", check_index(read_index(index), rows).recall),
    ):
        yield Figure(
            f"recall@{_TOP} against all {release.counts.images:,} images, {name}",
            "",
            recall,
            goal=f">= {_RECALL}",
            met=recall >= _RECALL,
        )


def _agreement(engines: dict[str, SearchEngine], names: list[str]) -> Iterator[Figure]:
    """Yields how far scores of the same hit are apart, at most, and how many hits are the same.

    All candidates that are ranked are scored exactly, but the last of them, which few hits depend
    on, are those that either index takes for the nearest.
    """
    same, differences = 0, [0.0]
    for name in names:
        found, expected = (
            {hit: score for score, hit in engine.most_similar_to_name(name, _TOP)}
            for engine in engines.values()
        )
        both = found.keys() & expected.keys()
        same += len(both)
        differences += [abs(found[hit] - expected[hit]) for hit in both]
    yield Figure(
        f"largest difference of a score, {len(names)} queries",
        "",
        max(differences),
        goal=f"<= {_LARGEST_DIFFERENCE}",
        met=max(differences) <= _LARGEST_DIFFERENCE,
    )
    yield Figure(f"hits that both have, of ten, {len(names)} queries", "", same / len(names))
