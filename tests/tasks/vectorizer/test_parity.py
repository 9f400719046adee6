import math

import numpy as np
import numpy.typing as npt
import pytest

from tasks.run_plan import preprocessing_of
from tasks.settings import PipelineSettings
from tasks.vectorizer.backbones import BACKBONES, Backbone
from tasks.vectorizer.batches import Images
from tasks.vectorizer.parity import parity, probe_images

IMAGES = np.random.default_rng(0).standard_normal((5, 2, 2, 3), dtype=np.float32)


class Scaled:
    """A vectorizer whose vectors are the pixels, times a factor for each image."""

    dimensions = 12

    def __init__(self, *factors: float) -> None:
        self._factors = np.array(factors, np.float32)[:, np.newaxis]

    def transform(self, images: Images) -> npt.NDArray[np.float32]:
        return np.asarray(images).reshape(len(images), -1) * self._factors


def test_vectorizers_that_differ_in_length_alone_agree() -> None:
    assert parity(Scaled(1), Scaled(7), IMAGES) == pytest.approx(1)


def test_the_one_image_on_which_they_disagree_counts() -> None:
    assert parity(Scaled(1), Scaled(1, 1, 1, -1, 1), IMAGES) == pytest.approx(-1)


@pytest.mark.parametrize("factor", [0, math.nan, math.inf])
def test_vectors_without_a_direction_have_no_parity(factor: float) -> None:
    broken = Scaled(1, 1, factor, 1, 1)
    assert math.isnan(parity(broken, broken, IMAGES))


@pytest.mark.parametrize("backbone", BACKBONES.values(), ids=lambda backbone: backbone.name)
def test_the_probe_fits_its_backbone(backbone: Backbone) -> None:
    preprocessing = preprocessing_of(PipelineSettings(backbone=backbone.name))
    probe = probe_images(preprocessing, count=2)
    assert (probe.shape, probe.dtype) == ((2, *backbone.input_shape), np.float32)
