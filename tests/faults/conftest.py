"""Lakes to break: in a folder, and in a bucket of a real S3 server."""

from pathlib import Path

import pytest

from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tests.conftest import link_model
from tests.s3_server import S3Server


@pytest.fixture(scope="session")
def model_in_bucket(model_once: Path, s3_server: S3Server) -> str:
    """The same on the S3 server: bucket and prefix to copy from."""
    root = s3_server.new_root()
    store = open_store(root)
    for file in (model_once / layout.MODEL).glob("*/*.*"):
        store.upload(f"{file.parent.name}/{file.name}", file)
    return root.removeprefix("s3://")


@pytest.fixture(params=["file", "s3"])
def lake(request: pytest.FixtureRequest, model_once: Path, tmp_path: Path) -> Store:
    """A lake with the model, an empty catalogue and no release."""
    if request.param == "file":
        return local_lake(tmp_path / "lake", model_once)
    server: S3Server = request.getfixturevalue("s3_server")
    return lake_in_bucket(server, request.getfixturevalue("model_in_bucket"))


def local_lake(folder: Path, model_once: Path) -> Store:
    """Makes a lake in a folder, empty but for the model."""
    (folder / layout.MASTER).mkdir(parents=True)
    link_model(model_once, folder)
    return open_store(folder.as_uri())


def lake_in_bucket(server: S3Server, model: str) -> Store:
    """Makes an empty lake in a bucket; the server copies the model."""
    root = server.new_root()
    for file in server.files.find(model):
        target = f"{root.removeprefix('s3://')}/{layout.MODEL}/{file.removeprefix(model + '/')}"
        server.files.cp_file(file, target)
    return open_store(root)
