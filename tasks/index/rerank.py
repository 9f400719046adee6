"""The order of candidates: each is judged together with its neighbours among them."""

import numpy as np
import numpy.typing as npt

from tasks.index.ranking import Ranking
from tasks.index.rows import Ids

# Of a cosine in float32: closer than this to 1 is the same picture.
_SAME = 1e-6

Vectors = npt.NDArray[np.float32]
Relevances = npt.NDArray[np.float64]


def rerank(query: Vectors, candidates: Vectors, ranking: Ranking) -> Ids:
    """Returns the order of candidates, most relevant first.

    Args:
        query: (d,), centred as the release wants it.
        candidates: (n, d), the same, most similar first.
        ranking: of the release.

    Returns:
        (n,): positions in `candidates`. The same picture as the query comes before all others.
    """
    return np.argsort(-relevances(query, candidates, ranking), kind="stable")


def relevances(query: Vectors, candidates: Vectors, ranking: Ranking) -> Relevances:
    """Returns how relevant candidates are to a query, judged with their neighbours.

    The query and each candidate are averaged with those of the candidates that are most similar to
    them, and compared as averages (database-side augmentation and query expansion, kept to what
    one search looks at). An image that only looks alike by accident has other neighbours.

    Args:
        query: (d,), centred as the release wants it.
        candidates: (n, d), the same, most similar first.
        ranking: of the release.

    Returns:
        (n,): cosines of the averages; those of the same picture as the query are above all others.
    """
    nodes = _unit(np.concatenate([query[np.newaxis], candidates]))
    similar = nodes @ nodes.T
    counts = np.full(len(nodes), ranking.neighbours)
    counts[0] = ranking.query_neighbours
    weights = _weights(similar, counts, ranking.power)
    mixed = weights @ similar
    lengths = np.sqrt(np.vecdot(mixed, weights))
    cosines = (mixed[0] @ weights.T) / np.maximum(lengths * lengths[0], np.finfo(np.float32).tiny)
    return np.asarray(cosines[1:] + 2.0 * (similar[0, 1:] >= 1 - _SAME), np.float64)


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.sqrt(np.vecdot(vectors, vectors))[:, np.newaxis]
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)


def _weights(
    similar: npt.NDArray[np.float32], counts: npt.NDArray[np.int64], power: float
) -> npt.NDArray[np.float32]:
    """Returns the weight of each node in the average of each: 1 for itself, 0 for most."""
    others = similar.copy()
    np.fill_diagonal(others, -np.inf)
    most = min(int(counts.max()), len(similar) - 1)
    nearest = np.argsort(-others, axis=1, kind="stable")[:, :most]
    strength = np.maximum(np.take_along_axis(others, nearest, axis=1), 0) ** np.float32(power)
    strength[np.arange(most) >= counts[:, np.newaxis]] = 0
    weights = np.eye(len(similar), dtype=np.float32)
    np.put_along_axis(weights, nearest, strength, axis=1)
    return weights
