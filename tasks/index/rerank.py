"""The order of candidates: each is judged by the neighbours that it shares with the query.

This is k-reciprocal encoding (Zhong, Zheng, Cao and Li: Re-ranking Person Re-identification with
k-reciprocal Encoding, CVPR 2017, https://arxiv.org/abs/1701.08398), kept to what one search looks
at, and with cosine similarities.
"""

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
_Matrix = npt.NDArray[np.float32]
_Members = npt.NDArray[np.bool_]


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
    """Returns how relevant candidates are to a query, judged by the neighbours they share.

    Two are reciprocal neighbours if each is among the most similar of the other. What looks alike
    by accident has other neighbours.

    Args:
        query: (d,), centred as the release wants it, of any length.
        candidates: (n, d), the same, most similar first.
        ranking: of the release.

    Returns:
        (n,): Jaccard similarities of the neighbourhoods, weighted with the cosines, at most 1; 2
        more for the same picture as the query.
    """
    direction = query / (np.abs(query).max() or 1)
    similar = _cosines(np.concatenate([direction[np.newaxis], candidates]))
    encoded = _encode(similar, ranking)
    # Each row sums to 1, so what two have together is 2 less what they share.
    shared = np.minimum(encoded, encoded[0]).sum(axis=1)
    jaccard = shared / (2 - shared)
    weight = ranking.cosine_weight
    found = (1 - weight) * jaccard + weight * similar[0] + 2.0 * (similar[0] >= 1 - _SAME)
    return np.asarray(found[1:], np.float64)


def _firsts(candidates: Vectors) -> Ids:
    """Returns (n,) where the run of equal vectors begins that each is in: rounding orders none."""
    begins = np.ones(len(candidates), np.bool_)
    begins[1:] = (candidates[1:] != candidates[:-1]).any(axis=1)
    return np.maximum.accumulate(np.where(begins, np.arange(len(candidates)), 0))


def _cosines(vectors: Vectors) -> _Matrix:
    """Returns (n, n) the cosine of each with each; 0 for what has no direction."""
    products = vectors @ vectors.T
    lengths = np.sqrt(np.diagonal(products))
    inverse = np.where(lengths > 0, 1 / np.where(lengths > 0, lengths, 1), 0)
    products *= inverse
    products *= inverse[:, np.newaxis]
    return products


def _encode(similar: _Matrix, ranking: Ranking) -> _Matrix:
    """Returns for each node (row) how much each other is its neighbour; rows sum to 1."""
    nearest = _nearest(similar, max(ranking.neighbours, ranking.averaged - 1))
    reciprocal = _reciprocal(nearest[:, : 1 + ranking.neighbours])
    half = (min(ranking.neighbours, len(similar) - 1) + 1) // 2
    closest = _reciprocal(nearest[:, : 1 + max(1, half)])
    neighbours = reciprocal | _neighbours_of_neighbours(reciprocal, closest)
    # exp(-d) of the squared Euclidean distance d of two unit vectors.
    encoded = np.where(neighbours, np.exp(2 * similar - 2), np.float32(0))
    encoded /= encoded.sum(axis=1, keepdims=True)
    return np.asarray(encoded[nearest[:, : ranking.averaged]].mean(axis=1), np.float32)


def _nearest(similar: _Matrix, count: int) -> Ids:
    """Returns (n, 1 + count) the most similar of each node, itself first, then in order."""
    kept = min(1 + count, len(similar))
    distance = -similar
    np.fill_diagonal(distance, -np.inf)
    # Sorting all takes four times as long.
    nearest = np.argpartition(distance, kept - 1, axis=1)[:, :kept]
    order = np.argsort(np.take_along_axis(distance, nearest, axis=1), axis=1, kind="stable")
    return np.take_along_axis(nearest, order, axis=1)


def _reciprocal(nearest: Ids) -> _Members:
    """Returns (n, n) whether two are among the most similar of each other."""
    near = np.zeros((len(nearest), len(nearest)), np.bool_)
    np.put_along_axis(near, nearest, True, axis=1)
    return near & near.T


def _neighbours_of_neighbours(reciprocal: _Members, closest: _Members) -> _Members:
    """Returns whose close neighbours join in: those of whom most are one's neighbours already."""
    near = closest.astype(np.float32)  # symmetric
    shared = reciprocal.astype(np.float32) @ near
    trusted = reciprocal & (shared > near.sum(axis=1) * np.float32(2 / 3))
    return np.asarray(trusted.astype(np.float32) @ near > 0, np.bool_)
