"""The process that does what the web server must not: it has the tasks' environment, and is asked.

One for each web server process, started when somebody asks, ended when nobody has for a while and
nothing is under way, and started again if it dies. See `tasks/page/worker.py` for the lines that
go back and forth.
"""

import asyncio
import asyncio.subprocess
import itertools
import json
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from image_search_airflow.runner_settings import REPOSITORY
from image_search_airflow.s3_access import blot_out, s3_variables, with_variables
from image_search_airflow.settings import Settings

# A line holds a thumbnail at most.
_LONGEST_LINE = 2**24
_MOST_AT_ONCE = 256
# What these begin or add to is gone with the worker; all else can be asked again.
_ONCE = "upload_"
_TIMEOUT_SECONDS = 60.0
# Before the keys of a role, which the worker was started with, run out.
_MOST_SECONDS = 45 * 60.0
_BUSY_SECONDS = 5.0

logger = logging.getLogger(__name__)


class WorkerError(Exception):
    """A question has no answer.

    Attributes:
        kind: `missing` (there is no such thing), `user` (somebody has to put something right),
            `damaged`, `passing` (try again), `unexpected`.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


class WorkerEndedError(WorkerError):
    """The worker ended before it has answered."""

    def __init__(self, reason: str) -> None:
        super().__init__("passing", f"the page's worker has ended: {reason}; try again")


@dataclass
class _Process:
    """A running worker and the questions it has not answered yet."""

    process: asyncio.subprocess.Process  # pylint: disable=no-member  # it has
    environment: Mapping[str, str]
    started: float = field(default_factory=time.monotonic)
    pending: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    last_words: str = ""
    readers: list[asyncio.Task[None]] = field(default_factory=list)

    def is_usable(self) -> bool:
        """Tells whether it may be asked another question."""
        return self.process.returncode is None and bool(self.readers) and not self.readers[0].done()

    def is_old(self) -> bool:
        """Tells whether another one should take its place."""
        return time.monotonic() - self.started > _MOST_SECONDS

    async def ask(self, number: int, question: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Asks a question under a number of its own.

        Raises:
            WorkerError: there is no answer.
        """
        answer = self.pending[number] = asyncio.get_running_loop().create_future()
        line = json.dumps({"id": number, "ask": question, "with": given}) + "\n"
        try:
            with suppress(ConnectionError):  # the reader of its answers says why it has ended
                if self.process.stdin:
                    self.process.stdin.write(line.encode())
                    await self.process.stdin.drain()
            said = await asyncio.wait_for(answer, _TIMEOUT_SECONDS)
        except TimeoutError as error:
            raise WorkerError("passing", "no answer in time; try again later") from error
        finally:
            self.pending.pop(number, None)
        if "error" in said:
            raise WorkerError(said["kind"], said["error"])
        return dict(said["answer"])


