"""Lakes to break: in a folder, and in a bucket of a real S3 server."""

import os
import shutil
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
    """Makes an empty lake in a folder; the model is linked, as nobody changes it."""
    (folder / layout.MASTER).mkdir(parents=True)
    shutil.copytree(
        model_once / layout.MODEL,
        folder / layout.MODEL,
        copy_function=os.link,
        ignore=shutil.ignore_patterns("vectors"),
    )
    return open_store(folder.as_uri())


def lake_in_bucket(server: S3Server, model: str) -> Store:
    """Makes an empty lake in a bucket; the server copies the model."""
    root = server.new_root()
    for file in server.files.find(model):
        target = f"{root.removeprefix('s3://')}/{layout.MODEL}/{file.removeprefix(model + '/')}"
        server.files.cp_file(file, target)
    return open_store(root)
