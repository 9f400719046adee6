"""A small lake with two releases, as publish leaves them, made without a model."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tasks.lake import layout
from tasks.lake.catalogue import Image
from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tasks.page.open_releases import OpenReleases
from tasks.settings import Settings
from tests.made_release import store_release
from tests.tasks.pipeline import save_photo

Publish = Callable[[dict[str, tuple[str, int]]], int]
DIMENSIONS = 64


@pytest.fixture
def lake(tmp_path: Path) -> Store:
    folder = tmp_path / "lake"
    folder.mkdir()
    return open_store(folder.as_uri())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    page = {"upload_max_bytes": 100_000, "upload_max_pixels": 100_000}
    return Settings.model_validate({"cache": tmp_path / "cache", "page": page})


@pytest.fixture
def releases(lake: Store, settings: Settings) -> OpenReleases:
    return OpenReleases(lake, settings)


@pytest.fixture
def publish(lake: Store) -> Publish:
    """Returns a function that publishes images: name to (content, or why it is rejected; vector).

    A negative number for a vector stands for a rejected image. Equal numbers give vectors that are
    nearly equal.
    """

    def make(images: dict[str, tuple[str, int]]) -> int:
        version = len(lake.folders(layout.RELEASES)) + 1
        usable = [name for name, (_, number) in sorted(images.items()) if number >= 0]
        lines = [
            _line(lake, name, content, usable) for name, (content, _) in sorted(images.items())
        ]
        table = np.array([_vector(images[name][1], row) for row, name in enumerate(usable)])
        store_release(lake, version, lines, lambda: [table.astype(np.float32)], "Flat")
        return version

    return make


def _line(lake: Store, name: str, content: str, usable: list[str]) -> Image:
    if name not in usable:
        return Image(name=name, bytes=9, fingerprint="f", rejected=content)
    digest = lake.digest(f"master/{content}")
    return Image(name=name, bytes=9, fingerprint="f", sha256=digest, row=usable.index(name))


def _vector(number: int, row: int) -> npt.NDArray[np.float64]:
    base = np.random.default_rng(number).standard_normal(DIMENSIONS)
    return base + 0.01 * np.random.default_rng(row).standard_normal(DIMENSIONS)


@pytest.fixture
def photos(lake: Store) -> tuple[str, str, str]:
    """Three files of the catalogue; returns their names."""
    names = ("a.jpg", "b.jpg", "c.jpg")
    for view, name in enumerate(names):
        save_photo(Path(lake.root) / "master" / name, view=view)
    return names
