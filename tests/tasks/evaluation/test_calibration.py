import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from tasks.evaluation.calibration import calibrate


@pytest.mark.parametrize("seed", range(5))
def test_scikit_learn_comes_to_the_same_staircase(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = np.round(rng.random(200), 2)
    right = rng.random(200) < scores
    fitted = calibrate(scores, right)
    other = IsotonicRegression().fit(scores, right.astype(float))
    expected = other.predict(scores)
    assert [fitted.probability(score) for score in scores] == pytest.approx(expected)


def test_usually_wrong_ends_where_hits_become_right_more_often_than_not() -> None:
    scores = np.linspace(0, 1, 100)
    fitted = calibrate(scores, scores > 0.4)
    assert fitted.usually_wrong_below == pytest.approx(0.4, abs=0.02)


def test_a_few_wrong_answers_say_nothing() -> None:
    scores = np.linspace(0, 1, 100)
    assert calibrate(scores, scores > 0.05).usually_wrong_below is None
    assert calibrate(scores, scores > -1).usually_wrong_below is None
    assert calibrate(np.empty(0), np.empty(0, bool)).probability(0.5) is None
