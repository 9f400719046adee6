"""Each labelled image asks for those like it: what comes back, and how good that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.evaluation.metrics import (
    Figures,
    average_precision,
    ndcg_at,
    precision_at,
    recall_at,
)
from tasks.index.cosine import get_cosine_similarity
from tasks.index.ranking import Ranking
from tasks.index.rerank import rerank

_BLOCK = 256
KEPT = 10  # hits of each query that stay known

# What is measured; each name is a key of `evaluation.json`.
METRICS = (
    "precision_at_1",
    "precision_at_5",
    "mean_average_precision",
    "recall_at_10",
    "ndcg_at_10",
)


@dataclass(frozen=True)
class Answers:
    """What the queries got.

    Attributes:
        queries: (q,) row of each query; only images that have another one of their label ask.
        hits: (q, k) rows of the first hits, best first, -1 where there are fewer.
        scores: (q, k) their cosines.
        figures: (q,) by metric.
    """

    queries: npt.NDArray[np.int64]
    hits: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    figures: dict[str, Figures]


def leave_one_out(  # pylint: disable=too-many-locals  # the bookkeeping of a block
    vectors: npt.NDArray[np.float32], labels: Sequence[str], ranking: Ranking
) -> Answers:
    """Asks with each image for all others, exactly, in the order that a release ranks them.

    At least two images have the same label.

    Args:
        vectors: (n, d), centred as the release wants it.
        labels: (n,) of the images.
        ranking: of the release.
    """
    _, codes, counts = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    queries = np.flatnonzero(counts[codes] > 1)
    hits, scores, figures = [], [], []
    for start in range(0, len(queries), _BLOCK):
        block = queries[start : start + _BLOCK]
        similar = get_cosine_similarity(vectors[block], vectors)
        similar[np.arange(len(block)), block] = -np.inf
        order = np.argsort(-similar, axis=1, kind="stable")[:, :-1]
        if ranking.candidates:
            for query, row in zip(block, order, strict=True):
                _rerank_first(row, vectors[query], vectors, ranking)
        hits.append(order[:, :KEPT])
        scores.append(np.take_along_axis(similar, order[:, :KEPT], axis=1))
        figures.append(_figures(codes[order] == codes[block, np.newaxis], counts[codes[block]] - 1))
    return Answers(
        queries,
        np.concatenate(hits),
        np.concatenate(scores),
        {metric: np.concatenate([part[metric] for part in figures]) for metric in METRICS},
    )


def _rerank_first(
    row: npt.NDArray[np.int64],
    query: npt.NDArray[np.float32],
    vectors: npt.NDArray[np.float32],
    ranking: Ranking,
) -> None:
    first = row[: ranking.candidates].copy()
    row[: len(first)] = first[rerank(query, vectors[first], ranking)]


def _figures(relevant: npt.NDArray[np.bool_], total: npt.NDArray[np.int64]) -> dict[str, Figures]:
    return {
        "precision_at_1": precision_at(relevant, 1),
        "precision_at_5": precision_at(relevant, 5),
        "mean_average_precision": average_precision(relevant, total),
        "recall_at_10": recall_at(relevant, total, 10),
        "ndcg_at_10": ndcg_at(relevant, total, 10),
    }
