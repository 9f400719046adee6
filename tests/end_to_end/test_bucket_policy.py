"""Least privilege: a real server enforces the table in docs/operations.md as a bucket policy."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.lake.s3_files import S3Files
from tasks.lake.store import Store
from tests.s3_server import BUCKET, S3Server, running_s3_server
from tests.tasks.pipeline import CACHE, REPOSITORY, attempt, save_photo

LAKE = f"{BUCKET}/lake"
VERBS = ("GetObject", "PutObject", "DeleteObject")


def policy_table() -> dict[str, dict[str, list[str]]]:
    """Returns for each task what it may do, and with which keys below the lake's prefix."""
    text = (REPOSITORY / "docs" / "operations.md").read_text()
    header = f"| task | {' | '.join(VERBS)} |\n"
    lines = text[text.index(header) + len(header) :].splitlines()[1:]
    rows = (line.strip("|").split("|") for line in lines[: lines.index("")])
    return {
        re.findall("`(.+?)`", task)[0]: {
            verb: re.findall("`(.+?)`", cell) for verb, cell in zip(VERBS, cells, strict=True)
        }
        for task, *cells in rows
    }


TABLE = policy_table()


def bucket_policy() -> dict[str, Any]:
    """Makes an S3 bucket policy of the table and of what the text below it says."""
    statements = []
    for task, verbs in TABLE.items():
        whole = [f"arn:aws:s3:::{BUCKET}"]
        statements.append(_allow(task, ["s3:ListBucket"], whole))
        for verb, keys in verbs.items():
            actions = [f"s3:{verb}", *(["s3:AbortMultipartUpload"] if verb == "PutObject" else [])]
            if keys:
                statements.append(_allow(task, actions, [_resource(key) for key in keys]))
    everything = [_resource("")]
    statements += [
        _allow("prune", ["s3:ListBucketMultipartUploads"], whole),
        _allow("prune", ["s3:AbortMultipartUpload"], everything),
        _allow("search", ["s3:GetObject"], [_resource("queries/")]),
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _resource(key: str) -> str:
    return f"arn:aws:s3:::{LAKE}/{key}" + ("*" if key.endswith("/") or not key else "")


def _allow(task: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": {"AWS": [f"arn:aws:iam::000000000000:user/{task}"]},
        "Action": actions,
        "Resource": resources,
    }


class TaskFailedError(Exception):
    """A task ended with a status other than zero; its last words."""


class Identities:
    """Runs each task with an identity of its own."""

    def __init__(self, server: S3Server, vector_database: str = "") -> None:
        self._server, self._vector_database = server, vector_database

    def run(self, task: str, *arguments: str, identity: str = "", asked: str = "") -> Any:
        """Runs a task; returns what it printed last.

        Raises:
            TaskFailedError: it ended with an error.
        """
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "IMAGE_SEARCH"))
        }
        environment = {
            **kept,
            **self._server.environment_of(identity or task),
            "IMAGE_SEARCH_LAKE": f"s3://{LAKE}",
            "IMAGE_SEARCH_CACHE": str(CACHE),
            "IMAGE_SEARCH_VECTOR_DATABASE__URI": self._vector_database,
            **{
                f"IMAGE_SEARCH_RETENTION__{name}": "0"
                for name in (
                    "SUPERSEDED_DAYS",
                    "FEATURE_STORE_DAYS",
                    "LANDING_DAYS",
                    "RUNS_DAYS",
                    "ABANDONED_DAYS",
                    "THUMBNAILS_DAYS",
                )
            },
            "IMAGE_SEARCH_RETENTION__RELEASES": "1",
        }
        done = subprocess.run(
            [sys.executable, "-m", "tasks", task, *arguments],
            cwd=REPOSITORY,
            env=environment,
            input=asked,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if done.returncode:
            raise TaskFailedError(done.stderr.strip().splitlines()[-1])
        return json.loads(done.stdout.splitlines()[-1])

    def fails_on(self, damaged: str, task: str, *arguments: str) -> None:
        """Runs a task that puts a damaged object aside, which it must be allowed to."""
        with pytest.raises(TaskFailedError, match=rf"{re.escape(damaged)}.* is damaged"):
            self.run(task, *arguments)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server with one user for each task, and a bucket whose policy is the table."""
    with running_s3_server(tmp_path_factory.mktemp("policy"), TABLE) as server:
        server.files.mkdir(BUCKET)
        policy = json.dumps(bucket_policy())
        server.files.call_s3("put_bucket_policy", Bucket=BUCKET, Policy=policy)
        yield server


@pytest.fixture
def lake(server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The lake as its owner sees it, with three photographs."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    S3Files.clear_instance_cache()  # another test may have opened one on another server
    store = open_store(f"s3://{LAKE}")
    for view in range(3):
        add_photo(store, tmp_path, f"master/cat_{view}.jpg", view)
    add_photo(store, tmp_path, "queries/cat.jpg", 3)
    yield store
    S3Files.clear_instance_cache()


def add_photo(lake: Store, folder: Path, path: str, view: int) -> None:
    save_photo(folder / "photo.jpg", view=view)
    lake.upload(path, folder / "photo.jpg")


def flip_a_bit(lake: Store, path: str) -> None:
    data = bytearray(lake.read(path))
    data[-1] ^= 1
    lake.write(path, bytes(data))


def test_every_task_can_do_its_work_with_what_the_table_allows_it(
    server: S3Server, lake: Store, tmp_path: Path
) -> None:
    tasks = Identities(server)
    reindex(tasks, "first")
    search = ("search", "--run", "s", "--query", f"s3://{LAKE}/queries/cat.jpg", "--top-n", "1")
    assert tasks.run(*search)["results"]
    assert tasks.run("verify")["sound"]

    # Everything that a task of the next run reads is damaged, and made again.
    add_photo(lake, tmp_path, "master/new.jpg", 4)
    planned = tasks.run("plan", "--run", "second")
    of_shard = ("--run", "second", "--shard", planned["shards"][0]["shard"])
    shard, model = of_shard[-1], planned["model"]
    tasks.run("etl", *of_shard)
    flip_a_bit(lake, attempt(lake, layout.landing(shard, layout.NPY_RESIZED_RGB)))
    tasks.fails_on(layout.NPY_RESIZED_RGB, "feature_engineering", *of_shard)
    tasks.run("etl", *of_shard)
    tasks.run("feature_engineering", *of_shard)
    flip_a_bit(lake, attempt(lake, layout.features(shard)))
    tasks.fails_on(layout.NPY_FEATURE_ENGINEERED, "vectorize", *of_shard)
    tasks.run("feature_engineering", *of_shard)
    flip_a_bit(lake, layout.model(model, layout.ONNX_VECTORIZER_MODEL))
    with pytest.raises(TaskFailedError, match="is damaged"):
        tasks.run("verify")
    tasks.run("build_model", "--run", "second")
    tasks.run("vectorize", *of_shard)
    flip_a_bit(lake, attempt(lake, layout.shard_vectors(model, shard)))
    tasks.fails_on(layout.NPY_IMAGE_VECTORS, "publish", "--run", "second")
    tasks.run("vectorize", *of_shard)
    flip_a_bit(lake, attempt(lake, layout.landing(shard, layout.NPY_IMAGE_NAMES)))
    tasks.fails_on(layout.NPY_IMAGE_NAMES, "publish", "--run", "second")
    for task in ("etl", "feature_engineering", "vectorize"):
        tasks.run(task, *of_shard)
    published = tasks.run("publish", "--held", "--run", "second")
    assert published["images"] == 4
    assert tasks.run("evaluate", "--gate", "--run", "second")["compared_with"]

    flip_a_bit(lake, layout.release(published["version"], layout.NPY_IMAGE_VECTORS))
    with pytest.raises(TaskFailedError, match=f"release {published['version']} is damaged"):
        tasks.run("verify")
    third = reindex(tasks, "third")["version"]
    assert tasks.run("verify")["sound"]

    ask = {"version": 0, "name": "new.jpg"}
    questions = [
        {"id": 1, "ask": "similar", "with": {**ask, "n": 2}},
        {"id": 2, "ask": "thumbnail", "with": {**ask, "side": 256}},
        {"id": 3, "ask": "duplicates", "with": {"version": 0, "start": True}},
    ]
    for question in questions:
        assert "answer" in tasks.run("page", asked=json.dumps(question) + "\n")
    assert tasks.run("prune")["zones"].keys() >= {"landing", "feature_store", "runs", "releases"}
    assert tasks.run(*search)["release"] == third
    search_in_milvus(Identities(server, str(tmp_path / "vectors.db")), search, third)


def search_in_milvus(tasks: Identities, search: Sequence[str], release: int) -> None:
    assert tasks.run("load", "--run", "third")["release"] == release
    assert tasks.run(*search)["release"] == release
    assert not tasks.run("prune")["dry_run"]


def reindex(tasks: Identities, run: str) -> Any:
    planned = tasks.run("plan", "--run", run)
    tasks.run("build_model", "--run", run)
    of_shard = ("--run", run, "--shard", planned["shards"][0]["shard"])
    for task in ("etl", "feature_engineering", "vectorize"):
        tasks.run(task, *of_shard)
    return tasks.run("publish", "--run", run)


@pytest.mark.parametrize(
    ("task", "identity", "action"),
    [("plan", "search", "put"), ("prune", "search", "put"), ("prune", "publish", "put")],
)
def test_a_task_with_the_rights_of_another_one_says_what_it_may_not(
    server: S3Server, lake: Store, task: str, identity: str, action: str
) -> None:
    lake.write("feature_store/shard/feature_engineered.npy", b"old")
    run = ("--run", "denied") if task == "plan" else ()
    with pytest.raises(
        TaskFailedError, match=rf"access is denied to s3://{LAKE}/.*{action}_object"
    ):
        Identities(server).run(task, *run, identity=identity)
    assert lake.exists("feature_store/shard/feature_engineered.npy")
