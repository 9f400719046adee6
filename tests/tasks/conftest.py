import os
import shutil
from pathlib import Path

import pytest

from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tests.conftest import link_model
from tests.tasks.pipeline import reindex, save_photo

CATALOGUE = {
    "cats/chelsea_0.jpg": ("chelsea", 0),
    "cats/chelsea_1.png": ("chelsea", 1),
    "coffee_0.jpg": ("coffee", 0),
    "coffee_1.jpg": ("coffee", 1),
    "rocket/rocket_0.jpg": ("rocket", 0),
    "rocket/rocket_1.jpg": ("rocket", 1),
}


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the environment of whoever runs the tests out of them."""
    for name in ("CONFIG", "LAKE", "CATALOGUE", "QUERY_PREFIXES", "CACHE", "THREADS"):
        monkeypatch.delenv(f"IMAGE_SEARCH_{name}", raising=False)


@pytest.fixture(scope="session")
def indexed_once(model_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with six photographs, a broken file and release 1. Do not change it."""
    folder = tmp_path_factory.mktemp("indexed")
    link_model(model_once, folder)
    copy_lake(model_once / "weights", folder / "weights")
    for name, (photo, view) in CATALOGUE.items():
        save_photo(folder / "master" / name, photo, view)
    (folder / "master" / "broken.jpg").write_bytes(b"\xff\xd8\xff not really")
    reindex(open_store(folder.as_uri()), "first")
    return folder


@pytest.fixture
def indexed(indexed_once: Path, tmp_path: Path) -> Store:
    """A copy of that lake to do anything with."""
    folder = tmp_path / "lake"
    copy_lake(indexed_once, folder)
    return open_store(folder.as_uri())


@pytest.fixture
def lake(model_once: Path, tmp_path: Path) -> Store:
    """A lake with an empty catalogue and no release, but with the model: building takes long."""
    (tmp_path / "lake" / "master").mkdir(parents=True)
    link_model(model_once, tmp_path / "lake")
    return open_store((tmp_path / "lake").as_uri())


@pytest.fixture
def master(request: pytest.FixtureRequest) -> Path:
    """The folder of original images of the lake that the test uses."""
    name = "indexed" if "indexed" in request.fixturenames else "lake"
    path = request.getfixturevalue(name).local_path("master")
    assert isinstance(path, Path)
    return path


def copy_lake(source: Path, target: Path) -> None:
    """Copies a part of a lake. Artifacts are replaced, never changed, so they can be linked."""
    shutil.copytree(source, target, copy_function=_link_artifact)


def _link_artifact(source: str, target: str) -> None:
    if "/master/" in source:
        shutil.copy2(source, target)  # keeps the time, which tells changed files
    else:
        os.link(source, target)
