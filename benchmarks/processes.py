"""Processes as a benchmark starts them: seconds from start to end, of computing, and memory."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

# A process counts what its parent held when it began, so the parent must be small.
_MEASURE = """
import json, os, subprocess, sys, time
started = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
seconds = time.perf_counter() - started
import resource
used = resource.getrusage(resource.RUSAGE_CHILDREN)
computing = used.ru_utime + used.ru_stime
print(json.dumps([done.returncode, seconds, used.ru_maxrss * 1024 / 1e6, computing]))
"""


@dataclass(frozen=True)
class Cost:
    """What a process took.

    Attributes:
        seconds: from its start to its end.
        megabytes: of memory it held at most.
        computing: seconds of all its threads on a core: hardly more on a busy machine.
    """

    seconds: float
    megabytes: float
    computing: float


def cost_of(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Runs a command in the repository's folder.

    Raises:
        RuntimeError: it failed.
    """
    measured = subprocess.run(
        [sys.executable, "-S", "-c", _MEASURE, *command],
        cwd=REPOSITORY,
        # Byte code is what a start finds everywhere but on the machines that forbid to write it.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(environment or {})},
        check=True,
        capture_output=True,
        text=True,
    )
    status, *taken = json.loads(measured.stdout)
    if status:
        raise RuntimeError(f"{' '.join(command)} failed: {measured.stderr[-1000:]}")
    return Cost(*taken)


def task(*arguments: str) -> list[str]:
    """Returns the command of a task."""
    return [sys.executable, "-m", "tasks", *arguments]
