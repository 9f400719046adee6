"""The order of candidates: each is judged together with its neighbours among them."""

import numpy as np
import numpy.typing as npt
from threadpoolctl import ThreadpoolController

from tasks.index.ranking import Ranking
from tasks.index.rows import Ids

# Of a cosine in float32: closer than this to 1 is the same picture.
_SAME = 1e-6

_threads = ThreadpoolController()  # looks for NumPy's, which is loaded by now

Vectors = npt.NDArray[np.float32]
Relevances = npt.NDArray[np.float64]


def rerank(query: Vectors, candidates: Vectors, ranking: Ranking) -> Ids:
    """Returns the order of candidates, most relevant first.

    Args:
        query: (d,), centred as the release wants it.
        candidates: (n, d), the same, most similar first.
        ranking: of the release.

    Returns:
        (n,): positions in `candidates`. The same picture as the query comes before all others;
        equal candidates, which lie side by side, stay in their order.
    """
    # The products are small, and NumPy's threads would wait in turns for those of FAISS, which
    # spin on when a search is done: 1.5 ms became 35 and more on a machine with other work to do.
    with _threads.limit(limits=1, user_api="blas"):
        found = relevances(query, candidates, ranking)
    return np.argsort(-found[_firsts(candidates)], kind="stable")


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


def _firsts(candidates: Vectors) -> Ids:
    """Returns (n,) where the run of equal vectors begins that each is in: rounding orders none."""
    begins = np.ones(len(candidates), np.bool_)
    begins[1:] = (candidates[1:] != candidates[:-1]).any(axis=1)
    return np.maximum.accumulate(np.where(begins, np.arange(len(candidates)), 0))


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.sqrt(np.vecdot(vectors, vectors))[:, np.newaxis]
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)


def _weights(
    similar: npt.NDArray[np.float32], counts: npt.NDArray[np.int64], power: float
) -> npt.NDArray[np.float32]:
    """Returns the weight of each node in the average of each: 1 for itself, 0 for most."""
    distance = -similar
    np.fill_diagonal(distance, np.inf)
    most = min(int(counts.max()), len(similar) - 1)
    # Those up to each count come first, in whatever order: sorting all takes four times as long.
    # np.unique would load numpy.ma, a twentieth of a search by name.
    ends = sorted(set(np.minimum(counts, most).tolist()))
    nearest = np.argpartition(distance, ends, axis=1)[:, :most]
    strength = np.maximum(-np.take_along_axis(distance, nearest, axis=1), 0) ** np.float32(power)
    strength[np.arange(most) >= counts[:, np.newaxis]] = 0
    weights = np.eye(len(similar), dtype=np.float32)
    np.put_along_axis(weights, nearest, strength, axis=1)
    return weights
