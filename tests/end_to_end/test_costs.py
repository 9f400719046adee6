"""What the pipeline asks of its store, counted: no noise of a machine can touch these figures.

Everything goes through a proxy that counts. Bounds are what was counted when they were set, with
little to spare: whoever needs more says why.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import fsspec
import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.made_vectors import made_vectors
from benchmarks.scale.made_lake import change_catalogue, make_catalogue, make_model, make_shards
from tasks.build_model import build_model
from tasks.etl import etl
from tasks.evaluate import gate
from tasks.feature_engineering import feature_engineering
from tasks.index.centre import CentredRows
from tasks.index.checks import check_index
from tasks.index.ranking import Ranking
from tasks.index.rows import ArrayRows
from tasks.index.vector_index import read_index
from tasks.lake import layout
from tasks.lake.catalogue import Image
from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tasks.plan import plan
from tasks.publish import publish
from tasks.run_plan import read_plan
from tasks.searcher import Searcher
from tasks.settings import Settings
from tasks.vectorize import vectorize
from tests.conftest import link_model
from tests.end_to_end.conftest import REPOSITORY
from tests.faults.faulty_proxy import FaultyProxy, running_proxy
from tests.made_release import store_release
from tests.s3_server import S3Server
from tests.tasks.pipeline import save_photo, settings_for_tests

PHOTOS = 12
NEW = "new.jpg"
IMAGES, DIMENSIONS, QUERIES = 3_000, 2048, 8
# All others are candidates of a search by this one.
LIKE_NO_OTHER = f"{IMAGES - 1:06}.jpg"
KIB, MB = 1024, 1e6
# Whole process, in KiB; what a child holds at most does not depend on what else the machine does.
MOST_MEMORY = 180 * KIB
# Of `etl`, whatever the sizes of the images: resized ones, 64 MiB read ahead, four in the making.
MOST_MEMORY_OF_ETL = 350 * KIB
LARGE_FILES, LARGE_FILE = 48, 16 * KIB**2


@dataclass
class Cost:
    """What something took: requests to the store, bytes of their answers; and what it returned."""

    requests: int
    answered: int
    result: Any = None


@pytest.fixture(scope="module")
def proxy(s3_server: S3Server) -> Iterator[FaultyProxy]:
    """A proxy that counts, which whoever opens a store from now on goes through."""
    with running_proxy(s3_server.endpoint) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setitem(fsspec.config.conf, "s3", {"endpoint_url": proxy.endpoint})
        yield proxy


def cost_of(proxy: FaultyProxy, action: Callable[[], Any]) -> Cost:
    proxy.break_by()
    result = action()
    seen = list(proxy.seen)
    return Cost(len(seen), sum(each.answered for each in seen), result)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_for_tests(cache=tmp_path_factory.mktemp("cache"))


def reindex(proxy: FaultyProxy, lake: Store, run: str, settings: Settings) -> dict[str, Cost]:
    """Runs all tasks but the model's; returns the cost of each."""
    costs = {"plan": cost_of(proxy, lambda: plan(lake, run, settings))}
    for part in costs["plan"].result["shards"]:
        build_model(lake, run, settings)  # finds it complete
        shard = (lake, run, part["shard"])
        costs["etl"] = cost_of(proxy, partial(etl, *shard))
        costs["features"] = cost_of(proxy, partial(feature_engineering, *shard))
        costs["vectorize"] = cost_of(proxy, partial(vectorize, *shard, settings))
    if costs["plan"].result["anything_to_do"]:
        costs["publish"] = cost_of(proxy, lambda: publish(lake, run))
    return costs


def lake_like(folder: Path, server: S3Server) -> Store:
    """Copies a lake into a bucket, past the proxy."""
    root = server.new_root()
    server.files.put(f"{folder}/", root, recursive=True)
    return open_store(root)


