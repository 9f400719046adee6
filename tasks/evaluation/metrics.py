"""Metrics of ranked answers: arrays in, one figure for each query out.

Throughout, `relevant` is (n_queries, n_ranks) of bool: whether what a query got at each rank, best
first, is right; and `total` (n_queries,) is how many right ones there are for a query at all.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Relevant = npt.NDArray[np.bool_]
Totals = npt.NDArray[np.int64]
Figures = npt.NDArray[np.float64]


def precision_at(relevant: Relevant, k: int) -> Figures:
    """Returns the share of the first `k` answers that is right; fewer answers count as wrong.

    Returns:
        (n_queries,), within [0, 1].
    """
    return np.asarray(relevant[:, :k].sum(axis=1) / k, np.float64)


def recall_at(relevant: Relevant, total: Totals, k: int) -> Figures:
    """Returns the share of all right ones that is among the first `k` answers.

    Returns:
        (n_queries,), within [0, 1]; NaN for a query without a right answer.
    """
    return _divide(relevant[:, :k].sum(axis=1), total)


def average_precision(relevant: Relevant, total: Totals) -> Figures:
    """Returns the mean of the precision at the rank of each right one; 0 for those not found.

    Returns:
        (n_queries,), within [0, 1]; NaN for a query without a right answer.
    """
    ranks = np.arange(1, relevant.shape[1] + 1)
    precision = np.cumsum(relevant, axis=1) / ranks
    return _divide((precision * relevant).sum(axis=1), total)


def ndcg_at(relevant: Relevant, total: Totals, k: int) -> Figures:
    """Returns the normalized discounted cumulative gain of the first `k` answers; a hit gains 1.

    Returns:
        (n_queries,), within [0, 1]; NaN for a query without a right answer.
    """
    discount = 1 / np.log2(np.arange(2, k + 2))
    gain = relevant[:, :k] @ discount[: relevant.shape[1]]
    best = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(total, k)]
    return _divide(gain, best)


def bootstrap_interval(
    figures: Figures, *, confidence: float = 0.95, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Returns the percentile bootstrap interval of a mean over queries.

    Args:
        figures: (n_queries,), one for each query; NaNs are left out.
        confidence: share of the resampled means inside.
        resamples: how many.
        seed: of the resampling; equal seeds give equal intervals.

    Returns:
        Lower and upper end; both NaN if there is no figure.
    """
    known = figures[~np.isnan(figures)]
    if known.size == 0:
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    means = [rng.choice(known, len(known)).mean() for _ in range(resamples)]
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _divide(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> Figures:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(y > 0, x / y, np.nan), np.float64)
