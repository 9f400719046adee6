"""The charts of the benchmarks, as SVG (Matplotlib)."""

import io
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from benchmarks.figures import Chart, Point

# Of the axes across and up.
_LABELS = {
    Chart.RECALL: ("ms a query", "recall@10"),
    Chart.CORES: ("cores", "images per second"),
    Chart.STAGES: ("seconds", ""),
}
mpl.rcParams["svg.hashsalt"] = "image-search"  # equal figures give equal bytes


def draw(points: Sequence[Point]) -> dict[Chart, str]:
    """Draws the charts that there are points of.

    Returns:
        The SVG of each.
    """
    return {
        chart: _draw(chart, [point for point in points if point.chart == chart])
        for chart in dict.fromkeys(point.chart for point in points)
    }


def _draw(chart: Chart, points: Sequence[Point]) -> str:
    drawing = Drawing(figsize=(8, 4), layout="constrained")
    axes = drawing.subplots()
    lines: dict[str, list[Point]] = {}
    for point in points:
        lines.setdefault(point.line, []).append(point)
    if chart is Chart.STAGES:
        _bars(axes, lines)
    else:
        _lines(axes, lines)
    across, up = _LABELS[chart]
    axes.set(title=chart, xlabel=across, ylabel=up)
    if chart is Chart.RECALL:
        axes.set_xscale("log")
    axes.legend()
    buffer = io.StringIO()
    drawing.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _lines(axes: Axes, lines: dict[str, list[Point]]) -> None:
    for name, points in lines.items():
        # The order is theirs: a line may turn.
        across, up = [float(point.x) for point in points], [point.y for point in points]
        axes.plot(across, up, "o-", label=name)


def _bars(axes: Axes, lines: dict[str, list[Point]]) -> None:
    """Draws a group of bars for each stage, the first one on top."""
    stages = list(dict.fromkeys(str(point.x) for points in lines.values() for point in points))
    height = 0.8 / len(lines)
    for number, (name, points) in enumerate(lines.items()):
        places = np.array([stages.index(str(point.x)) for point in points])
        axes.barh(places + number * height, [point.y for point in points], height, label=name)
    axes.set_yticks(np.arange(len(stages)) + (0.8 - height) / 2, stages)
    axes.invert_yaxis()
