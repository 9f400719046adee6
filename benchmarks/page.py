"""How fast the Image Search page's worker answers on a large catalogue, and what memory it takes.

    python -m benchmarks.page [--images 100000] [--dimensions 2048]

Makes a release of made vectors in a temporary folder (8.8 KB an image) and asks the worker as the
web server does: a process, JSON lines.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.table import Table

from tasks.lake.open_store import open_store
from tests.made_release import large_name, large_release

REPOSITORY = Path(__file__).parents[1]
_REPEATS = 20
_POLL_SECONDS = 0.2


class Worker:
    """A worker of the page, asked one question after the other."""

    def __init__(self, lake: Path, cache: Path) -> None:
        # Ended by `__exit__`.
        self._process = subprocess.Popen(  # pylint: disable=consider-using-with
            [sys.executable, "-m", "tasks", "page", "--lake", lake.as_uri()],
            cwd=REPOSITORY,
            env={"IMAGE_SEARCH_CACHE": str(cache)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._numbers = itertools.count()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self, question: str, **given: Any) -> dict[str, Any]:
        """Asks one question.

        Raises:
            RuntimeError: it has no answer.
        """
        asked = {"id": next(self._numbers), "ask": question, "with": given}
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        said = json.loads(next(self._process.stdout or iter(())))
        if "error" in said:
            raise RuntimeError(said["error"])
        return dict(said["answer"])

    def seconds(self, question: str, **given: Any) -> float:
        """Returns how long one answer takes, the median of some."""
        taken = []
        for _ in range(_REPEATS):
            started = time.perf_counter()
            self.ask(question, **given)
            taken.append(time.perf_counter() - started)
        return sorted(taken)[_REPEATS // 2]

    def memory(self) -> float:
        """Returns the memory that is its own, in MB; files that it has mapped are not."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        [line] = [line for line in status.splitlines() if line.startswith("RssAnon:")]
        return int(line.split()[1]) / 1000


def measure(worker: Worker, images: int) -> list[tuple[str, str]]:
    """Returns what was measured, and the figures."""
    started = time.perf_counter()
    worker.ask("images", version=1, wanted="", match="contains", offset=0, limit=120)
    first = time.perf_counter() - started
    name = large_name(images // 2)
    listed = {"version": 1, "match": "contains", "wanted": "", "limit": 120}
    by_prefix = listed | {"wanted": name.split("/")[0] + "/", "match": "prefix"}
    by_part = listed | {"wanted": name[-6:]}
    rows = [
        ("first list page, once a release and machine", f"{first:.1f} s"),
        ("list page, the last one", _ms(worker.seconds("images", **listed, offset=images - 120))),
        ("list page, by prefix", _ms(worker.seconds("images", **by_prefix, offset=0))),
        ("list page, by part of the name", _ms(worker.seconds("images", **by_part, offset=0))),
        ("search by name, n = 12", _ms(worker.seconds("similar", version=1, name=name, n=12))),
        ("the worker's memory so far", f"{worker.memory():.0f} MB"),
    ]
    return rows + _near_duplicates(worker)


@dataclass(frozen=True)
class Look:
    """One look for near-duplicates: what it found, and what it took."""

    groups: int
    images: int
    seconds: float
    most_memory: float


def look_for_near_duplicates(worker: Worker) -> Look:
    """Lets a worker look through release 1, and waits for it. Memory is in MB."""
    started = time.perf_counter()
    most = 0.0
    worker.ask("duplicates", version=1, start=True)
    while worker.ask("duplicates", version=1, start=False)["state"] == "running":
        most = max(most, worker.memory())
        time.sleep(_POLL_SECONDS)
    seconds = time.perf_counter() - started
    found = worker.ask("duplicate_groups", version=1, threshold=0.9, offset=0, limit=20)
    return Look(found["total"], found["images"], seconds, max(most, worker.memory()))


def _near_duplicates(worker: Worker) -> list[tuple[str, str]]:
    look = look_for_near_duplicates(worker)
    started = time.perf_counter()
    worker.ask("duplicate_groups", version=1, threshold=0.95, offset=0, limit=20)
    grouped = time.perf_counter() - started
    return [
        (
            f"near-duplicates: {look.groups:,} groups of {look.images:,} images",
            f"{look.seconds:.0f} s",
        ),
        ("the worker's memory meanwhile, at most", f"{look.most_memory:.0f} MB"),
        ("groups at another threshold", _ms(grouped)),
    ]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=2048)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder) / "lake"
        lake.mkdir()
        large_release(open_store(lake.as_uri()), given.images, given.dimensions)
        with Worker(lake, Path(folder) / "cache") as worker:
            rows = measure(worker, given.images)
    title = f"{given.images:,} images of {given.dimensions} dimensions"
    table = Table("what", "figure", title=title)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
