"""Where the time and the memory go, of a cold search and of each task of a shard.

`make profile`. Lines by line_profiler, allocations by memray, imports by the interpreter; reports
and flame graphs are left in `var/profile/`, and the heads of them are printed.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.photo_lake import PhotoLake
from benchmarks.processes import REPOSITORY, cost_of, task
from demo.catalogue import encode, open_photo
from tasks.lake import layout

_FOLDER = Path("var/profile")
_IMAGES = 90
_PYTHON = sys.executable
# The modules of which each line is timed: a task's own, and what does its work.
_LINES = {
    "search": (
        "searcher",
        "model",
        "model_vectorizer",
        "index.engine",
        "index.rerank",
        "vectorizer.onnx_vectorizer",
    ),
    "etl": ("etl", "imaging.network_input", "imaging.decode", "imaging.header", "lake.arrays"),
    "feature_engineering": ("feature_engineering", "imaging.network_input", "lake.arrays"),
    "vectorize": ("vectorize", "model_vectorizer", "lake.arrays", "vectorizer.onnx_vectorizer"),
}
# The number of a column of memray's summary.
_OWN_MEMORY = "3"
_PRINTED = 6


@dataclass(frozen=True)
class Profiled:
    """A task to profile.

    Attributes:
        name: of the task.
        arguments: what follows it.
        made: what it leaves in the lake, which goes before it is run again.
    """

    name: str
    arguments: tuple[str, ...]
    made: tuple[Path, ...] = ()

    def forget(self) -> None:
        """Drops what the task has made, so that it has its work to do."""
        for folder in self.made:
            shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    """Profiles each task and prints the heads of the reports."""
    folder = _FOLDER.resolve()
    lake = PhotoLake(folder / "lakes", _IMAGES)
    lake.full()
    os.environ["IMAGE_SEARCH_QUERY_PREFIXES"] = json.dumps([str(folder)])
    for profiled in [*_shard(lake), _search(lake, folder)]:
        _profile(profiled, folder)
    print(f"\nreports and flame graphs: {_FOLDER}/")


def _search(lake: PhotoLake, folder: Path) -> Profiled:
    query = folder / "query.jpg"
    query.write_bytes(encode(open_photo("motorcycle_right.png"), "jpeg"))
    return Profiled("search", ("--lake", lake.uri, "--no-picture", "--query", str(query)))


def _shard(lake: PhotoLake) -> list[Profiled]:
    """Returns the tasks of the first shard of the whole catalogue."""
    run = ("--lake", lake.uri, "--run", "profile")
    plan = _output(task("plan", *run, "--full-rebuild"))
    planned = json.loads(plan.splitlines()[-1])
    shard = planned["shards"][0]["shard"]
    _output(task("build_model", *run))
    made = {
        "etl": [lake.root / layout.landing(shard, "")],
        "feature_engineering": [lake.root / layout.FEATURE_STORE / shard],
        "vectorize": [model / "vectors" / shard for model in (lake.root / layout.MODEL).iterdir()],
    }
    # What is made later goes first: a task makes nothing that nobody needs any longer.
    return [
        Profiled(
            name,
            (*run, "--shard", shard),
            tuple(path for later in list(made)[number:] for path in made[later]),
        )
        for number, name in enumerate(made)
    ]


def _profile(profiled: Profiled, folder: Path) -> None:
    name, command = profiled.name, ("-m", "tasks", profiled.name, *profiled.arguments)
    profiled.forget()
    cost = cost_of([_PYTHON, *command])
    print(f"\n== {name}: {cost.seconds:.2f} s, {cost.megabytes:.0f} MB at most, unprofiled")
    _lines(profiled, command, folder)
    _allocations(profiled, command, folder)
    _imports(profiled, command, folder)


def _lines(profiled: Profiled, command: Sequence[str], folder: Path) -> None:
    profiled.forget()
    stats = folder / f"{profiled.name}.lprof"
    modules = [f"--prof-mod=tasks.{module}" for module in _LINES[profiled.name]]
    kernprof = [_PYTHON, "-m", "kernprof", "--line-by-line", f"--outfile={stats}", *modules]
    _output([*kernprof, *command])
    report = _output([_PYTHON, "-m", "line_profiler", "-mtz", "-u", "1e-3", str(stats)])
    (folder / f"{profiled.name} lines.txt").write_text(report, encoding="utf-8")
    functions = [line for line in report.splitlines() if " seconds - " in line]
    _print_head("functions, callees included", reversed_head(functions))


def reversed_head(lines: Sequence[str]) -> list[str]:
    """Returns the last lines, the last one first: line_profiler puts the slowest at the end."""
    return [line.replace(f"{REPOSITORY}/", "") for line in lines[-_PRINTED:][::-1]]


def _allocations(profiled: Profiled, command: Sequence[str], folder: Path) -> None:
    profiled.forget()
    allocations = folder / f"{profiled.name}.memray"
    memray = [_PYTHON, "-m", "memray"]
    _output([*memray, "run", "--quiet", "--force", "--output", str(allocations), *command])
    graph = folder / f"{profiled.name} memory.html"
    _output([*memray, "flamegraph", "--force", "--output", str(graph), str(allocations)])
    summary = [*memray, "summary", "--sort-column", _OWN_MEMORY, str(allocations)]
    report = _output(summary, {"COLUMNS": "160"})
    (folder / f"{profiled.name} memory.txt").write_text(report, encoding="utf-8")
    _print_head("memory at its peak, whole and by who allocated it", largest_allocations(report))


def largest_allocations(summary: str) -> list[str]:
    """Shortens a summary of memray.

    Args:
        summary: its table, with the lines of a place below each other.

    Returns:
        Who allocated most, each with what was allocated below it and by itself.
    """
    rows = [
        [cell.strip() for cell in line.strip("│").split("│")]
        for line in summary.splitlines()
        if line.startswith("│") and not line.split("│")[2].isspace()
    ]
    return [f"{own:>10} of {total:>10}  {where}" for where, total, _, own, *_ in rows[:_PRINTED]]


def _imports(profiled: Profiled, command: Sequence[str], folder: Path) -> None:
    profiled.forget()
    finished = subprocess.run(
        [_PYTHON, "-X", "importtime", *command],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    (folder / f"{profiled.name} imports.txt").write_text(finished.stderr, encoding="utf-8")
    slowest = slowest_imports(finished.stderr)[:_PRINTED]
    _print_head("imports", [f"{1e3 * seconds:7.1f} ms  {name}" for name, seconds in slowest])


def slowest_imports(report: str) -> list[tuple[str, float]]:
    """Sums up what the interpreter says of imports.

    Args:
        report: what `-X importtime` has printed.

    Returns:
        Packages, and the seconds that the code of their own modules took, slowest first.
    """
    seconds: dict[str, float] = {}
    for line in report.splitlines():
        fields = line.removeprefix("import time:").split("|")
        if len(fields) == 3 and fields[0].strip().isdigit():
            package = fields[2].strip().partition(".")[0]
            seconds[package] = seconds.get(package, 0.0) + int(fields[0]) / 1e6
    return sorted(seconds.items(), key=lambda item: -item[1])


def _print_head(title: str, lines: Sequence[str]) -> None:
    print(f"-- {title}")
    for line in lines:
        print(line)


def _output(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    finished = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, **(environment or {})},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return finished.stdout


if __name__ == "__main__":
    main()
