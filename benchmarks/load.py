"""Load on an HTTP service, bounded in number and time, and what became of the requests."""

import asyncio
import itertools
import math
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

_SECONDS = 60
# Requests under way at once; a generator that opens more measures the limits of the system.
_MOST_AT_ONCE = 400
_MOST_REQUESTS = 100_000


@dataclass(frozen=True)
class Question:
    """What is asked: a path with its parameters, and the picture to send, if any."""

    path: str
    picture: bytes | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of one request.

    Attributes:
        status: of HTTP; 0 if no answer came.
        seconds: since it was due, which is before it was sent if the generator was late.
        retry_after: the answer says when to ask again.
    """

    status: int
    seconds: float
    retry_after: bool = False


@dataclass(frozen=True)
class Load:
    """What became of all requests.

    Attributes:
        outcomes: of each, in the order in which they were due or answered.
        seconds: from the first request to the last answer.
        tail: from the last request to the last answer.
    """

    outcomes: list[Outcome]
    seconds: float
    tail: float = 0.0

    @property
    def answered(self) -> list[float]:
        """Seconds of those that were answered with 200, the fastest first."""
        return sorted(it.seconds for it in self.outcomes if it.status == 200)

    @property
    def refused(self) -> int:
        """How many were told to ask again later, and when."""
        return sum(it.status == 503 and it.retry_after for it in self.outcomes)

    @property
    def failed(self) -> int:
        """How many were neither answered nor refused like that."""
        return len(self.outcomes) - len(self.answered) - self.refused

    def percentile(self, percent: float) -> float:
        """Returns within how many seconds so many percent of the answers came (nearest rank)."""
        answered = self.answered
        return answered[max(0, math.ceil(len(answered) * percent / 100) - 1)]


@asynccontextmanager
async def session(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Opens a client of a service; its connections are kept for the next request."""
    async with aiohttp.ClientSession(
        url,
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(_SECONDS),
    ) as client:
        yield client


async def ask(client: aiohttp.ClientSession, question: Question, due: float) -> Outcome:
    """Asks once.

    Args:
        client: whom to ask.
        question: what.
        due: since when to count, by the clock of the event loop.
    """
    clock = asyncio.get_running_loop()
    method = "GET" if question.picture is None else "POST"
    try:
        async with client.request(method, question.path, data=question.picture) as answer:
            await answer.read()
            again = "Retry-After" in answer.headers
            return Outcome(answer.status, clock.time() - due, again)
    except (aiohttp.ClientError, TimeoutError):
        return Outcome(0, clock.time() - due)


async def closed_loop(
    client: aiohttp.ClientSession, questions: Sequence[Question], askers: int, seconds: float
) -> Load:
    """Lets some ask one question after the other, each once the last one is answered."""
    clock = asyncio.get_running_loop()
    began = clock.time()
    left = itertools.islice(itertools.cycle(questions), _MOST_REQUESTS)

    async def one() -> list[Outcome]:
        found = []
        while clock.time() < began + seconds and (question := next(left, None)):
            found.append(await ask(client, question, clock.time()))
        return found

    found = await asyncio.gather(*(one() for _ in range(askers)))
    return Load(list(itertools.chain.from_iterable(found)), clock.time() - began)


async def open_loop(
    client: aiohttp.ClientSession, questions: Sequence[Question], rate: float, seconds: float
) -> Load:
    """Asks at a rate, at random times, whether or not earlier requests have been answered.

    Args:
        client: whom to ask.
        questions: asked in turns.
        rate: requests a second on average; equal calls ask at equal times.
        seconds: for so long.

    Raises:
        RuntimeError: more requests were under way at once than one generator should have.
    """
    clock, gaps = asyncio.get_running_loop(), random.Random(0)  # noqa: S311  # no secret
    began = due = clock.time()
    under_way: set[asyncio.Task[Outcome]] = set()
    asked = []
    count = min(round(rate * seconds), _MOST_REQUESTS)
    for question in itertools.islice(itertools.cycle(questions), count):
        due += gaps.expovariate(rate)
        await asyncio.sleep(max(0, due - clock.time()))
        if len(under_way) >= _MOST_AT_ONCE:
            raise RuntimeError(f"{_MOST_AT_ONCE} requests at once at {rate:.0f} a second")
        task = asyncio.create_task(ask(client, question, due))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        asked.append(task)
    last = clock.time()
    outcomes = list(await asyncio.gather(*asked))
    return Load(outcomes, clock.time() - began, clock.time() - last)
