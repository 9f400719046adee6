"""An image whose tasks are whatever program a test hands over, otherwise like image-search/data."""

from pathlib import Path

from tests.docker.engine import docker

IMAGE = "image-search-test/stand-in:latest"

_DOCKERFILE = """
FROM image-search/data:latest
COPY __main__.py /app/tasks/__main__.py
"""
_MAIN = "import os; exec(os.environ['PROGRAM'])"


def build_stand_in(folder: Path) -> str:
    """Builds the image; its tasks execute the variable PROGRAM."""
    (folder / "Dockerfile").write_text(_DOCKERFILE, encoding="utf-8")
    (folder / "__main__.py").write_text(_MAIN, encoding="utf-8")
    docker("build", "--quiet", "--tag", IMAGE, folder)
    return IMAGE
