"""Searching from a terminal: load once, ask for a query, answer, ask again."""

from pathlib import Path

from tasks.errors import UserError
from tasks.lake.store import DamagedError, Store
from tasks.searcher import Searcher
from tasks.settings import Settings
from tasks.tables import open_console, show_results


def ask_and_answer(  # pylint: disable=too-many-arguments  # what the command line asks for
    lake: Store,
    settings: Settings,
    top_n: int,
    allowed: tuple[str, ...],
    picture: Path | None,
    *,
    explained: bool = False,
) -> None:
    """Answers queries until CTRL-C or CTRL-D.

    Args:
        lake: the data lake.
        settings: of this machine.
        top_n: how many images to find for each query.
        allowed: folders that pictures may come from, besides those of the settings.
        picture: where to draw each answer; `result.png` in the current folder if None.
        explained: whether to draw which regions made query and hits similar.
    """
    console = open_console()
    searcher = Searcher(lake, settings, few=not explained)
    target = picture or Path("result.png")
    images = searcher.release.counts.images
    console.print(
        f"Release {searcher.release.version}, {images} images. CTRL-C or CTRL-D ends.",
    )
    while True:
        try:
            query = input("Query image (name, path or URI): ").strip()
            if not query:
                continue
            answer = searcher.search(query, top_n, allowed)
            show_results(console, answer.query, answer.release, answer.results)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(answer.draw(answer.explain() if explained else None))
            console.print(f"Picture: {target.absolute()}", soft_wrap=True)
        except UserError as error:
            console.print(f"error: {error}", markup=False, soft_wrap=True)
        except DamagedError as error:
            advice = "unless it was pruned, `verify` says more; start again for the current release"
            console.print(f"error: {error}; {advice}", markup=False, soft_wrap=True)
        except (EOFError, KeyboardInterrupt):
            console.print()
            return
