"""A server on this machine as if it were far away: each byte of its answers comes later."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass

_CHUNK = 2**18


@contextmanager
def distant(host: str, port: int, seconds: float) -> Iterator[int]:
    """Passes TCP connections on to a server; what it sends arrives `seconds` later.

    Throughput is not limited. A thread does it, as long as the block lasts.

    Yields:
        The port of 127.0.0.1 to connect to.
    """
    opened: Future[_Opened] = Future()
    listening = _listen(_Link(host, port, seconds), opened)
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


async def _listen(link: "_Link", opened: Future[_Opened]) -> None:
    server = await asyncio.start_server(link.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    done = asyncio.Event()
    opened.set_result(_Opened(port, asyncio.get_running_loop(), done))
    await done.wait()
    server.close()


class _Link:
    def __init__(self, host: str, port: int, seconds: float) -> None:
        self._host, self._port, self._seconds = host, port, seconds

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes one connection on, until both sides have ended it or one has broken it."""
        answers, requests = await asyncio.open_connection(self._host, self._port, limit=_CHUNK)
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(_pass_on(reader, requests, 0.0))
                ways.create_task(_pass_on(answers, writer, self._seconds))
        except* OSError:
            pass
        finally:
            requests.close()
            writer.close()


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float
) -> None:
    coming: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    async with asyncio.TaskGroup() as ends:
        ends.create_task(_read(reader, coming, seconds))
        ends.create_task(_write(coming, writer))


async def _read(
    reader: asyncio.StreamReader, coming: asyncio.Queue[tuple[float, bytes]], seconds: float
) -> None:
    data = b"not yet"
    while data:
        data = await reader.read(_CHUNK)
        coming.put_nowait((asyncio.get_running_loop().time() + seconds, data))


async def _write(coming: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    while True:
        due, data = await coming.get()
        await asyncio.sleep(due - asyncio.get_running_loop().time())
        if not data:
            writer.write_eof()
            return
        writer.write(data)
        await writer.drain()
