"""The rows nearest to a vector: the index proposes candidates, exact cosine similarity disposes."""

import faiss
import numpy as np
import numpy.typing as npt

from tasks.index.cosine import get_cosine_similarity, normalize
from tasks.index.rows import Ids, RowReader, read_batches
from tasks.index.vector_index import Vectors, propose

OVERSAMPLE = 10
_MIN_CANDIDATES = 100

Scores = npt.NDArray[np.float64]


def find_nearest(
    index: faiss.Index, vectors: RowReader, query: Vectors, n: int, oversample: int = OVERSAMPLE
) -> tuple[Ids, Scores]:
    """Returns the `n` rows most similar to a vector, of N rows.

    Args:
        index: the index over `vectors`.
        vectors: rows (N, d) float32, of any length.
        query: (d,) float32, of any length.
        n: how many, at least 1.
        oversample: candidates that are scored exactly for each row wanted.

    Returns:
        Row numbers and cosine similarities, (min(n, N),) each: best first, equal ones in row order.
    """
    candidates = _candidates(index, query, n, max(oversample * n, _MIN_CANDIDATES))
    # float64: what differs in float32 must not tie by rounding, or a near copy would rank by row.
    exact_query = query.astype(np.float64)
    scores = np.concatenate(
        [get_cosine_similarity(rows, exact_query) for rows in read_batches(vectors, candidates)]
    )
    best = np.argsort(-scores, kind="stable")[:n]
    return candidates[best], scores[best]


def _candidates(index: faiss.Index, query: Vectors, n: int, wanted: int) -> Ids:
    """Returns the rows to score, ascending: at least `n`, or all there are."""
    if not query.any():
        return np.arange(min(n, index.ntotal))  # all rows are equally dissimilar to it
    if wanted < index.ntotal:
        # Too few are proposed if the lists searched are short, and none by FAISS 1.15 if the query
        # is the centre of the index (see facebookresearch/faiss#5381).
        proposed = propose(index, normalize(query)[np.newaxis], wanted)[0]
        proposed = np.sort(proposed[proposed >= 0])
        if len(proposed) >= n:
            return proposed
    return np.arange(index.ntotal)
