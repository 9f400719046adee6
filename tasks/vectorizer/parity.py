"""How far two vectorizers agree."""

import numpy as np
import numpy.typing as npt

from tasks.imaging.network_input import preprocess_input
from tasks.imaging.preprocessing import Preprocessing
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
    return float(cosines(a.transform(images), b.transform(images)).min())


def cosines(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Returns the cosine of each row of one array (n, d) and that row of another: (n,) float64.

    It is NaN where a row is not finite or all zeros.
    """
    x, y = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore"):
        found = (x * y).sum(axis=1) / (np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1))
    return np.asarray(found, np.float64)


def probe_images(preprocessing: Preprocessing, count: int = 8) -> npt.NDArray[np.float32]:
    """Makes preprocessed images that are always the same and drive a network as photos do.

    Their power falls with the square of the spatial frequency, as it does in photos (Field, 1987):
    large smooth blobs of colour with ever finer detail.

    Returns:
        (count, height, width, 3) float32.
    """
    height, width = preprocessing.height, preprocessing.width
    rows = np.fft.fftfreq(height)[:, np.newaxis]
    columns = np.fft.rfftfreq(width)
    amplitude = 1 / np.maximum(np.hypot(rows, columns), 1 / width)
    noise = np.random.default_rng(_SEED).standard_normal((count, height, width, 3))
    spectrum = np.fft.rfft2(noise, axes=(1, 2)) * amplitude[..., np.newaxis]
    detail = np.fft.irfft2(spectrum, s=(height, width), axes=(1, 2))
    detail *= 64 / detail.std()
    rgb = np.clip(128 + detail, 0, 255).astype(np.uint8)
    return preprocess_input(rgb, preprocessing.mode)