class PageWorker:
    """Asks the worker, and sees to it that there is one.

    Args:
        command: returns the program and its arguments.
        environment: returns all its environment variables.
        idle_seconds: after which a worker that nobody asks is ended.
    """

    def __init__(
        self,
        command: Callable[[], Sequence[str]],
        environment: Callable[[], Mapping[str, str]],
        idle_seconds: float,
    ) -> None:
        self._command, self._environment = command, environment
        self._idle_seconds = idle_seconds
        self._numbers = itertools.count(1)
        self._lock = asyncio.Lock()
        self._running: _Process | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._retiring: set[asyncio.Task[None]] = set()

    async def ask(self, question: str, **given: Any) -> dict[str, Any]:
        """Asks a question; see `tasks/page/asks.py` for those there are.

        Raises:
            WorkerError: there is no answer, or no worker.
        """
        try:
            return await self._ask(question, given)
        except WorkerEndedError:
            # Killed, perhaps for want of memory, and not by this question as a rule.
            if question.startswith(_ONCE):
                raise
            return await self._ask(question, given)

    async def _ask(self, question: str, given: Mapping[str, Any]) -> dict[str, Any]:
        worker = await self._worker()
        if len(worker.pending) >= _MOST_AT_ONCE:
            raise WorkerError("passing", "too many questions at once; try again in a moment")
        self._postpone_end()
        return await worker.ask(next(self._numbers), question, given)

    async def stop(self) -> None:
        """Ends the worker, if there is one, and what is under way."""
        async with self._lock:
            running, self._running = self._running, None
        for retiring in self._retiring:
            retiring.cancel()
        if running:
            await _end(running)

    async def _worker(self) -> _Process:
        async with self._lock:
            running = self._running
            if running and running.is_usable() and not running.is_old():
                return running
            if running:
                self._retire(running)
            self._running = await self._start()
            return self._running

    def _retire(self, worker: _Process) -> None:
        # Kept here, as the loop itself holds its tasks only weakly.
        task = asyncio.get_running_loop().create_task(self._end_when_done(worker))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _end_when_done(self, worker: _Process) -> None:
        try:
            with suppress(WorkerError):
                while worker.is_usable() and await self._is_busy(worker):
                    await asyncio.sleep(_BUSY_SECONDS)
        finally:
            await _end(worker)

    async def _is_busy(self, worker: _Process) -> bool:
        answer = await worker.ask(next(self._numbers), "busy", {})
        return bool(answer.get("busy")) or bool(worker.pending)

    async def _start(self) -> _Process:
        environment = await asyncio.to_thread(self._environment)
        command = list(self._command())
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=REPOSITORY,
                env=dict(environment),
                limit=_LONGEST_LINE,
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerError(
                "user",
                f"the page's worker cannot be started ({command[0]}: {error.strerror}); install "
                "the tasks' environment on this machine, or set `command` under [page]",
            ) from error
        worker = _Process(process, environment)
        worker.readers = [
            asyncio.create_task(_read_answers(worker)),
            asyncio.create_task(_read_log(worker)),
        ]
        return worker

    def _postpone_end(self) -> None:
        if self._idle:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(self._idle_seconds, self._end_idle)

    def _end_idle(self) -> None:
        running, self._running = self._running, None
        if running:
            self._retire(running)


def page_worker() -> PageWorker:
    """Returns the worker that the settings describe; it is not started yet."""
    settings = Settings()

    def command() -> Sequence[str]:
        if settings.page.command:
            return settings.page.command
        python = REPOSITORY / settings.airflow.python
        return str(python), "-m", "tasks", "page", "--lake", settings.lake

    def environment() -> Mapping[str, str]:
        connection = settings.airflow.connection
        return with_variables(os.environ, _access(connection) if connection else {})

    return PageWorker(command, environment, settings.page.idle_minutes * 60)


def _access(connection: str) -> Mapping[str, str]:
    try:
        return s3_variables(connection)
    except AirflowFailException as error:
        raise WorkerError("user", str(error)) from error
    except Exception as error:
        logger.exception("the connection %s cannot be used", connection)
        reason = f"the connection {connection!r} cannot be used ({type(error).__name__})"
        raise WorkerError(
            "passing", f"{reason}; the log of Airflow's API server says why"
        ) from error


async def _read_answers(worker: _Process) -> None:
    stdout = worker.process.stdout
    with suppress(ValueError):  # a line that is no answer: whoever writes it is no worker of ours
        while stdout and (line := await stdout.readline()):
            said = json.loads(line)
            answer = worker.pending.get(said["id"])
            if answer and not answer.done():
                answer.set_result(said)
    await asyncio.wait(worker.readers[1:])
    reason = worker.last_words.removeprefix("error: ") or "it gave no reason"
    for answer in worker.pending.values():
        if not answer.done():
            answer.set_exception(WorkerEndedError(reason))


async def _read_log(worker: _Process) -> None:
    stderr = worker.process.stderr
    while stderr and (line := await stderr.readline()):
        said = blot_out(line.decode(errors="replace").rstrip(), worker.environment)
        worker.last_words = said or worker.last_words
        logger.info("%s", said)


async def _end(worker: _Process) -> None:
    """Lets a worker end by itself, and makes it if it does not; with all that it started."""
    if worker.process.stdin:
        worker.process.stdin.close()
    with suppress(TimeoutError):
        await asyncio.wait_for(worker.process.wait(), 2)
    with suppress(ProcessLookupError):
        os.killpg(worker.process.pid, signal.SIGKILL)
    await worker.process.wait()
