"""A server on this machine as if it were far away: each byte of its answers comes later."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import cast


@contextmanager
def distant(host: str, port: int, seconds: float) -> Iterator[int]:
    """Passes TCP connections on to a server; what it sends arrives `seconds` later.

    Throughput is not limited. A thread does it, as long as the block lasts.

    Yields:
        The port of 127.0.0.1 to connect to.
    """
    opened: Future[_Opened] = Future()
    listening = _listen(host, port, seconds, opened)
    thread = threading.Thread(target=asyncio.run, args=(listening,), daemon=True)
    thread.start()
    link = opened.result()
    try:
        yield link.port
    finally:
        link.loop.call_soon_threadsafe(link.done.set)
        thread.join()


@dataclass
class _Opened:
    port: int
    loop: asyncio.AbstractEventLoop
    done: asyncio.Event


async def _listen(host: str, port: int, seconds: float, opened: Future[_Opened]) -> None:
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    connecting: set[asyncio.Task[None]] = set()

    def accept() -> _End:
        client, server = _End(0.0), _End(seconds)
        client.other, server.other = server, client
        task = loop.create_task(_connect(host, port, server))
        connecting.add(task)
        task.add_done_callback(connecting.discard)
        return client

    listening = await loop.create_server(accept, "127.0.0.1", 0)
    opened.set_result(_Opened(listening.sockets[0].getsockname()[1], loop, done))
    await done.wait()
    listening.close()


async def _connect(host: str, port: int, server: "_End") -> None:
    try:
        await asyncio.get_running_loop().create_connection(lambda: server, host, port)
    except OSError:
        server.other.do(_close)


class _End(asyncio.Protocol):
    """One of the two ends of a connection: what comes from it goes to the other, later.

    Streams of asyncio copy each byte some times more, and nobody shall wait for this instead of for
    the server, with which it shares a core.
    """

    other: "_End"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._last = 0.0
        self._transport: asyncio.Transport | None = None
        self._early: list[Callable[[asyncio.Transport], None]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        for action in self._early:
            action(self._transport)

    def data_received(self, data: bytes) -> None:
        self._later(lambda transport: transport.write(data))

    def eof_received(self) -> bool:
        self._later(_end_writing)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._later(_close)

    def pause_writing(self) -> None:
        self.other.do(lambda transport: transport.pause_reading())

    def resume_writing(self) -> None:
        self.other.do(lambda transport: transport.resume_reading())

    def do(self, action: Callable[[asyncio.Transport], None]) -> None:
        """Does something to the connection to this end, now or once there is one."""
        if self._transport is None:
            self._early.append(action)
        elif not self._transport.is_closing():
            action(self._transport)

    def _later(self, action: Callable[[asyncio.Transport], None]) -> None:
        # Never before what came earlier: of two that are due at once, either may go first.
        self._last = max(self._loop.time() + self._seconds, self._last + 1e-6)
        self._loop.call_at(self._last, self.other.do, action)


def _close(transport: asyncio.Transport) -> None:
    transport.close()


def _end_writing(transport: asyncio.Transport) -> None:
    with suppress(OSError):  # it has been ended from the other side
        transport.write_eof()
