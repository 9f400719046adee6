"""What the task images are: small, without tools, without rights, and the same when built again."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.docker.engine import IMAGES, REPOSITORY, docker, need_docker
from tests.tasks.imaging.samples import encode, photo

pytestmark = pytest.mark.docker

MOST_MEGABYTES = {"data": 400, "search": 450, "vectorize": 430, "model": 1700}
HEAVY = ("tensorflow", "onnxruntime", "openvino", "faiss", "cv2")
HOLDS = {
    "data": ["faiss", "cv2"],
    "search": ["onnxruntime", "faiss", "cv2"],
    "vectorize": ["onnxruntime", "cv2"],
    "model": ["tensorflow", "onnxruntime", "cv2"],
}
PROBE = f"""
import importlib.util, json, os, shutil
tools = ("gcc", "cc", "make", "pip", "pip3", "uv", "apt-get", "dpkg", "npm", "perl")
print(json.dumps({{
    "uid": os.getuid(),
    "tools": [it for it in tools if shutil.which(it)],
    "heavy": [it for it in {HEAVY} if importlib.util.find_spec(it)],
    "installs": importlib.util.find_spec("pip") is not None,
}}))
"""

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
DECODE = """
import pathlib
from tasks.imaging.decode import DecodeLimits, decode_image
for file in sorted(pathlib.Path("/pictures").iterdir()):
    print(file.name, decode_image(file.read_bytes(), DecodeLimits()).shape)
"""


@pytest.fixture(scope="module", autouse=True)
def _docker() -> None:
    need_docker()


def inspected(image: str) -> dict[str, Any]:
    (found,) = json.loads(docker("image", "inspect", image))
    return dict(found)


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_is_small(image: str) -> None:
    megabytes = inspected(f"image-search/{image}:latest")["Size"] / 1e6
    assert megabytes < MOST_MEGABYTES[image]


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_holds_what_its_tasks_need_and_no_tools(image: str) -> None:
    run = ("run", "--rm", "--network=none", "--read-only", "--entrypoint=python")
    found = json.loads(docker(*run, f"image-search/{image}:latest", "-c", PROBE))
    assert found == {"uid": 10001, "tools": [], "heavy": HOLDS[image], "installs": False}


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_tasks_and_says_what_it_is(image: str) -> None:
    configuration = inspected(f"image-search/{image}:latest")["Config"]
    assert configuration["Entrypoint"] == ["python", "-m", "tasks"]
    assert configuration.get("Healthcheck") is None
    labels = configuration["Labels"]
    assert labels["org.opencontainers.image.title"] == f"image-search {image}"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.revision"]


@pytest.mark.parametrize("image", ["data", "search"])
def test_an_image_decodes_every_format(image: str, tmp_path: Path) -> None:
    for name in FORMATS:
        (tmp_path / name).write_bytes(encode(photo(), name))
    tmp_path.chmod(0o755)
    run = ("run", "--rm", "--network=none", "--read-only", "--entrypoint=python")
    mounted = f"--volume={tmp_path}:/pictures:ro"
    printed = docker(*run, mounted, f"image-search/{image}:latest", "-c", DECODE)
    assert printed.splitlines() == [f"{name} (40, 61, 3)" for name in FORMATS]


def build(image: str, base: str, *options: str) -> list[str]:
    """Builds the smallest image; returns the digests of its layers."""
    command = ["docker", "build", "--quiet", "--network=host", *options, "--target=data"]
    command += ["--build-arg", f"BASE_IMAGE={base}", "--tag", image, "--file=docker/Dockerfile"]
    subprocess.run([*command, "."], cwd=REPOSITORY, check=True, capture_output=True, timeout=600)
    return list(inspected(image)["RootFS"]["Layers"])


def test_the_same_input_makes_the_same_layers() -> None:
    labels = inspected("image-search/data:latest")["Config"]["Labels"]
    base = labels["org.opencontainers.image.base.name"]
    names = ("image-search-test/first:latest", "image-search-test/again:latest")
    try:
        assert build(names[0], base) == build(names[1], base, "--no-cache")
    finally:
        docker("rmi", *names, check=False)
