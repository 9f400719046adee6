"""Every speed, size and memory that we promise, beside a rival and a bound, measured in one run.

`make bench`, `make bench BENCH="PART … --quick"`. Prints a table, and writes
`var/benchmarks/results.json`; charts lie beside it, drawn from `points.json`.
"""

import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import (
    change,
    cold_search,
    decoding,
    distant_store,
    embedding,
    ranking_cost,
    reindex,
    service,
    vector_database,
    warm_search,
)
from benchmarks.charts import draw
from benchmarks.figures import Figure, Measured, Point


class Part(Protocol):
    """One benchmark."""

    def __call__(self, folder: Path, /, *, quick: bool) -> Iterator[Measured]:
        """Measures, with a folder for what is made to measure on."""


PARTS: dict[str, Part] = {
    "decoding": decoding.figures,
    "distant_store": distant_store.figures,
    "embedding": embedding.figures,
    "change": change.figures,
    "cold_search": cold_search.figures,
    "warm_search": warm_search.figures,
    "vector_database": vector_database.figures,
    "ranking_cost": ranking_cost.figures,
    "reindex": reindex.figures,
    "service": service.figures,
}
_WIDTH = 190
app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(help=__doc__)
def main(
    parts: Annotated[
        list[str] | None, typer.Argument(help=f"Of {', '.join(PARTS)}; by default all.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Smaller catalogues, in minutes.")] = False,
    folder: Annotated[
        Path, typer.Option(help="For results, and for what is made to measure on; kept.")
    ] = Path("var/benchmarks"),
) -> None:
    """Runs parts and reports."""
    unknown = set(parts or ()) - set(PARTS)
    if unknown:
        raise typer.BadParameter(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH
    found: list[Measured] = []
    for name in parts or PARTS:
        console.print(f"measuring {name}", style="dim")
        started = time.monotonic()
        found += PARTS[name](folder.resolve() / name, quick=quick)
        console.print(f"measured {name} in {time.monotonic() - started:.0f} s", style="dim")
    figures = [measured for measured in found if isinstance(measured, Figure)]
    points = [measured for measured in found if isinstance(measured, Point)]
    console.print(_table(figures))
    console.print(f"{_machine()}; load at the end {os.getloadavg()[0]:.1f}")
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "results.json", figures)
    _write(folder / "points.json", points)
    for chart, drawing in draw(points).items():
        (folder / f"{chart}.svg").write_text(drawing, encoding="utf-8")


def _write(file: Path, measured: Sequence[Measured]) -> None:
    documents = [each.document() for each in measured]
    file.write_text(json.dumps(documents, indent=1), encoding="utf-8")


def _table(figures: list[Figure]) -> Table:
    table = Table("what", "unit", "ours", "spread", "rival", "", "bound", "ratio", "goal", "met")
    for figure in figures:
        table.add_row(
            figure.name,
            figure.unit,
            _shown(figure.ours),
            f"{_shown(figure.low)}-{_shown(figure.high)}" if figure.low is not None else "",
            _shown(figure.rival),
            figure.rival_name,
            _shown(figure.bound),
            _shown(figure.ratio),
            figure.goal,
            {None: "", True: "yes", False: "no"}[figure.met],
        )
    return table


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}"


def _machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return f"{os.cpu_count()} cores ({model}), Python {platform.python_version()}"


if __name__ == "__main__":
    app(prog_name="python -m benchmarks")
