"""An API server of Airflow alone, which is enough to look; its memory, and what it has loaded."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.browser.running_airflow import (
    Site,
    airflow_environment,
    copy_database,
    running,
    until,
)
from tests.ports import free_port


@dataclass(frozen=True)
class ApiServer(Site):
    """A running API server and its processes."""

    pid: int

    def processes(self) -> list[psutil.Process]:
        """Returns the processes that are the server: those of its process group."""
        return [one for one in self._all() if os.getpgid(one.pid) == self.pid]

    def workers(self) -> list[psutil.Process]:
        """Returns what it has started: each worker of the page has a group of its own."""
        return [one for one in self._all() if os.getpgid(one.pid) != self.pid]

    def _all(self) -> list[psutil.Process]:
        server = psutil.Process(self.pid)
        return [server, *server.children(recursive=True)]


def memory(processes: list[psutil.Process]) -> float:
    """Returns the memory in MB that is theirs alone: it would be free if they ended."""
    return sum(float(one.memory_full_info().uss) for one in processes) / 1e6


def loaded(processes: list[psutil.Process], *libraries: str) -> set[str]:
    """Returns which of some libraries have a file in the memory of a process."""
    files = {mapped.path for one in processes for mapped in one.memory_maps()}
    return {name for name in libraries if any(f"/{name}" in file for file in files)}


@contextmanager
def running_api_server(
    home: Path, database_of: Path, lake_uri: str, extra: Mapping[str, str] | None = None
) -> Iterator[ApiServer]:
    """Starts an API server.

    Args:
        home: its folder, empty.
        database_of: home of an Airflow whose database it gets a copy of.
        lake_uri: where its lake is.
        extra: more environment variables.
    """
    copy_database(database_of, home)
    port = free_port()
    command = ["airflow", "api-server", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**airflow_environment(home, lake_uri), **(extra or {})}
    with running(command, environment, home / "api-server.log") as process:
        server = ApiServer(f"http://localhost:{port}", process.pid)
        until(server.is_up)
        yield server
