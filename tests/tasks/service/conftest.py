"""A real service in a process of its own, and how to ask it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tasks.lake.store import Store
from tests.tasks.pipeline import CACHE, REPOSITORY
from tests.tasks.service.asking import Reply, ask


@dataclass
class Service:
    """A service that runs."""

    url: str
    process: subprocess.Popen[str]

    def ask(self, path: str, data: bytes | None = None, **headers: str) -> Reply:
        return ask(self.url + path, data, **headers)


Start = Callable[..., Service]


@pytest.fixture
def start(indexed: Store) -> Iterator[Start]:
    """Starts a service on the lake of the test, with further settings."""
    running: list[subprocess.Popen[str]] = []

    def start_one(**settings: str) -> Service:
        process = subprocess.Popen(  # pylint: disable=consider-using-with  # ended below
            [sys.executable, "-m", "tasks", "serve", "--port", "0"],
            cwd=REPOSITORY,
            env={
                **os.environ,
                "IMAGE_SEARCH_LAKE": str(indexed),
                "IMAGE_SEARCH_CACHE": str(CACHE),
                **settings,
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout
        return Service(json.loads(process.stdout.readline())["url"], process)

    yield start_one
    for process in running:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
