import numpy as np
import pytest

from tasks.index.ranking import Ranking
from tasks.index.rerank import relevances, rerank

RNG = np.random.default_rng(0)


def random_vectors(count: int, dimensions: int = 64) -> np.ndarray:
    return RNG.standard_normal((count, dimensions)).astype(np.float32)


def by_the_letter(query: np.ndarray, candidates: np.ndarray, ranking: Ranking) -> list[float]:
    """What the paper says, one set after the other."""
    nodes = np.concatenate([query[np.newaxis], candidates]).astype(np.float64)
    nodes /= np.linalg.norm(nodes, axis=1, keepdims=True)
    everyone = range(len(nodes))
    distance = ((nodes[:, np.newaxis] - nodes) ** 2).sum(axis=2)
    nearest = [
        sorted(everyone, key=lambda other, one=one: distance[one, other]) for one in everyone
    ]

    def reciprocal(one: int, k: int) -> set[int]:
        return {other for other in nearest[one][: k + 1] if one in nearest[other][: k + 1]}

    def encoded(one: int) -> np.ndarray:
        k = min(ranking.neighbours, len(nodes) - 1)
        neighbours = reciprocal(one, k)
        for other in list(neighbours):
            joining = reciprocal(other, max(1, (k + 1) // 2))
            if len(joining & reciprocal(one, k)) > 2 / 3 * len(joining):
                neighbours |= joining
        weights = np.array([np.exp(-distance[one, it]) * (it in neighbours) for it in everyone])
        return weights / weights.sum()

    codes = [encoded(one) for one in everyone]
    query_code, *others = (
        np.mean([codes[near] for near in nearest[one][: ranking.averaged]], axis=0)
        for one in everyone
    )
    share = ranking.cosine_weight
    return [
        (1 - share) * np.minimum(query_code, code).sum() / np.maximum(query_code, code).sum()
        + share * nodes[0] @ nodes[1 + row]
        for row, code in enumerate(others)
    ]


@pytest.mark.parametrize(
    "ranking",
    [
        Ranking(),
        Ranking(neighbours=2, averaged=1),
        Ranking(neighbours=7, averaged=6, cosine_weight=0.5),
        Ranking(neighbours=99),
        Ranking(averaged=99, cosine_weight=0),
    ],
    ids=str,
)
@pytest.mark.parametrize("count", [1, 2, 60])
def test_relevance_is_that_of_the_paper(ranking: Ranking, count: int) -> None:
    query, candidates = random_vectors(1, 8)[0], random_vectors(count, 8)
    expected = by_the_letter(query, candidates, ranking)
    assert relevances(query, candidates, ranking) == pytest.approx(expected, abs=1e-5)


def test_a_neighbourhood_takes_in_those_of_whom_most_belong_to_it() -> None:
    one, two = np.eye(2, 8, dtype=np.float32)
    chain = np.stack([np.cos(angle) * one + np.sin(angle) * two for angle in np.arange(12) / 12])
    alone = relevances(chain[0], chain[1:], Ranking(neighbours=4, averaged=1, cosine_weight=0))
    assert alone[3] > 0  # beyond the four that are nearest, some neighbours are shared
    assert not alone[9:].any()


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


@pytest.mark.parametrize("scale", [1e-30, 1e25])
def test_the_length_of_the_query_changes_nothing(scale: float) -> None:
    query, candidates = random_vectors(1)[0], random_vectors(30)
    expected = relevances(query, candidates, Ranking())
    found = relevances(query * np.float32(scale), candidates, Ranking())
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_query_without_a_direction_does_no_harm() -> None:
    assert np.isfinite(relevances(np.zeros(64, np.float32), random_vectors(5), Ranking())).all()


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
