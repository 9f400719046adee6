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
        UserError: there is no such run, a picture is asked of a run that is no search, or what it
            has left is damaged.
    """
    is_search = lake.exists(layout.run(run, "result.json"))
    if picture and not is_search:
        raise UserError(f"run {run} has no picture; only a search has one")
    try:
        (_show_search if is_search else _show_reindex)(lake, run)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(
            f"what run {run} has left in {lake.uri(layout.run(run, ''))} is damaged "
            f"({type(error).__name__}: {error}); run it again"
        ) from error
    if picture:
        save_picture(lake, run, picture)


def _show_search(lake: Store, run: str) -> None:
    found = lake.read_json(layout.run(run, "result.json"))
    show_results(open_console(), found["query"], found["release"], found["results"])


def _show_reindex(lake: Store, run: str) -> None:
    show_reindex(open_console(), lake, run)


def save_picture(lake: Store, run: str, target: Path) -> None:
    """Writes the picture of a search to a local file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(lake.read(layout.run(run, "result.png")))
