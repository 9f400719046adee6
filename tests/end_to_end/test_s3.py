"""The whole product on a real S3 server, through Airflow."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tests.end_to_end.conftest import REPOSITORY, RunDag
from tests.s3_server import ACCESS_KEY, SECRET_KEY, S3Server
from tests.tasks.pipeline import save_photo


def put_photo(lake: Store, name: str, photo: str, view: int, folder: Path) -> None:
    file = folder / "photo.jpg"
    save_photo(file, photo, view)
    lake.write(f"{layout.MASTER}/{name}", file.read_bytes())


@pytest.fixture
def lake(s3_server: S3Server, model_once: Path, tmp_path: Path) -> Store:
    """A lake in a bucket, with six photographs and the model."""
    store = open_store(s3_server.new_root())
    for view in range(3):
        put_photo(store, f"cat {view}.jpg", "chelsea", view, tmp_path)
        put_photo(store, f"cups/cup+{view}.jpg", "coffee", view, tmp_path)
    for file in (model_once / layout.MODEL).glob("*/*.*"):
        store.upload(f"{layout.MODEL}/{file.parent.name}/{file.name}", file)
    return store


def test_reindex_change_search_and_find_nothing_to_do(
    lake: Store, run_dag: RunDag, tmp_path: Path
) -> None:
    run_dag("image_reindex", lake)
    put_photo(lake, "new.jpg", "rocket", 0, tmp_path)
    lake.delete(f"{layout.MASTER}/cat 2.jpg")
    run = run_dag("image_reindex", lake)
    release = Releases(lake).latest()
    assert release
    assert (release.version, release.counts.images) == (2, 6)
    assert (release.counts.added, release.counts.removed) == (1, 1)
    assert lake.read_json(layout.task_result(run, "etl", only_shard(lake, run)))["images"] == 1

    run = run_dag("image_reindex", lake)
    assert not lake.read_json(layout.task_result(run, "plan"))["anything_to_do"]

    run = run_dag("image_search", lake, query_image="cups/cup+0.jpg", top_n=3)
    answer = lake.read_json(f"runs/{run}/result.json")
    assert answer["release"] == 2
    assert [hit["name"].split("/")[0] for hit in answer["results"]] == ["cups"] * 3
    assert lake.read(f"runs/{run}/result.png").startswith(b"\x89PNG")


def only_shard(lake: Store, run: str) -> str:
    (shard,) = lake.read_json(layout.task_result(run, "plan"))["shards"]
    return str(shard["shard"])


def test_the_keys_of_an_airflow_connection_are_enough_and_stay_secret(
    lake: Store, airflow: dict[str, str], s3_server: S3Server, tmp_path: Path
) -> None:
    connection = {
        "conn_type": "aws",
        "login": ACCESS_KEY,
        "password": SECRET_KEY,
        "extra": {"endpoint_url": s3_server.endpoint, "region_name": "us-east-1"},
    }
    log = tmp_path / "airflow.log"
    environment = {name: value for name, value in airflow.items() if not name.startswith("AWS_")}
    environment |= {
        "IMAGE_SEARCH_LAKE": str(lake),
        "IMAGE_SEARCH_AIRFLOW__CONNECTION": "lake",
        "AIRFLOW_CONN_LAKE": json.dumps(connection),
    }
    done = subprocess.run(
        [sys.executable, "scripts/run_dag.py", "image_reindex", "--log", log],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Releases(lake).latest()
    seen = [done.stdout, done.stderr, log.read_text(), *texts(Path(airflow["AIRFLOW_HOME"]))]
    seen += [lake.read(item.path).decode() for item in papers(lake)]
    assert not any(SECRET_KEY in text for text in seen)


def texts(folder: Path) -> list[str]:
    """Returns all that Airflow has stored: its database with the XComs, its logs."""
    files = (Path(root) / name for root, _, names in os.walk(folder) for name in names)
    return [file.read_bytes().decode(errors="replace") for file in files]


def papers(lake: Store) -> list[Any]:
    """Returns the documents of a lake: plans, results, reports, manifests."""
    return [item for item in lake.objects() if item.path.endswith((".json", ".jsonl"))]


def test_wrong_keys_end_the_run_with_one_line_that_says_what_to_do(
    lake: Store, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch, airflow: dict[str, str]
) -> None:
    monkeypatch.setitem(airflow, "AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(RuntimeError, match=r"access is denied .*; check the credentials"):
        run_dag("image_reindex", lake)