@pytest.fixture(scope="module")
def photos(
    proxy: FaultyProxy,
    s3_server: S3Server,
    model_once: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Store:
    """A lake in a bucket, with a model and some photographs, and one more in a folder beside."""
    folder = tmp_path_factory.mktemp("photos")
    link_model(model_once, folder)
    for number in range(PHOTOS + 1):
        save_photo(folder / layout.MASTER / f"{number:02}.jpg", "chelsea", number)
    (folder / layout.MASTER / f"{PHOTOS:02}.jpg").rename(folder / NEW)
    return lake_like(folder, s3_server)


@pytest.fixture(scope="module")
def nights(proxy: FaultyProxy, photos: Store, settings: Settings) -> dict[str, dict[str, Cost]]:
    """The costs of a first reindex, and of nights with one image new, one renamed, and nothing."""
    lake, added = photos, photos.read(NEW)
    nights = {"first": reindex(proxy, lake, "first", settings)}
    lake.write(f"{layout.MASTER}/new.jpg", added)
    nights["new"] = reindex(proxy, lake, "new", settings)
    lake.write(f"{layout.MASTER}/renamed.jpg", added)
    lake.delete(f"{layout.MASTER}/new.jpg")
    nights["renamed"] = reindex(proxy, lake, "renamed", settings)
    nights["nothing"] = reindex(proxy, lake, "nothing", settings)
    return nights


@pytest.mark.parametrize(
    ("task", "requests"),
    [("plan", 42), ("etl", 10), ("features", 9), ("vectorize", 10), ("publish", 88)],
)
def test_a_task_asks_no_more_of_the_store_than_it_did(
    nights: dict[str, dict[str, Cost]], task: str, requests: int
) -> None:
    assert nights["new"][task].requests <= requests


def test_each_image_is_one_request(nights: dict[str, dict[str, Cost]]) -> None:
    one, twelve = nights["new"]["etl"].requests, nights["first"]["etl"].requests
    assert twelve - one == PHOTOS - 1


def test_tasks_read_their_artifacts_once(nights: dict[str, dict[str, Cost]]) -> None:
    pixels, papers = 224 * 224 * 3, 8 * KIB
    assert nights["first"]["features"].answered <= PHOTOS * pixels + papers
    # By then the model is in the cache.
    assert nights["new"]["vectorize"].answered <= 4 * pixels + papers


def test_etl_reads_ahead_within_bounds(tmp_path: Path) -> None:
    master = tmp_path / layout.MASTER
    save_photo(master / "00.jpg")
    for number in range(1, LARGE_FILES):
        shutil.copyfile(master / "00.jpg", master / f"{number:02}.jpg")
    for file in master.iterdir():
        os.truncate(file, LARGE_FILE)  # zeros after the end of the picture
    lake = open_store(tmp_path.as_uri())
    (shard,) = plan(lake, "r", settings_for_tests())["shards"]
    arguments = ("--lake", str(lake), "--run", "r", "--shard", shard["shard"])
    summary, peak = run_task({"IMAGE_SEARCH_THREADS": "2"}, "etl", *arguments)
    assert summary["images"] == LARGE_FILES
    assert peak <= MOST_MEMORY_OF_ETL


def test_a_night_embeds_what_is_new(nights: dict[str, dict[str, Cost]]) -> None:
    assert nights["new"]["vectorize"].result["images"] == 1


def test_a_rename_embeds_nothing_and_looks_at_one_image(nights: dict[str, dict[str, Cost]]) -> None:
    assert set(nights["renamed"]) == {"plan", "publish"}
    assert nights["renamed"]["publish"].result["renamed"] == 1


def test_a_night_without_change_ends_after_the_plan(nights: dict[str, dict[str, Cost]]) -> None:
    assert set(nights["nothing"]) == {"plan"}
    # One of them asks whether the latest release is held back.
    assert nights["nothing"]["plan"].requests <= 30
    assert nights["nothing"]["plan"].answered <= 48 * KIB


@pytest.mark.usefixtures("nights")
def test_a_query_that_is_refused_fetches_no_model(photos: Store, tmp_path: Path) -> None:
    picture, cache = tmp_path / "query.jpg", tmp_path / "cache"
    save_photo(picture)
    environment = {"IMAGE_SEARCH_LAKE": str(photos), "IMAGE_SEARCH_CACHE": str(cache)}

    def fetched(*options: str) -> bool:
        command = [sys.executable, "-m", "tasks", "search", "--query", str(picture), *options]
        done = subprocess.run(
            command,
            cwd=REPOSITORY,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode == 0) == bool(options), done.stderr
        return bool(list(cache.rglob("*.onnx*")))

    assert not fetched()
    assert fetched("--allow", str(tmp_path))


def stored_vectors() -> Iterator[npt.NDArray[np.float32]]:
    """Yields vectors in batches; the last one of all is like no other."""
    yield from made_vectors(IMAGES - 1)
    yield np.random.default_rng(0).random((1, DIMENSIONS), np.float32)


@pytest.fixture(scope="module")
def large(
    s3_server: S3Server, proxy: FaultyProxy, tmp_path_factory: pytest.TempPathFactory
) -> Store:
    """A lake in a bucket with a release of thousands of made vectors."""
    folder = tmp_path_factory.mktemp("large")
    images = [
        Image(name=f"{row:06}.jpg", bytes=1, fingerprint="f", row=row) for row in range(IMAGES)
    ]
    store_release(open_store(folder.as_uri()), 1, images, stored_vectors, ranking=Ranking())
    return lake_like(folder, s3_server)


def test_opening_fetches_the_index_once(
    proxy: FaultyProxy, large: Store, settings: Settings
) -> None:
    first = cost_of(proxy, lambda: Searcher(large, settings))
    again = cost_of(proxy, lambda: Searcher(large, settings))
    cached = [
        first.result.release.artifacts[name].bytes
        for name in (layout.IMAGE_INDEX, layout.ROW_CHECKSUMS)
    ]
    assert first.answered <= sum(cached) + 24 * KIB
    assert again.answered <= 24 * KIB
    assert again.requests <= 8
    assert first.requests == again.requests + len(cached)


def test_a_query_reads_the_rows_of_candidates_and_no_more(
    proxy: FaultyProxy, large: Store, settings: Settings
) -> None:
    engine = Searcher(large, settings).engine
    queries = np.concatenate(list(made_vectors(IMAGES, queries=True)))[:QUERIES]
    costs = [
        cost_of(proxy, lambda query=query: engine.most_similar_to_vector(query))
        for query in queries
    ]
    rows = Ranking().candidates
    assert np.median([cost.answered for cost in costs]) <= 1.3 * rows * DIMENSIONS * 4
    assert max(cost.answered for cost in costs) <= 2 * MB
    assert max(cost.requests for cost in costs) <= rows + 10


def test_a_name_is_found_in_two_looks(proxy: FaultyProxy, large: Store, settings: Settings) -> None:
    engine = Searcher(large, settings).engine
    found = cost_of(proxy, lambda: "001234.jpg" in engine)
    assert found.result
    assert found.requests <= 24
    assert found.answered <= 32 * KIB


@pytest.mark.parametrize("name", ["000042.jpg", LIKE_NO_OTHER])
def test_a_cold_search_holds_little_memory(large: Store, settings: Settings, name: str) -> None:
    environment = {"IMAGE_SEARCH_LAKE": str(large), "IMAGE_SEARCH_CACHE": str(settings.cache)}
    answer, peak = run_task(environment, "search", "--no-picture", "--query", name)
    assert answer["results"][0]["name"] == name
    assert peak <= MOST_MEMORY


def run_task(environment: dict[str, str], *arguments: str) -> tuple[dict[str, Any], int]:
    """Runs a task in a process; returns what it printed, and the most memory it held, in KiB."""
    others = {name: value for name, value in os.environ.items() if "IMAGE_SEARCH" not in name}
    done = subprocess.run(
        [sys.executable, "-S", "-c", WITH_PEAK, sys.executable, "-m", "tasks", *arguments],
        cwd=REPOSITORY,
        env=others | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    *_, answer, peak = done.stdout.splitlines()
    return json.loads(answer), int(peak)


# A process counts what its parent held when it began: the parent must be small.
WITH_PEAK = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


@pytest.fixture(scope="module")
def index(large: Store, settings: Settings) -> faiss.Index:
    release = Searcher(large, settings).release
    file = settings.cache / "index"
    file.write_bytes(large.read(release.artifacts[layout.IMAGE_INDEX].path))
    return read_index(file)


def test_the_index_holds_a_bit_a_dimension_and_little_else(
    large: Store, settings: Settings
) -> None:
    artifact = Searcher(large, settings).release.artifacts[layout.IMAGE_INDEX]
    assert artifact.bytes / IMAGES <= 1.05 * DIMENSIONS / 8 + 16


def test_the_index_misses_nothing(index: faiss.Index) -> None:
    vectors = np.concatenate(list(stored_vectors()))
    mean = vectors.mean(axis=0)
    rows = CentredRows(ArrayRows(vectors), mean / np.linalg.norm(mean))
    assert check_index(index, rows, k=10, sample=50).recall >= 0.997


@pytest.fixture(scope="module")
def made_night(
    s3_server: S3Server,
    proxy: FaultyProxy,
    settings: Settings,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Cost]:
    """The costs of what is left to do of a night in which a hundredth changed of many images."""
    folder = tmp_path_factory.mktemp("made")
    lake = open_store(folder.as_uri())
    make_catalogue(folder, IMAGES)
    make_model(lake, settings, DIMENSIONS)
    for run in ("first", "changed"):
        plan(lake, run, settings)
        make_shards(lake, read_plan(lake, run))
        if run == "first":
            publish(lake, run)
            change_catalogue(folder, IMAGES, 100)
    shutil.rmtree(folder / layout.MASTER)  # nobody looks at it from here on
    lake = lake_like(folder, s3_server)
    published = cost_of(proxy, lambda: publish(lake, "changed", held=True))
    version = published.result["version"]
    return {
        "publish": published,
        "evaluate": cost_of(proxy, lambda: gate(lake, settings, version)),
    }


@pytest.mark.parametrize(("task", "requests"), [("publish", 110), ("evaluate", 60)])
def test_vectors_are_read_in_blocks_and_not_row_by_row(
    made_night: dict[str, Cost], task: str, requests: int
) -> None:
    assert made_night[task].requests <= requests


def test_the_vectors_of_a_release_are_read_few_times(made_night: dict[str, Cost]) -> None:
    vectors, others = IMAGES * DIMENSIONS * 4, 5 * MB
    # Its sources to compare and to copy; then to train the index, to build it and to check it.
    assert made_night["publish"].answered <= 6 * vectors + others
    # Of two releases: the images asked for, twice, and their neighbours.
    assert made_night["evaluate"].answered <= 6 * vectors + others
