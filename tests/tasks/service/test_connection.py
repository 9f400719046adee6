"""Connections that wait for whoever asks: only so long."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from fastapi import FastAPI, Request, Response

from tasks.service.connection import TimedConnection

LARGE = 64 * 2**20  # more than the kernel takes for whoever does not read


class Impatient(TimedConnection):
    idle_seconds = 1.0


@pytest.fixture(name="server")
def _server() -> Iterator[uvicorn.Server]:
    """A server whose answers are as long as asked for, after a wait that is longer than its own."""
    app = FastAPI()

    @app.get("/{size}")
    async def answer(size: int) -> Response:
        await asyncio.sleep(1.5 * Impatient.idle_seconds)
        return Response(bytes(size))

    @app.middleware("http")  # which takes an answer in parts
    async def pass_on(request: Request, follow):  # type: ignore[no-untyped-def]
        return await follow(request)

    with socket.create_server(("127.0.0.1", 0)) as place:
        server = uvicorn.Server(uvicorn.Config(app, http=Impatient, log_config=None))
        running = threading.Thread(target=server.run, args=([place],))
        running.start()
        server.config.port = place.getsockname()[1]
        yield server
        server.should_exit = True
        running.join()


def connected(server: uvicorn.Server) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.config.port), timeout=30)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
    return client


def everything_from(client: socket.socket) -> int:
    """Returns how many bytes come until the end, which a cut is, too."""
    count = 0
    try:
        while data := client.recv(2**16):
            count += len(data)
    except ConnectionResetError:
        pass
    return count


@pytest.mark.parametrize("said", [b"", b"GET /1 HTTP/1.1\r\nHost: x\r\n"])
def test_who_does_not_ask_or_not_to_the_end_is_cut_off(server: uvicorn.Server, said: bytes) -> None:
    with connected(server) as client:
        client.sendall(said)
        assert everything_from(client) == 0


def test_who_goes_on_sending_after_an_answer_is_cut_off(server: uvicorn.Server) -> None:
    with connected(server) as client:
        client.sendall(b"POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        assert b"405" in client.recv(1000)
        end = time.monotonic() + 30
        with pytest.raises(OSError):  # broken pipe or reset
            while time.monotonic() < end:
                client.sendall(b"x")


def test_who_does_not_take_the_answer_is_cut_off(server: uvicorn.Server) -> None:
    with connected(server) as client:
        client.sendall(f"GET /{LARGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(1)  # it has begun
        end = time.monotonic() + 30
        while server.server_state.connections:
            assert time.monotonic() < end
        assert everything_from(client) < LARGE


def test_who_waits_for_an_answer_and_takes_it_may_ask_again(server: uvicorn.Server) -> None:
    with connected(server) as client:
        for size in (2**20, 1):
            client.sendall(f"GET /{size} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head = b""
            while b"\r\n\r\n" not in head:
                byte = client.recv(1)
                assert byte
                head += byte
            left = size
            while left:
                data = client.recv(min(left, 2**16))
                assert data
                left -= len(data)
