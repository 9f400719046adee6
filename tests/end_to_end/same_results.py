"""Two lakes that were worked on in different places hold the same, and answer the same."""

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.lake import layout
from tasks.lake.releases import Releases
from tasks.lake.store import Store

NAMES, VECTORS = layout.NPY_IMAGE_NAMES, layout.NPY_IMAGE_VECTORS

# The user of the task images.
TASKS = 10001


def copy(source: Store, target: Store, *zones: str) -> None:
    """Copies zones of a lake, but no vectors."""
    for item in source.objects():
        if item.path.startswith(zones) and "/vectors/" not in item.path:
            target.write(item.path, source.read(item.path))


def hand_over(folder: Path) -> None:
    """Gives a folder to the user of the task images, and lets it be reached."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, TASKS, TASKS)
    for path in folder.parents:
        if path.stat().st_mode & 0o001 == 0 and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)


def assert_same_release(one: Store, other: Store) -> None:
    """Compares the arrays of the latest releases."""
    _assert_same(*(_release(lake) for lake in (one, other)), count=2)


def assert_same_landing(one: Store, other: Store) -> None:
    """Compares what has become of the images of one shard."""
    _assert_same(*(_landing(lake) for lake in (one, other)), count=3)


def assert_same_hits(one: Store, other: Store, search: Callable[[Store], str]) -> None:
    """Compares the answers of a search; `search` returns the id of its run."""
    hits, other_hits = (
        lake.read_json(f"runs/{search(lake)}/result.json")["results"] for lake in (one, other)
    )
    assert [hit["name"] for hit in other_hits] == [hit["name"] for hit in hits]
    assert [hit["score"] for hit in other_hits] == pytest.approx(
        [hit["score"] for hit in hits], abs=1e-5
    )
    assert len(hits) == 6


Arrays = Mapping[str, np.ndarray[Any, Any]]


def _assert_same(ours: Arrays, theirs: Arrays, count: int) -> None:
    assert ours.keys() == theirs.keys()
    assert len(ours) == count
    for name, array in ours.items():
        if name == VECTORS:
            np.testing.assert_allclose(theirs[name], array, rtol=0, atol=1e-4)
        else:
            np.testing.assert_array_equal(theirs[name], array)


def _release(lake: Store) -> Arrays:
    release = Releases(lake).latest()
    assert release
    return {name: _read(lake, release.artifacts[name].path) for name in (NAMES, VECTORS)}


def _landing(lake: Store) -> Arrays:
    paths = [it.path for it in lake.objects(layout.LANDING) if it.path.endswith(".npy")]
    return {path.rpartition("/")[2]: _read(lake, path) for path in paths}


def _read(lake: Store, path: str) -> np.ndarray[Any, Any]:
    return np.asarray(np.load(io.BytesIO(lake.read(path)), allow_pickle=False))
