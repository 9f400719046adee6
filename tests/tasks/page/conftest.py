"""A small lake with two releases, as publish leaves them, made without a model."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tasks.index.vector_index import build_index, write_index
from tasks.lake import layout
from tasks.lake.arrays import write_npy
from tasks.lake.catalogue import Image
from tasks.lake.lines import write_lines
from tasks.lake.manifest import Counts, Manifest
from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tasks.page.open_releases import OpenReleases
from tasks.settings import LimitSettings, Settings
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
        lines, vectors, names = [], [], []
        for name, (content, number) in sorted(images.items()):
            row = None if number < 0 else len(names)
            digest = lake.digest(f"master/{content}") if row is not None else ""
            reason = "" if row is not None else content
            lines.append(
                Image(name=name, bytes=9, fingerprint="f", sha256=digest, row=row, rejected=reason)
            )
            if row is not None:
                names.append(name)
                rng = np.random.default_rng(number)
                base = rng.standard_normal(DIMENSIONS)
                vectors.append(base + 0.01 * np.random.default_rng(row).standard_normal(DIMENSIONS))
        table = np.array(vectors, np.float32)
        index = build_index(lambda: [table], table.shape, "Flat")
        file = Path(lake.root) / layout.release(version, layout.IMAGE_INDEX)
        catalogue = write_lines(lake, layout.release(version, layout.CATALOGUE), lines)
        write_index(index, file)
        artifacts = {
            layout.CATALOGUE: catalogue,
            layout.IMAGE_INDEX: lake.upload(layout.release(version, "index"), file),
            layout.NPY_IMAGE_VECTORS: write_npy(
                lake,
                layout.release(version, layout.NPY_IMAGE_VECTORS),
                table.shape,
                np.float32,
                [table],
            ),
            layout.NPY_IMAGE_NAMES: write_npy(
                lake,
                layout.release(version, layout.NPY_IMAGE_NAMES),
                (len(names),),
                np.array(names).dtype,
                [np.array(names)],
            ),
        }
        manifest = Manifest(
            version=version,
            previous=version - 1 or None,
            created="2026-01-31T02:00:00+00:00",
            run="r",
            catalogue="",
            prefix="",
            listed=0,
            counts=Counts(images=len(names), rejected=0, added=0, changed=0, renamed=0, removed=0),
            rejections=[],
            pipeline={},
            preprocessing={},
            limits=LimitSettings().model_dump(),
            model={"id": "m"},
            checks={},
            artifacts=artifacts,
        )
        document = manifest.model_dump_json().encode()
        lake.write(layout.release(version, layout.MANIFEST), document)
        return version

    return make


@pytest.fixture
def photos(lake: Store) -> tuple[str, str, str]:
    """Three files of the catalogue; returns their names."""
    names = ("a.jpg", "b.jpg", "c.jpg")
    for view, name in enumerate(names):
        save_photo(Path(lake.root) / "master" / name, view=view)
    return names
