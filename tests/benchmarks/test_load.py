import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from benchmarks.load import Load, Outcome, Question, ask, closed_loop, open_loop, session

Handler = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def asked(handler: Handler) -> AsyncIterator[aiohttp.ClientSession]:
    """Starts a server on a free port, and a client of it."""
    runner = web.ServerRunner(web.Server(handler))  # type: ignore[arg-type]
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with session(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
            yield client
    finally:
        await runner.cleanup()


def test_what_is_answered_refused_and_neither_is_told_apart() -> None:
    answers = iter([(200, {}), (503, {"Retry-After": "1"}), (503, {}), (500, {})])

    async def handler(request: web.Request) -> web.Response:
        status, headers = next(answers)
        return web.Response(status=status, headers=headers, body=await request.read())

    async def four() -> Load:
        async with asked(handler) as client:
            questions = [Question("/a"), Question("/b", b"picture")] * 2
            return Load([await ask(client, it, 0.0) for it in questions], 1.0)

    load = asyncio.run(four())
    assert (len(load.answered), load.refused, load.failed) == (1, 1, 2)


def test_no_answer_is_a_failure() -> None:
    async def one() -> Outcome:
        async with session("http://127.0.0.1:1") as client:
            return await ask(client, Question("/"), 0.0)

    assert asyncio.run(one()).status == 0


def test_an_open_loop_does_not_wait_for_answers_and_asks_as_often_as_told() -> None:
    all_here = asyncio.Event()
    count = 0

    async def handler(_: web.Request) -> web.Response:
        nonlocal count
        count += 1
        if count == 20:
            all_here.set()
        await all_here.wait()  # nobody is answered before the last one has come
        return web.Response()

    async def load() -> Load:
        async with asked(handler) as client:
            return await open_loop(client, [Question("/")], rate=100, seconds=0.2)

    found = asyncio.run(load())
    assert len(found.answered) == 20


def test_in_a_closed_loop_nobody_asks_before_the_last_answer() -> None:
    under_way, most = 0, 0

    async def handler(_: web.Request) -> web.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return web.Response()

    async def load() -> Load:
        async with asked(handler) as client:
            return await closed_loop(client, [Question("/")], askers=3, seconds=0.3)

    found = asyncio.run(load())
    assert found.failed == 0
    assert len(found.answered) >= 3
    assert most <= 3


@pytest.mark.parametrize(("percent", "expected"), [(50, 0.5), (95, 0.95), (99, 0.99), (100, 1.0)])
def test_a_percentile_is_the_answer_within_which_so_many_came(
    percent: float, expected: float
) -> None:
    outcomes = [Outcome(200, seconds / 100) for seconds in range(100, 0, -1)]
    refused = [Outcome(503, 0.0, True)] * 50
    assert Load(outcomes + refused, 1.0).percentile(percent) == expected
