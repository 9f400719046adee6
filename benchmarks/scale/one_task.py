"""Runs one task in this process and prints what it took; arguments: TASK LAKE RUN.

A task is the product's own function; made shards are no part of a measurement.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.scale.counted_store import count_all, counts, peak_memory
from benchmarks.scale.made_lake import made_name
from tasks.contract import Summary, file_result
from tasks.etl import etl
from tasks.evaluate import gate
from tasks.feature_engineering import feature_engineering
from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tasks.plan import plan
from tasks.prune import prune
from tasks.publish import publish
from tasks.run_plan import read_plan
from tasks.search import search
from tasks.searcher import Searcher
from tasks.settings import RetentionSettings, Settings
from tasks.verify import verify

_QUERIES = 20
_TOP = 10
_NOTHING_STAYS = RetentionSettings(
    releases=1, superseded_days=0, landing_days=0, runs_days=0, abandoned_days=0
)
Work = Callable[[Store, str, Settings], Summary]


def _warm_search(lake: Store, _: str, settings: Settings) -> Summary:
    searcher = Searcher(lake, settings)
    count = searcher.release.counts.images
    names = [made_name(number * count // _QUERIES) for number in range(_QUERIES)]
    searcher.engine.most_similar_to_name(names[0], _TOP)
    started = time.perf_counter()
    for name in names:
        searcher.engine.most_similar_to_name(name, _TOP)
    return {"milliseconds_a_query": 1000 * (time.perf_counter() - started) / _QUERIES}


def _first_shard(work: Callable[[Store, str, str], Summary]) -> Work:
    return lambda lake, run, _: work(lake, run, read_plan(lake, run).shards[0].shard)


WORK: Mapping[str, Work] = {
    "plan": plan,
    "etl": _first_shard(etl),
    "feature_engineering": _first_shard(feature_engineering),
    "publish": lambda lake, run, _: publish(lake, run, held=True),
    "evaluate": lambda lake, run, settings: gate(lake, settings, run=run),
    "verify": lambda lake, _, settings: verify(lake, settings),
    "search": lambda lake, run, settings: search(
        lake, f"search-{run}", made_name(0), _TOP, settings, picture=False
    ),
    "warm_search": _warm_search,
    "prune": lambda lake, _, __: prune(lake, _NOTHING_STAYS),
}


def _cache_beside(uri: str) -> dict[str, Path]:
    """Returns where the cache is, if the lake is a folder: else the settings say so."""
    return {"cache": Path(uri[7:]).parent / "cache"} if uri.startswith("file://") else {}


def measure(task: str, uri: str, run: str) -> dict[str, Any]:
    """Does the work of a task and returns what it took, and its summary."""
    settings = Settings.model_validate({"lake": uri, **_cache_beside(uri)})
    count_all()
    lake = open_store(uri)
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    summary = WORK[task](lake, run, settings)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    taken = dict(counts)
    if task in ("plan", "publish"):
        file_result(lake, run, task, None, summary)
    return {
        "seconds": seconds,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "memory_bytes": peak_memory(),
        "requests": sum(taken.get(kind, 0) for kind in ("list", "read", "write", "delete")),
        **{kind: taken.get(kind, 0) for kind in ("list", "read", "write", "delete")},
        "bytes_read": taken.get("bytes_read", 0),
        "bytes_written": taken.get("bytes_written", 0),
        **{key: summary[key] for key in ("milliseconds_a_query",) if key in summary},
    }


if __name__ == "__main__":
    print(json.dumps(measure(*sys.argv[1:])))
