"""Fits and prints how each task grows with the catalogue: `python -m benchmarks.scale.growth`.

The exponent is the slope of a straight line through the logarithms (least squares): 1 is linear. It
says something where a task does more than to start: what takes under a second or under 200 MB at
the largest size is left out.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

POINTS = Path(__file__).parents[2] / "docs" / "scaling" / "points.json"
_ORDER = (
    "plan",
    "etl",
    "feature_engineering",
    "publish",
    "evaluate",
    "prune",
    "verify",
    "search",
    "warm_search",
)
# A column of the table: what it is called, what it is in the points, how many of that are one.
_COLUMNS = (
    ("s", "seconds", 1.0),
    ("CPU s", "cpu_seconds", 1.0),
    ("MB held", "memory_bytes", 1e6),
    ("MB read", "bytes_read", 1e6),
    ("MB written", "bytes_written", 1e6),
    ("requests", "requests", 1.0),
)
_LEAST = {"seconds": 1.0, "cpu_seconds": 1.0, "memory_bytes": 200e6}
Point = dict[str, Any]
Series = dict[tuple[str, str], list[Point]]
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def read_points(path: Path = POINTS) -> list[Point]:
    """Returns measured points."""
    found: list[Point] = json.loads(path.read_text(encoding="utf-8"))
    return found


def series_of(points: list[Point], dimensions: int = 2048) -> Series:
    """Returns the points of each task and night, smallest catalogue first."""
    found: Series = defaultdict(list)
    for point in sorted(points, key=lambda it: (_ORDER.index(it["task"]), it["images"])):
        if point["dimensions"] == dimensions:
            found[point["task"], point["night"]].append(point)
    return dict(found)


def exponent(points: list[Point], quantity: str) -> float | None:
    """Returns the slope of the logarithm of a quantity over that of the images.

    Returns:
        None where there is nothing to fit: one size, or never more than starting a task takes.
    """
    values = [float(point[quantity]) for point in points]
    if len(values) < 2 or min(values) <= 0 or values[-1] < _LEAST.get(quantity, 0.0):
        return None
    images = [float(point["images"]) for point in points]
    slope, _ = np.polyfit(np.log(images), np.log(values), 1)
    return float(slope)


def table(points: list[Point], dimensions: int = 2048) -> str:
    """Returns the points as a Markdown table, the exponents below each task and night."""
    names = [name for name, _, _ in _COLUMNS]
    lines = [f"| task | night | images | {' | '.join(names)} |", "|---" * (len(names) + 3) + "|"]
    for (task, night), found in series_of(points, dimensions).items():
        for point in found:
            cells = [_shown(point[quantity] / unit) for _, quantity, unit in _COLUMNS]
            lines.append(f"| `{task}` | {night} | {point['images']:,} | {' | '.join(cells)} |")
        slopes = [exponent(found, quantity) for _, quantity, _ in _COLUMNS]
        if any(slope is not None for slope in slopes):
            # Which side of nothing a slope lies on depends on the processor: no "-0.00".
            cells = [
                "" if slope is None else f"**{round(slope, 2) + 0.0:.2f}**" for slope in slopes
            ]
            lines.append(f"| | | grows with | {' | '.join(cells)} |")
    return "\n".join(lines)


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


@app.command(help=__doc__)
def main(
    points: Annotated[Path, typer.Argument(help="File of points.")] = POINTS,
    dimensions: Annotated[int, typer.Option(help="Of the vectors.")] = 2048,
) -> None:
    """Prints the table."""
    typer.echo(table(read_points(points), dimensions))


if __name__ == "__main__":
    app(prog_name="python -m benchmarks.scale.growth")
