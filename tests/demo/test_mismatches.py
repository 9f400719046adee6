"""Sorting mismatches into causes, and counting what an improvement mended."""

import numpy as np
import pytest

from demo import mismatches
from tasks.evaluation.calibration import calibrate
from tasks.evaluation.leave_one_out import METRICS, leave_one_out
from tasks.index.ranking import PLAIN
from tasks.release_evaluation import Evaluation, Judged, Mismatch


def evaluation(*wrong: str) -> Evaluation:
    found = [
        Mismatch(query=name, label="a", hits=["b"], hit_labels=["b"], scores=[0.5])
        for name in wrong
    ]
    return Evaluation(
        release=1,
        model="m",
        ranking={},
        labels="folders",
        images=9,
        queries=9,
        intervals={},
        by_label={},
        calibration=calibrate(np.array([0.1, 0.9]), np.array([False, True])),
        mismatches=found,
        **dict.fromkeys(METRICS, 0.5),
    )


def test_what_was_wrong_and_is_right_is_mended_and_the_other_way_round_broken() -> None:
    before, after = evaluation("1.jpg", "2.jpg", "3.jpg"), evaluation("3.jpg", "4.jpg")
    assert mismatches.mended(before, after) == (2, 1)


def test_an_image_that_comes_up_for_all_others_is_a_hub() -> None:
    rng = np.random.default_rng(0)
    groups = rng.normal(size=(12, 64))
    vectors = np.repeat(groups, 10, axis=0) + rng.normal(scale=0.1, size=(120, 64))
    hub = groups.mean(axis=0, keepdims=True) * 12
    catalogue = np.asarray(np.concatenate([hub, vectors]), np.float32)
    labels = ["hub", *(str(row // 10) for row in range(120))]
    names = [f"{row}.jpg" for row in range(121)]
    judged = Judged(names, labels, leave_one_out(catalogue, labels, PLAIN))
    assert mismatches.hubs(judged) == {"0.jpg"}


def test_each_mismatch_is_judged_once_and_by_a_cause_that_the_documents_name() -> None:
    judged = mismatches.judgements()
    with mismatches.JUDGED.open(encoding="utf-8") as lines:
        assert sum(1 for _ in lines) == 1 + len(judged)
    assert set(judged.values()) <= set(mismatches.JUDGED_CAUSES)


@pytest.mark.parametrize("cause", ["aspect", "hub", "not judged"])
def test_what_a_rule_tells_is_not_judged(cause: str) -> None:
    assert cause not in mismatches.JUDGED_CAUSES
