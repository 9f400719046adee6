"""Stores to test with: a folder, and an object store without folders, renames or local files."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from tasks.lake.store import Store


@pytest.fixture
def lake(tmp_path: Path) -> Store:
    return Store(tmp_path.as_uri())


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "file":
        yield Store(tmp_path.as_uri())
        return
    filesystem = fsspec.filesystem("memory")
    root = f"/{uuid.uuid4().hex}"
    filesystem.mkdir(root)
    yield Store(f"memory://{root}")
    filesystem.rm(root, recursive=True)
