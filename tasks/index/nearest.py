"""The rows nearest to a vector: the index proposes candidates, exact cosine similarity disposes."""

from collections import deque
from collections.abc import Generator
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from tasks.index.cosine import get_cosine_similarity, normalize
from tasks.index.rows import BATCH_ROWS, Ids, RowReader, Scores, Vectors, read_batches
from tasks.index.vector_index import propose

OVERSAMPLE = 10
_MIN_CANDIDATES = 100
_GROWTH = 4
# Bounds what a query reads from an object store where a catalogue has thousands of near copies.
_MAX_GROWTH = 64
# Rows at once: with what is computed of them, some 10 MB.
_SCORED_AT_ONCE = 128
# Rows that several searches want in a round: 8 MB of row numbers.
_WANTED_AT_ONCE = 2**20

Nearest = tuple[Ids, Scores]


def find_nearest_to_each(  # pylint: disable=too-many-arguments  # what a search is made of
    index: faiss.Index,
    vectors: RowReader,
    queries: Vectors,
    n: int,
    oversample: int = OVERSAMPLE,
    *,
    more: int = 0,
) -> list[Nearest]:
    """Returns the `n` rows most similar to each of several vectors, of N rows.

    Where the candidates leave in doubt that they include the best, more are asked for. What is
    found for a vector does not depend on the others, to the last bit. A row that several ask for is
    read once, and rows are read in order: from an object store, in blocks instead of one by one.

    Args:
        index: the index over `vectors`.
        vectors: rows (N, d) float32, of any length.
        queries: (m, d) float32, of any length.
        n: how many, at least 1.
        oversample: candidates that are scored exactly at first for each row wanted.
        more: also return what else has been scored, up to this many in all. Their scores are exact,
            but others of such a score may be missing.

    Returns:
        For each query row numbers and cosine similarities, (min(max(n, more), N),) each: best
        first, equal ones in row order.
    """
    searches = [_search(index, query, n, oversample, more) for query in queries]
    found: dict[int, Nearest] = {}
    # Each search that goes on, with the scores that it waits for; none has begun.
    waiting: deque[tuple[int, Any]] = deque((number, None) for number in range(len(searches)))
    while waiting:
        wanted: dict[int, Ids] = {}
        while waiting and sum(map(len, wanted.values())) < _WANTED_AT_ONCE:
            number, scores = waiting.popleft()
            try:
                wanted[number] = searches[number].send(scores)
            except StopIteration as end:
                found[number] = end.value
        if wanted:
            scored = _score(vectors, list(wanted.values()), queries[list(wanted)])
            waiting.extendleft(zip(wanted, scored, strict=True))
    return [found[number] for number in range(len(searches))]


def first_candidates(index: faiss.Index, queries: Vectors, n: int) -> Ids:
    """Returns the rows that searches for the `n` nearest to each of (m, d) score first, ordered."""
    wanted = min(_first(n, OVERSAMPLE, 0), index.ntotal)
    proposed, _ = propose(index, normalize(queries), wanted)
    return np.unique(proposed[proposed >= 0])


def _search(
    index: faiss.Index, query: Vectors, n: int, oversample: int, more: int
) -> Generator[Ids, Scores, Nearest]:
    """Yields rows that are to be scored, is sent their scores, and returns what it has found."""
    keep = max(n, more)
    if not query.any():
        ids = np.arange(min(keep, index.ntotal))  # all rows are equally dissimilar to it
        return ids, np.zeros(len(ids))
    wanted = _first(n, oversample, more)
    most = max(_first(n, oversample, 0) * _MAX_GROWTH, more)
    scored = _Scored()
    while wanted < index.ntotal:
        proposed, estimates = propose(index, normalize(query)[np.newaxis], wanted)
        is_row = proposed[0] >= 0
        ids, estimate = proposed[0][is_row], estimates[0][is_row]
        if len(ids) < n:
            # The lists searched are short, or the query is the centre of the index, for which
            # FAISS 1.15 proposes nothing (see facebookresearch/faiss#5381).
            break
        scores = yield from scored.of(ids)
        if len(ids) < wanted or wanted == most or _is_complete(scores, estimate, n):
            return _rank(ids, scores, keep)
        wanted = min(wanted * _GROWTH, most)
    ids = np.arange(index.ntotal)
    return _rank(ids, (yield from scored.of(ids)), keep)


def _first(n: int, oversample: int, more: int) -> int:
    return max(oversample * n, _MIN_CANDIDATES, more)


class _Scored:
    """The similarities of rows to a query: where more are asked for, no row is read again."""

    def __init__(self) -> None:
        self._ids, self._scores = np.zeros(0, np.int64), np.zeros(0)

    def of(self, ids: Ids) -> Generator[Ids, Scores, Scores]:
        """Yields those of different rows (n,) that are new, and returns the similarities (n,)."""
        new = np.setdiff1d(ids, self._ids, assume_unique=True)  # in their order
        found = yield new
        known = np.concatenate([self._ids, new])
        order = np.argsort(known)
        self._ids, self._scores = known[order], np.concatenate([self._scores, found])[order]
        return self._scores[np.searchsorted(self._ids, ids)]


def _score(vectors: RowReader, wanted: list[Ids], queries: Vectors) -> list[Scores]:
    """Returns the similarities of each query (m, d) to the rows that it wants."""
    # float64: what differs in float32 must not tie by rounding, or a near copy would rank by row.
    exact_queries = queries.astype(np.float64)
    if len(wanted) == 1:
        return [_score_one(vectors, wanted[0], exact_queries[0])]
    rows, whose = np.unique(np.concatenate(wanted), return_inverse=True)
    places = np.split(whose, np.cumsum([len(ids) for ids in wanted])[:-1])
    scores = [np.empty(len(ids)) for ids in wanted]
    start = 0
    for batch in read_batches(vectors, rows, BATCH_ROWS):
        for query, place, out in zip(exact_queries, places, scores, strict=True):
            here = np.flatnonzero((place >= start) & (place < start + len(batch)))
            out[here] = get_cosine_similarity(batch[place[here] - start], query)
        start += len(batch)
    return scores


def _score_one(vectors: RowReader, wanted: Ids, query: npt.NDArray[np.float64]) -> Scores:
    batches = read_batches(vectors, wanted, _SCORED_AT_ONCE)
    found = [get_cosine_similarity(rows, query) for rows in batches]
    return np.concatenate([np.zeros(0), *found])


def _is_complete(scores: Scores, estimates: Vectors, n: int) -> bool:
    """Returns whether rows not proposed are unlikely to be of the `n` best.

    Their estimates are lower than all here. That may be too low by the error the estimates have
    here: it is larger than the differences among near copies, as the pictures of one scene are.
    """
    error = np.sqrt(np.mean((scores - estimates) ** 2))
    return bool(estimates.min() + 2 * error < np.partition(scores, -n)[-n])


def _rank(ids: Ids, scores: Scores, n: int) -> Nearest:
    best = np.lexsort((ids, -scores))[:n]
    return ids[best], scores[best]
