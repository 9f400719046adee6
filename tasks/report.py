"""report: what a run has left in the lake, for people at a terminal."""

from pathlib import Path

from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.store import Store
from tasks.tables import open_console, show_reindex, show_results


def report(lake: Store, run: str, picture: Path | None = None) -> None:
    """Prints the answer of a search run, or what a reindex run did.

    Args:
        lake: the data lake.
        run: id of the run.
        picture: local file to write the picture of a search to.

    Raises:
        UserError: there is no such run, or a picture is asked of a run that is no search.
    """
    console = open_console()
    answer = layout.run(run, "result.json")
    if not lake.exists(answer):
        if picture:
            raise UserError(f"run {run} has no picture; only a search has one")
        show_reindex(console, lake, run)
        return
    found = lake.read_json(answer)
    show_results(console, found["query"], found["release"], found["results"])
    if picture:
        save_picture(lake, run, picture)


def save_picture(lake: Store, run: str, target: Path) -> None:
    """Writes the picture of a search to a local file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(lake.read(layout.run(run, "result.png")))
