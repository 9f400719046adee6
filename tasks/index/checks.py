"""What an index must live up to before it is published, measured on samples."""

from collections.abc import Callable
from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt

from tasks.index.cosine import get_cosine_similarity
from tasks.index.nearest import find_nearest_to_each, first_candidates
from tasks.index.rows import Ids, RememberedRows, RowReader, Scores, read_batches

# Scores closer than this are equal: the exact scan gives float32, the search float64.
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class IndexChecks:
    """How good an index is.

    Attributes:
        recall: the share of the truly nearest rows that a search finds, over sampled rows. A found
            row counts if it is as similar as the last of the nearest: of equal ones, any will do.
        self_hits: the share of the sampled rows that find themselves first, or an equal of
            themselves.
    """

    recall: float
    self_hits: float


def check_index(
    index: faiss.Index, vectors: RowReader, k: int = 10, sample: int = 100, seed: int = 0
) -> IndexChecks:
    """Searches for sampled rows and compares with what is there.

    Args:
        index: the index over `vectors`.
        vectors: rows (N, d) float32, N at least 1; read once from first to last, and hardly a row
            besides: the candidates of the searches are held as they pass by.
        k: how many rows a search asks for.
        sample: how many rows to search for.
        seed: of the sample.
    """
    ids = _sample_ids(len(vectors), sample, seed)
    queries = vectors.read_rows(ids)
    candidates = first_candidates(index, queries, k)
    rows = RememberedRows(vectors, len(candidates), candidates)
    least = _kth_best(rows, queries, min(k, len(rows)))
    found = [scores for _, scores in find_nearest_to_each(index, rows, queries, k)]
    hits = [
        nearest[0] == row or scores[0] >= get_cosine_similarity(query, query) - _TOLERANCE
        for row, query, (nearest, scores) in zip(
            ids, queries, find_nearest_to_each(index, rows, queries, 1), strict=True
        )
    ]
    return IndexChecks(_share_found(found, least), float(np.mean(hits)))


def recall_of(
    find: Callable[[npt.NDArray[np.float32]], Scores],
    vectors: RowReader,
    k: int = 10,
    sample: int = 100,
    seed: int = 0,
) -> float:
    """Returns the recall of any way to search; see `IndexChecks`.

    Args:
        find: returns the similarities of the `k` rows that it finds for a query (d,), or of all.
        vectors: rows (N, d) float32, N at least 1; read once from first to last.
        k: how many rows a search asks for.
        sample: how many rows to search for.
        seed: of the sample.
    """
    ids = _sample_ids(len(vectors), sample, seed)
    queries = vectors.read_rows(ids)
    found = [find(query) for query in queries]
    return _share_found(found, _kth_best(vectors, queries, min(k, len(vectors))))


def _share_found(found: list[Scores], least: npt.NDArray[np.float32]) -> float:
    return float(np.mean(np.stack(found) >= least[:, np.newaxis] - _TOLERANCE))


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
