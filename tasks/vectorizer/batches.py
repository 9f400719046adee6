"""What every vectorizer does with its images before and after the network."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from tasks.errors import UserError
from tasks.parallel import bounded_map

Images = npt.NDArray[np.float32] | Sequence[npt.NDArray[np.float32]]


def transform_in_batches(
    run: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]],
    images: Images,
    input_shape: tuple[int, ...],
    dimensions: int,
    batch_size: int,
    *,
    at_once: int = 1,
) -> npt.NDArray[np.float32]:
    """Runs a network over images, in batches: memory-mapped images need not fit in memory.

    Args:
        run: The network; takes (b, height, width, 3) and returns (b, dimensions).
        images: (n, height, width, 3) float32, preprocessed.
        input_shape: (height, width, 3) of the network.
        dimensions: Length of a vector.
        batch_size: The most images that `run` is given at once.
        at_once: How many threads call `run`, each with a batch of its own.

    Returns:
        (n, dimensions) float32, row i for image i.

    Raises:
        UserError: The images are not of the network's shape, or not float32.
    """
    vectors = np.empty((len(images), dimensions), np.float32)
    if len(images) == 0:
        return vectors
    images = np.asarray(images)
    if images.shape[1:] != tuple(input_shape) or images.dtype != np.float32:
        raise UserError(
            f"the vectorizer takes preprocessed float32 images of shape {tuple(input_shape)}, not "
            f"{images.dtype} of shape {images.shape[1:]}; check that the model and the "
            "preprocessing belong together"
        )
    size = _even_size(len(images), batch_size, at_once)
    batches = [slice(start, start + size) for start in range(0, len(images), size)]

    def run_on(rows: slice) -> None:
        vectors[rows] = run(images[rows])

    if at_once == 1:
        for rows in batches:
            run_on(rows)
    else:
        for _ in bounded_map(run_on, batches, at_once):
            pass
    return vectors


def _even_size(images: int, largest: int, at_once: int) -> int:
    """Returns the size of batches with which no thread is left without one before the end."""
    rounds = -(-images // (largest * at_once)) if at_once > 1 else 0
    return -(-images // (rounds * at_once)) if rounds else largest


def embed_views(
    transform: Callable[[Images], npt.NDArray[np.float32]],
    images: npt.NDArray[np.float32],
    views: int,
) -> npt.NDArray[np.float32]:
    """Embeds images of several views each; the vector of an image is the mean of its views'.

    Args:
        transform: Of a `Vectorizer`.
        images: (n, views * height, width, 3) float32, preprocessed.
        views: How many views of an image lie one below the other.

    Returns:
        (n, dimensions) float32.
    """
    if views == 1:
        return transform(images)
    count, rows, columns, channels = images.shape
    vectors = transform(images.reshape(count * views, rows // views, columns, channels))
    return np.asarray(vectors.reshape(count, views, -1).mean(axis=1), np.float32)
