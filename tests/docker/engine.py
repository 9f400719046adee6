"""The Docker engine that tests need, and the images that they run."""

import os
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
IMAGES = ("data", "search", "vectorize", "model")

# In CI these tests must run: set it, and what would be a skip is a failure.
REQUIRED = "TEST_DOCKER_REQUIRED"


def docker(*arguments: str | Path, check: bool = True, text: str = "") -> str:
    """Runs `docker …` with a text on its standard input; returns what it prints."""
    command = ["docker", *arguments]
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, check=False, timeout=300
    )
    if check and done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout.strip()


def need_docker() -> None:
    """Skips the test where no engine answers or an image is missing; fails if it must not."""
    lacking = _lacking()
    if lacking and os.environ.get(REQUIRED):
        pytest.fail(f"{lacking}, and {REQUIRED} is set")
    if lacking:
        pytest.skip(lacking)


def _lacking() -> str:
    try:
        docker("version")
    except (OSError, RuntimeError):
        return "no Docker engine answers"
    have = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    missing = [image for image in IMAGES if f"image-search/{image}:latest" not in have]
    return f"no image-search image {', '.join(missing)}: run `make images`" if missing else ""
