"""What an index must live up to before it is published, measured on samples."""

import faiss
import numpy as np
import numpy.typing as npt

from tasks.index.cosine import get_cosine_similarity
from tasks.index.nearest import find_nearest
from tasks.index.rows import Ids, RowReader, read_batches

# Scores closer than this are equal: the exact scan gives float32, the search float64.
_TOLERANCE = 1e-6


def recall_at(
    index: faiss.Index, vectors: RowReader, k: int = 10, sample: int = 100, seed: int = 0
) -> float:
    """Returns the share of the `k` truly nearest rows that a search finds, over sampled rows.

    A found row counts if it is as similar as the k-th nearest: of equal ones, any will do.

    Args:
        index: the index over `vectors`.
        vectors: rows (N, d) float32, N at least 1; read once from first to last.
        k: how many rows a search asks for.
        sample: how many rows to search for.
        seed: of the sample.
    """
    ids = _sample_ids(len(vectors), sample, seed)
    queries = vectors.read_rows(ids)
    found = [find_nearest(index, vectors, query, k)[1] for query in queries]
    least = _kth_best(vectors, queries, min(k, len(vectors)))
    return float(np.mean(np.stack(found) >= least[:, np.newaxis] - _TOLERANCE))


def self_hits(index: faiss.Index, vectors: RowReader, sample: int = 100, seed: int = 0) -> float:
    """Returns the share of sampled rows that find themselves first, or an equal of themselves.

    Args:
        index: the index over `vectors`.
        vectors: rows (N, d) float32, N at least 1.
        sample: how many rows to search for.
        seed: of the sample.
    """
    ids = _sample_ids(len(vectors), sample, seed)
    hits = []
    for row, query in zip(ids, vectors.read_rows(ids), strict=True):
        nearest, scores = find_nearest(index, vectors, query, 1)
        own = get_cosine_similarity(query, query)
        hits.append(nearest[0] == row or scores[0] >= own - _TOLERANCE)
    return float(np.mean(hits))


def _sample_ids(count: int, sample: int, seed: int) -> Ids:
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(count, min(sample, count), replace=False))


def _kth_best(
    vectors: RowReader, queries: npt.NDArray[np.float32], k: int
) -> npt.NDArray[np.float32]:
    """Scans all rows for the similarity of the k-th nearest to each query (m, d); shape (m,)."""
    best = np.empty((len(queries), 0), dtype=np.float32)
    for rows in read_batches(vectors, np.arange(len(vectors))):
        best = np.hstack([best, get_cosine_similarity(queries, rows)])
        best = np.partition(best, -k, axis=1)[:, -k:] if best.shape[1] > k else best
    kth_best: npt.NDArray[np.float32] = best.min(axis=1)
    return kth_best
