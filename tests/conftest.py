import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from tests.s3_server import S3Server, running_s3_server

# No test fails because the machine has other things to do.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server, and an environment in which everybody finds it."""
    folder = tmp_path_factory.mktemp("s3")
    with running_s3_server(folder) as server, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in server.environment.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(scope="session")
def model_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local lake that has the model, as building it takes long. Do not change it."""
    # Tests of Airflow's environment load this file too.
    from tasks.lake.open_store import open_store
    from tests.tasks.pipeline import reindex, save_photo

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # the workers of one run share it
    folder = folder / "model_once"
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "releases").exists():
            save_photo(folder / "master" / "cat.jpg")
            reindex(open_store(folder.as_uri()), "first")
    return folder


def link_model(model_once: Path, folder: Path) -> None:
    """Gives a lake in a folder the model; it is linked, as nobody changes it."""
    shutil.copytree(
        model_once / "model",
        folder / "model",
        copy_function=os.link,
        ignore=shutil.ignore_patterns("vectors"),
    )
