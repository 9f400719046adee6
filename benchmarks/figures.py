"""Figures of a benchmark, ours beside a rival and a bound, timed in turns; points of its charts."""

import dataclasses
import enum
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

REPEATS = 5


@dataclasses.dataclass(frozen=True)
class Spread:
    """What a repeated measurement gave: its median, and the lowest and the highest."""

    median: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Figure:  # pylint: disable=too-many-instance-attributes  # the columns of a table
    """One line of the table.

    Attributes:
        name: what was measured.
        unit: of `ours`, `rival` and `bound`.
        ours: the figure.
        goal: what it has to be.
        met: whether it is; None where there is nothing to reach.
        rival: the figure of what we are compared with.
        rival_name: what that is.
        bound: the figure that this machine's disk, memory or arithmetic reaches by itself, as far
            as that can be measured.
        bound_name: why.
        ratio: how many times better than the rival.
        low: the lowest of the measurements that `ours` is the median of.
        high: the highest.
    """

    name: str
    unit: str
    ours: float
    goal: str = ""
    met: bool | None = None
    rival: float | None = None
    rival_name: str = ""
    bound: float | None = None
    bound_name: str = ""
    ratio: float | None = None
    low: float | None = None
    high: float | None = None

    def document(self) -> dict[str, Any]:
        """Returns the figure as it goes into `results.json`."""
        return dataclasses.asdict(self)


class Chart(enum.StrEnum):
    """A chart of the benchmarks, by its title."""

    RECALL = "recall against latency"
    CORES = "images per second against cores"
    STAGES = "seconds by stage"


@dataclasses.dataclass(frozen=True)
class Point:
    """One point of a chart.

    Attributes:
        chart: which.
        line: what was measured; its points are joined.
        x: where; the name of a stage in `Chart.STAGES`.
        y: how much.
    """

    chart: Chart
    line: str
    x: float | str
    y: float

    def document(self) -> dict[str, Any]:
        """Returns the point as it goes into `points.json`."""
        return dataclasses.asdict(self)


Measured = Figure | Point


def spread_of(values: list[float]) -> Spread:
    """Returns median, lowest and highest."""
    return Spread(statistics.median(values), min(values), max(values))


def in_turns(
    ways: Mapping[str, Callable[[], Any]],
    repeats: int = REPEATS,
    clock: Callable[[], float] = time.perf_counter,
    *,
    settle: float = 0.0,
) -> dict[str, Spread]:
    """Times ways of doing a thing in turns, so that what else the machine does hits all of them.

    Args:
        ways: what to time, by name. Each is done once before, untimed.
        repeats: how often each is timed.
        clock: `time.process_time` for what takes milliseconds, where others wait for the machine.
        settle: seconds to wait before each; threads of some runtimes spin on after their work, in
            the time of whoever comes next.

    Returns:
        The seconds of each.
    """
    for way in ways.values():
        way()
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            time.sleep(settle)
            started = clock()
            way()
            taken[name].append(clock() - started)
    return {name: spread_of(seconds) for name, seconds in taken.items()}
