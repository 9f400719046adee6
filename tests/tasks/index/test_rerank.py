import numpy as np
import pytest

from tasks.index.ranking import Ranking
from tasks.index.rerank import relevances, rerank

RNG = np.random.default_rng(0)


def random_vectors(count: int, dimensions: int = 64) -> np.ndarray:
    return RNG.standard_normal((count, dimensions)).astype(np.float32)


def by_the_letter(query: np.ndarray, candidates: np.ndarray, ranking: Ranking) -> np.ndarray:
    """What the docstring says, one vector after the other."""
    nodes = np.concatenate([query[np.newaxis], candidates]).astype(np.float64)
    nodes /= np.linalg.norm(nodes, axis=1, keepdims=True)
    averages = []
    for row, node in enumerate(nodes):
        similar = nodes @ node
        similar[row] = -np.inf
        count = ranking.neighbours if row else ranking.query_neighbours
        nearest = np.argsort(-similar)[:count]
        weights = np.maximum(similar[nearest], 0) ** ranking.power
        average = node + (weights[:, np.newaxis] * nodes[nearest]).sum(axis=0)
        averages.append(average / np.linalg.norm(average))
    return np.stack(averages[1:]) @ averages[0]


@pytest.mark.parametrize(
    "ranking",
    [Ranking(), Ranking(neighbours=2, query_neighbours=0), Ranking(neighbours=99, power=0.5)],
    ids=str,
)
def test_relevance_is_the_cosine_of_averages_with_the_neighbours(ranking: Ranking) -> None:
    query, candidates = random_vectors(1)[0], random_vectors(30)
    expected = by_the_letter(query, candidates, ranking)
    assert relevances(query, candidates, ranking) == pytest.approx(expected, abs=1e-5)


def test_one_that_looks_alike_by_accident_comes_after_those_of_the_querys_kind() -> None:
    kind, other_kind = np.eye(64, dtype=np.float32)[:2]
    noise = 0.6 * random_vectors(41) / 8
    of_kind, others = kind + noise[:20], other_kind + noise[20:40]
    query = kind + noise[40]
    accident = (0.75 * query + 0.75 * other_kind)[np.newaxis]
    candidates = np.concatenate([accident, of_kind, others])
    order = rerank(query, candidates, Ranking())
    assert set(order[:20]) == set(range(1, 21))


@pytest.mark.parametrize("scale", [1, 3])
def test_the_same_picture_comes_first_whatever_speaks_for_others(scale: float) -> None:
    crowd = np.eye(64, dtype=np.float32)[0] + 0.01 * random_vectors(30)
    query = crowd.mean(axis=0) + 2 * random_vectors(1)[0]
    candidates = np.concatenate([crowd, scale * query[np.newaxis]])
    assert rerank(query, candidates, Ranking())[0] == 30


@pytest.mark.parametrize("copies", [2, 12, 40])
def test_equal_candidates_stay_in_their_order_whatever_is_rounded(copies: int) -> None:
    for _ in range(20):
        candidates = np.repeat(random_vectors(150 // copies, 2048), copies, axis=0)
        order = rerank(candidates[-1], candidates, Ranking())
        places = np.argsort(order).reshape(-1, copies)
        assert (np.diff(places) == 1).all()


def test_every_candidate_is_ranked_once_however_few_there_are() -> None:
    for count in (1, 2, 5):
        order = rerank(random_vectors(1)[0], random_vectors(count), Ranking())
        assert sorted(order) == list(range(count))


def test_candidates_without_a_direction_do_no_harm() -> None:
    candidates = random_vectors(5)
    candidates[2] = 0
    assert np.isfinite(relevances(random_vectors(1)[0], candidates, Ranking())).all()
