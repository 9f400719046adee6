"""Lakes to break: in a folder, and in a bucket of a real S3 server."""

from pathlib import Path

import pytest

from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tests.s3_server import S3Server
from tests.tasks.pipeline import reindex, save_photo


@pytest.fixture(scope="session")
def model_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local lake that has the model, as building it takes long. Do not change it."""
    folder = tmp_path_factory.mktemp("model")
    save_photo(folder / "master" / "cat.jpg")
    reindex(open_store(folder.as_uri()), "first")
    return folder


@pytest.fixture(params=["file", "s3"])
def lake(request: pytest.FixtureRequest, model_once: Path, tmp_path: Path) -> Store:
    """A lake with the model, an empty catalogue and no release."""
    if request.param == "file":
        (tmp_path / "lake" / "master").mkdir(parents=True)
        store = open_store((tmp_path / "lake").as_uri())
    else:
        server: S3Server = request.getfixturevalue("s3_server")
        store = open_store(server.new_root())
    for file in (model_once / layout.MODEL).glob("*/*.*"):
        store.upload(f"{layout.MODEL}/{file.parent.name}/{file.name}", file)
    return store
