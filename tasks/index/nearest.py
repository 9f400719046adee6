"""The rows nearest to a vector: the index proposes candidates, exact cosine similarity disposes."""

import faiss
import numpy as np
import numpy.typing as npt

from tasks.index.cosine import get_cosine_similarity, normalize
from tasks.index.rows import Ids, RowReader, read_batches
from tasks.index.vector_index import Vectors, propose

OVERSAMPLE = 10
_MIN_CANDIDATES = 100
_GROWTH = 4
# Bounds what a query reads from an object store where a catalogue has thousands of near copies.
_MAX_GROWTH = 64

Scores = npt.NDArray[np.float64]


def find_nearest(  # pylint: disable=too-many-arguments,too-many-locals  # what a search is made of
    index: faiss.Index,
    vectors: RowReader,
    query: Vectors,
    n: int,
    oversample: int = OVERSAMPLE,
    *,
    more: int = 0,
) -> tuple[Ids, Scores]:
    """Returns the `n` rows most similar to a vector, of N rows.

    Where the candidates leave in doubt that they include the best, more are asked for.

    Args:
        index: the index over `vectors`.
        vectors: rows (N, d) float32, of any length.
        query: (d,) float32, of any length.
        n: how many, at least 1.
        oversample: candidates that are scored exactly at first for each row wanted.
        more: also return what else has been scored, up to this many in all. Their scores are exact,
            but others of such a score may be missing.

    Returns:
        Row numbers and cosine similarities, (min(max(n, more), N),) each: best first, equal ones in
        row order.
    """
    keep = max(n, more)
    if not query.any():
        ids = np.arange(min(keep, index.ntotal))  # all rows are equally dissimilar to it
        return ids, np.zeros(len(ids))
    first = max(oversample * n, _MIN_CANDIDATES)
    wanted, most = max(first, more), max(first * _MAX_GROWTH, more)
    unit_query = normalize(query)[np.newaxis]
    while wanted < index.ntotal:
        proposed, estimates = propose(index, unit_query, wanted)
        is_row = proposed[0] >= 0
        ids, estimate = proposed[0][is_row], estimates[0][is_row]
        if len(ids) < n:
            # The lists searched are short, or the query is the centre of the index, for which
            # FAISS 1.15 proposes nothing (see facebookresearch/faiss#5381).
            break
        scores = _score(vectors, ids, query)
        if len(ids) < wanted or wanted == most or _is_complete(scores, estimate, n):
            return _rank(ids, scores, keep)
        wanted = min(wanted * _GROWTH, most)
    ids = np.arange(index.ntotal)
    return _rank(ids, _score(vectors, ids, query), keep)


def _score(vectors: RowReader, ids: Ids, query: Vectors) -> Scores:
    # float64: what differs in float32 must not tie by rounding, or a near copy would rank by row.
    exact_query = query.astype(np.float64)
    batches = read_batches(vectors, ids)
    return np.concatenate([get_cosine_similarity(rows, exact_query) for rows in batches])


def _is_complete(scores: Scores, estimates: Vectors, n: int) -> bool:
    """Returns whether rows not proposed are unlikely to be of the `n` best.

    Their estimates are lower than all here. That may be too low by the error the estimates have
    here: it is larger than the differences among near copies, as the pictures of one scene are.
    """
    error = np.sqrt(np.mean((scores - estimates) ** 2))
    return bool(estimates.min() + 2 * error < np.partition(scores, -n)[-n])


def _rank(ids: Ids, scores: Scores, n: int) -> tuple[Ids, Scores]:
    best = np.lexsort((ids, -scores))[:n]
    return ids[best], scores[best]
