import os
from collections.abc import Iterator

import pytest
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
