"""Searching for many queries: load once, one line of JSON an answer, as soon as it is there."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from tasks.errors import UserError
from tasks.lake.store import DamagedError, Store, TransferError
from tasks.searcher import Searcher
from tasks.settings import Settings


@dataclass
class Tally:
    """How many queries there were, and how many of them could not be answered."""

    queries: int = 0
    failed: int = 0


def read_queries(file: Iterable[str]) -> Iterator[str]:
    """Yields the queries of a text file, one a line; empty lines are left out."""
    for number, line in enumerate(file):
        query = line.strip().removeprefix("\ufeff" if number == 0 else "")
        if query:
            yield query


def search_batch(  # pylint: disable=too-many-arguments,too-many-positional-arguments  # what the command line asks for
    lake: Store,
    settings: Settings,
    queries: Iterable[str],
    top_n: int,
    allowed: tuple[str, ...],
    output: IO[str],
) -> Tally:
    """Answers queries one by one; one that cannot be answered does not stop the rest.

    Args:
        lake: the data lake.
        settings: of this machine.
        queries: see `Searcher.search`.
        top_n: how many images to find for each.
        allowed: folders that pictures may come from, besides those of the settings.
        output: where to write a line for each query, in their order: `query`, `release`, `results`
            and `warning`, or `query`, `release` and `error`.

    Raises:
        UserError: there is no release.
    """
    searcher = Searcher(lake, settings)
    tally = Tally()
    for query in queries:
        line = _answer(searcher, query, top_n, allowed)
        tally.queries += 1
        tally.failed += "error" in line
        output.write(json.dumps(line) + "\n")
        output.flush()
    return tally


def _answer(searcher: Searcher, query: str, top_n: int, allowed: tuple[str, ...]) -> dict[str, Any]:
    try:
        return searcher.search(query, top_n, allowed).document()
    except (UserError, DamagedError, TransferError) as error:
        reason = " ".join(str(error).split())
        return {"query": query, "release": searcher.release.version, "error": reason}
