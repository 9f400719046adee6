"""The ranking that a release was published with: its settings and the mean that centres."""

import numpy as np
import numpy.typing as npt
import pydantic

from tasks.index.ranking import PLAIN, Ranking
from tasks.lake import layout
from tasks.lake.arrays import read_npy_batches
from tasks.lake.manifest import Manifest
from tasks.lake.store import Store


def ranking_of(release: Manifest) -> Ranking:
    """Returns the settings of a release; one that ranks in a way unknown here: by similarity."""
    pinned = release.pipeline.get("ranking")
    if pinned is None:
        return PLAIN
    try:
        return Ranking.model_validate(pinned)
    except pydantic.ValidationError:
        return PLAIN.model_copy(update={"centre": layout.MEAN_VECTOR in release.artifacts})


def read_mean(lake: Store, release: Manifest) -> npt.NDArray[np.float32] | None:
    """Returns the mean (d,) that centres a release's vectors, or None if they are not centred.

    Raises:
        DamagedError: the mean is missing or not what was stored.
    """
    if not ranking_of(release).centre:
        return None
    (mean,) = read_npy_batches(lake, release.artifacts[layout.MEAN_VECTOR], 2**20)
    return np.asarray(mean, np.float32)


def usually_wrong_below(lake: Store, release: Manifest) -> float | None:
    """Returns the score below which first hits turned out wrong more often than right, if known."""
    try:
        found = lake.read_json(layout.release(release.version, layout.EVALUATION))
        score = found["calibration"]["usually_wrong_below"]
        return None if score is None else float(score)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
