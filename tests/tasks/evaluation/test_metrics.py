import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from tasks.evaluation.metrics import (
    average_precision,
    bootstrap_interval,
    ndcg_at,
    precision_at,
    recall_at,
)

# Right, wrong, right, wrong, wrong, right; and two more right ones that were not found.
RELEVANT = np.array([[1, 0, 1, 0, 0, 1]], dtype=bool)
TOTAL = np.array([5])


@pytest.mark.parametrize(("k", "expected"), [(1, 1), (2, 1 / 2), (3, 2 / 3), (5, 2 / 5)])
def test_precision_is_the_share_of_right_answers(k: int, expected: float) -> None:
    assert precision_at(RELEVANT, k) == pytest.approx([expected])


def test_answers_that_are_missing_count_as_wrong() -> None:
    assert precision_at(RELEVANT, 12) == pytest.approx([3 / 12])


@pytest.mark.parametrize(("k", "expected"), [(1, 1 / 5), (3, 2 / 5), (6, 3 / 5), (99, 3 / 5)])
def test_recall_is_the_share_of_right_ones_found(k: int, expected: float) -> None:
    assert recall_at(RELEVANT, TOTAL, k) == pytest.approx([expected])


def test_average_precision_by_hand() -> None:
    assert average_precision(RELEVANT, TOTAL) == pytest.approx([(1 / 1 + 2 / 3 + 3 / 6) / 5])


def test_ndcg_by_hand() -> None:
    gain = 1 / np.log2(2) + 1 / np.log2(4)
    best = 1 / np.log2(2) + 1 / np.log2(3) + 1 / np.log2(4)
    assert ndcg_at(RELEVANT, TOTAL, 3) == pytest.approx([gain / best])


def test_a_perfect_answer_has_one_and_a_wrong_one_zero() -> None:
    relevant = np.array([[1, 1, 0, 0], [0, 0, 0, 0]], dtype=bool)
    total = np.array([2, 2])
    for figures in (
        precision_at(relevant, 2),
        recall_at(relevant, total, 2),
        average_precision(relevant, total),
        ndcg_at(relevant, total, 4),
    ):
        assert figures == pytest.approx([1, 0])


def test_a_query_without_a_right_answer_has_no_figure() -> None:
    relevant, total = np.zeros((1, 4), dtype=bool), np.array([0])
    assert np.isnan(recall_at(relevant, total, 2)).all()
    assert np.isnan(average_precision(relevant, total)).all()
    assert np.isnan(ndcg_at(relevant, total, 2)).all()


@pytest.mark.parametrize("seed", range(20))
def test_scikit_learn_comes_to_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    relevant = rng.random((5, 40)) < 0.3
    relevant[:, 7] = True
    total = relevant.sum(axis=1)
    scores = np.tile(np.linspace(1, 0, 40), (5, 1))
    assert average_precision(relevant, total) == pytest.approx(
        [average_precision_score(row, score) for row, score in zip(relevant, scores, strict=True)]
    )
    for k in (1, 5, 10, 40):
        expected = [
            ndcg_score([row], [score], k=k) for row, score in zip(relevant, scores, strict=True)
        ]
        assert ndcg_at(relevant, total, k) == pytest.approx(expected)


def test_the_interval_holds_the_mean_and_narrows_with_more_queries() -> None:
    rng = np.random.default_rng(0)
    few, many = rng.random(50), rng.random(5000)
    for figures in (few, many):
        low, high = bootstrap_interval(figures)
        assert low < figures.mean() < high
    narrow, wide = (np.ptp(bootstrap_interval(figures)) for figures in (many, few))
    assert narrow < wide / 5


def test_the_interval_is_that_of_the_standard_error() -> None:
    figures = np.random.default_rng(1).random(2000)
    error = figures.std() / np.sqrt(len(figures))
    low, high = bootstrap_interval(figures, resamples=4000)
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.1)


def test_the_interval_leaves_out_queries_without_a_figure() -> None:
    figures = np.array([0.0, 1.0, 1.0])
    padded = np.append(figures, [np.nan] * 50)
    assert bootstrap_interval(padded) == bootstrap_interval(figures)
    assert np.isnan(bootstrap_interval(np.array([np.nan]))).all()
