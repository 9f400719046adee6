"""A real Milvus server on this machine (version 2.3, one process), for as long as tests need it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_ports

TOKEN = "root:Milvus"
# Of the etcd inside, which else listens on the same ports for each server of the machine.
_ETCD = """
listen-client-urls: http://127.0.0.1:{}
advertise-client-urls: http://127.0.0.1:{}
listen-peer-urls: http://127.0.0.1:{}
initial-advertise-peer-urls: http://127.0.0.1:{}
initial-cluster: default=http://127.0.0.1:{}
"""


class RunningMilvus:
    """A server that asks for a token, `TOKEN`.

    Args:
        folder: where it keeps programs, data and logs, 400 MB.
    """

    def __init__(self, folder: Path) -> None:
        # There is no such package for each machine.
        from milvus import MilvusServer, MilvusServerConfig

        config = MilvusServerConfig(data_dir=str(folder))
        config.set("authorization_enabled", True)
        self._server = MilvusServer(config)
        self._etcd = folder / "etcd.yaml"

    @property
    def uri(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.listen_port}"

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        client, peer = free_ports(2)
        self._etcd.write_text(_ETCD.format(client, client, peer, peer, peer))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ETCD_CONFIG_PATH", str(self._etcd))
            self._server.start()

    def kill(self) -> None:
        """Ends it on the spot."""
        os.kill(self._server.server_proc.pid, signal.SIGKILL)
        self._server.server_proc.wait()

    def stop(self) -> None:
        """Ends it if it still runs."""
        self._server.stop()


def running_milvus(folder: Path) -> Iterator[RunningMilvus]:
    """Runs a server that keeps its data in a folder; for a fixture."""
    server = RunningMilvus(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
