"""From the score of a hit to the probability that it is right."""

import numpy as np
import numpy.typing as npt
import pydantic

Values = npt.NDArray[np.float64]


class Calibration(pydantic.BaseModel):
    """How often first hits of a score were right: a rising staircase.

    Attributes:
        scores: where each step begins, ascending.
        probabilities: of each step.
        usually_wrong_below: first hits below this score were wrong more often than right; None if
            there is no such score, or too few answers to tell.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    scores: list[float]
    probabilities: list[float]
    usually_wrong_below: float | None

    def probability(self, score: float) -> float | None:
        """Returns how often hits of about this score were right; None without a measurement."""
        if not self.scores:
            return None
        step = int(np.searchsorted(self.scores, score, side="right")) - 1
        return self.probabilities[max(0, step)]


# Fewer answers than this below a score say nothing of it.
_LEAST_ANSWERS = 20


def calibrate(scores: Values, right: npt.NDArray[np.bool_]) -> Calibration:
    """Fits the rising staircase with the least squared error (isotonic regression).

    Args:
        scores: (n,) of the first hits.
        right: (n,) whether they were.
    """
    steps: list[tuple[float, float, int]] = []  # where it begins, mean, how many
    for score in np.unique(scores):
        here = right[scores == score]
        step = (float(score), float(here.mean()), len(here))
        while steps and steps[-1][1] >= step[1]:
            begin, mean, count = steps.pop()
            total = count + step[2]
            step = (begin, (mean * count + step[1] * step[2]) / total, total)
        steps.append(step)
    below = sum(count for _, mean, count in steps if mean < 0.5)
    usually_right = [begin for begin, mean, _ in steps if mean >= 0.5]
    known = below >= _LEAST_ANSWERS and usually_right
    return Calibration(
        scores=[begin for begin, _, _ in steps],
        probabilities=[mean for _, mean, _ in steps],
        usually_wrong_below=usually_right[0] if known else None,
    )
