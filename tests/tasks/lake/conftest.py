"""Stores to test with: a folder, an S3 bucket on a real server, and an object store in memory."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tests.s3_server import S3Server


@pytest.fixture
def lake(tmp_path: Path) -> Store:
    return open_store(tmp_path.as_uri())


@pytest.fixture
def bucket(s3_server: S3Server) -> Store:
    """An empty prefix of a bucket."""
    return open_store(s3_server.new_root())


@pytest.fixture
def remote() -> Iterator[Store]:
    """An object store in memory, with nothing in it."""
    filesystem = fsspec.filesystem("memory")
    root = f"/{uuid.uuid4().hex}"
    filesystem.mkdir(root)
    yield open_store(f"memory://{root}")
    filesystem.rm(root, recursive=True)


@pytest.fixture(params=["file", "s3", "memory"])
def store(request: pytest.FixtureRequest) -> Store:
    fixture = {"file": "lake", "s3": "bucket", "memory": "remote"}[request.param]
    store: Store = request.getfixturevalue(fixture)
    return store
