"""A child process that takes everything it started with it when it ends."""

import os
import signal
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO, cast

# Airflow itself kills an operator that is not done with `on_kill` after five seconds.
GRACE_SECONDS = 3.0


class ChildProcess:
    """A command in a process group of its own, so that stopping it reaches its children and theirs.

    Standard output goes to an unnamed file: the command never waits for somebody to read it.

    Args:
        command: the program and its arguments.
        cwd: the folder to run it in.
        environment: all its environment variables; without, those of this process.
    """

    def __init__(
        self, command: Sequence[str], cwd: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        with ExitStack() as opened:
            self._stdout = opened.enter_context(
                tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
            )
            self._process = opened.enter_context(
                subprocess.Popen(
                    command,
                    cwd=cwd,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=self._stdout,
                    stderr=subprocess.PIPE,
                    encoding="utf-8",
                    errors="replace",
                    start_new_session=True,
                )
            )
            self._opened = opened.pop_all()
        self._reaper = threading.Thread(target=self._reap, daemon=True)
        self._reaper.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        self._opened.close()

    def stderr_lines(self) -> Iterator[str]:
        """Yields each line of standard error as it is written, until the command has ended."""
        for line in cast(TextIO, self._process.stderr):
            yield line.rstrip()

    def wait(self) -> int:
        """Waits for the end; returns the exit status, negative for the signal that caused it."""
        self._reaper.join()
        return self._process.returncode

    def last_stdout_line(self) -> str:
        """Returns the last line of standard output that is not blank, or the empty string."""
        self._stdout.seek(0)
        lines = deque((line for line in self._stdout if line.strip()), maxlen=1)
        return lines[0].strip() if lines else ""

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Ends the command and all it started: politely, then after a grace period for certain."""
        for request in (signal.SIGTERM, signal.SIGKILL):
            if self._reaper.is_alive():
                self._signal_group(request)
                self._reaper.join(grace_seconds)

    def _reap(self) -> None:
        """Waits for the command and ends what it leaves behind and would hold stderr open."""
        self._process.wait()
        self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: signal.Signals) -> None:
        # The command leads its group, so its process id is the group's id.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
