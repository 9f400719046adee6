import numpy as np

from tasks.evaluation.charts import precision_by_label, score_distributions


def test_scores_that_hardly_differ_are_drawn() -> None:
    one = np.float32(1)
    scores = np.array([one, np.nextafter(one, np.float32(0))])
    assert score_distributions(scores, np.array([True, False])).startswith("<svg")


def test_of_very_many_labels_the_weakest_are_drawn() -> None:
    figures = {"queries": 2.0, "precision_at_1": 0.5}
    by_label = {f"l{i:03}": {**figures, "mean_average_precision": i / 999} for i in range(999)}
    drawn = precision_by_label(by_label)
    assert ("l000 (2)" in drawn, "l998 (2)" in drawn) == (True, False)
