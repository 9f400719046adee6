"""The image for searches serves, with as few rights as Compose and Kubernetes leave it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.browser.running_airflow import until
from tests.docker.engine import docker, need_docker
from tests.end_to_end.same_results import hand_over
from tests.ports import free_port
from tests.tasks.service.asking import answers, ask

pytestmark = pytest.mark.docker

RIGHTS = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--volume=/scratch")
LIMITS = ("--memory=2g", "--cpus=2", "--pids-limit=256")


@pytest.fixture(name="lake")
def _lake(model_once: Path, tmp_path: Path) -> Path:
    """A lake with a release of one image."""
    need_docker()
    for zone in ("master", "model", "releases"):
        shutil.copytree(model_once / zone, tmp_path / "lake" / zone)
    if os.geteuid() == 0:
        hand_over(tmp_path / "lake")
    return tmp_path / "lake"


@pytest.fixture(name="service")
def _service(lake: Path) -> Iterator[tuple[str, str]]:
    """A container that serves: its name, and where."""
    name, port = f"image-search-test-{uuid4().hex[:8]}", free_port()
    docker(
        *("run", "--detach", "--network=host", "--name", name, *RIGHTS, *LIMITS),
        *("--volume", f"{lake}:{lake}:ro", "--env", "IMAGE_SEARCH_TOKEN=a-token"),
        *("image-search/search", "serve", "--lake", lake.as_uri()),
        *("--host=127.0.0.1", f"--port={port}"),
    )
    try:
        yield name, f"http://127.0.0.1:{port}"
    finally:
        docker("rm", "--force", "--volumes", name)


def test_it_serves_and_ends_when_told(service: tuple[str, str], lake: Path) -> None:
    name, url = service
    until(lambda: answers(f"{url}/healthz"))
    token = {"Authorization": "Bearer a-token"}
    assert ask(f"{url}/search?query=cat.jpg").status == 401
    by_name = ask(f"{url}/search?query=cat.jpg", None, **token)
    by_picture = ask(f"{url}/search", (lake / "master" / "cat.jpg").read_bytes(), **token)
    for reply in (by_name, by_picture):
        assert reply.status == 200
        assert b'"name":"cat.jpg"' in reply.data
    assert b'image_search_requests_total{status="200"} 2.0' in ask(f"{url}/metrics").data
    docker("stop", "--time=30", name)
    assert docker("inspect", "--format={{.State.ExitCode}}", name) == "0"


def test_it_does_not_serve_others_without_a_token(lake: Path) -> None:
    run = ("run", "--rm", "--network=none", *RIGHTS, f"--volume={lake}:{lake}:ro")
    with pytest.raises(RuntimeError, match="takes a token; put one into IMAGE_SEARCH_TOKEN"):
        docker(*run, "image-search/search", "serve", "--lake", lake.as_uri(), "--host=0.0.0.0")
