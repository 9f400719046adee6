"""How far two vectorizers agree."""

import numpy as np
import numpy.typing as npt

from tasks.imaging.preprocessing import preprocess_input
from tasks.vectorizer.backbones import Backbone
from tasks.vectorizer.vectorizer import Vectorizer

_SEED = 2048


def parity(a: Vectorizer, b: Vectorizer, images: npt.NDArray[np.float32]) -> float:
    """Returns the lowest cosine between the vectors that two vectorizers give the same images.

    Args:
        a: One vectorizer.
        b: The other.
        images: (n, height, width, 3) float32, preprocessed; at least one.

    Returns:
        At most 1; NaN if a vector is not finite or all zeros, so compare with `>=`.
    """
    x, y = a.transform(images).astype(np.float64), b.transform(images).astype(np.float64)
    with np.errstate(invalid="ignore"):
        cosines = (x * y).sum(axis=1) / (np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1))
    return float(cosines.min())


def probe_images(backbone: Backbone, count: int = 8) -> npt.NDArray[np.float32]:
    """Makes preprocessed images that are always the same and drive a network as photos do.

    Their power falls with the square of the spatial frequency, as it does in photos (Field, 1987):
    large smooth blobs of colour with ever finer detail.

    Returns:
        (count, height, width, 3) float32.
    """
    rows = np.fft.fftfreq(backbone.height)[:, np.newaxis]
    columns = np.fft.rfftfreq(backbone.width)
    amplitude = 1 / np.maximum(np.hypot(rows, columns), 1 / backbone.width)
    noise = np.random.default_rng(_SEED).standard_normal((count, *backbone.input_shape))
    spectrum = np.fft.rfft2(noise, axes=(1, 2)) * amplitude[..., np.newaxis]
    detail = np.fft.irfft2(spectrum, s=backbone.input_shape[:2], axes=(1, 2))
    detail *= 64 / detail.std()
    rgb = np.clip(128 + detail, 0, 255).astype(np.uint8)
    return preprocess_input(rgb, backbone.preprocessing)
