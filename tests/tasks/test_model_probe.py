import numpy as np
import numpy.typing as npt
import pytest

from tasks.errors import UserError
from tasks.imaging.preprocessing import Preprocessing
from tasks.lake.store import Store
from tasks.model_probe import require_same_vectors
from tasks.vectorizer.batches import Images
from tests.tasks.pipeline import embed_new, save_photo, settings_for_tests


class Turned:
    """A vectorizer whose vectors are the sums of each channel, one of them times a factor."""

    dimensions = 3

    def __init__(self, factor: float) -> None:
        self._factors = np.array([1, 1, factor], np.float32)

    def transform(self, images: Images) -> npt.NDArray[np.float32]:
        return np.abs(np.asarray(images)).sum(axis=(1, 2)) * self._factors


def test_vectorizers_that_compute_nearly_the_same_pass() -> None:
    require_same_vectors(Turned(1), Turned(1.001), Preprocessing(), 0.999)


def test_vectorizers_that_compute_something_else_do_not() -> None:
    with pytest.raises(UserError, match="this machine computes other vectors"):
        require_same_vectors(Turned(1), Turned(3), Preprocessing(), 0.999)


def test_a_missing_gpu_is_told_and_the_cpu_does_not_step_in(lake: Store) -> None:
    master = lake.local_path("master")
    assert master
    save_photo(master / "a.jpg")
    with pytest.raises(UserError, match="device is cuda, but ONNX Runtime"):
        embed_new(lake, "r", settings_for_tests(device="cuda"))
