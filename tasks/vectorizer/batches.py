"""What every vectorizer does with its images before and after the network."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from tasks.errors import UserError

Images = npt.NDArray[np.float32] | Sequence[npt.NDArray[np.float32]]


def transform_in_batches(
    run: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]],
    images: Images,
    input_shape: tuple[int, ...],
    dimensions: int,
    batch_size: int,
) -> npt.NDArray[np.float32]:
    """Runs a network over images, a batch at a time: memory-mapped images need not fit in memory.

    Args:
        run: The network; takes (b, height, width, 3) and returns (b, dimensions).
        images: (n, height, width, 3) float32, preprocessed.
        input_shape: (height, width, 3) of the network.
        dimensions: Length of a vector.
        batch_size: The most images that `run` is given at once.

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
    for start in range(0, len(images), batch_size):
        rows = slice(start, start + batch_size)
        vectors[rows] = run(images[rows])
    return vectors


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
