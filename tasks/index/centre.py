"""Centring: what all images of a catalogue have in common is taken from each of their vectors."""

import numpy as np
import numpy.typing as npt

from tasks.index.cosine import normalize
from tasks.index.rows import Ids, RowReader

# A mean over few images says more about them than about images: it counts as if this many images
# without any feature were among them.
_PRIOR_IMAGES = 100

Vectors = npt.NDArray[np.float32]


class MeanVector:
    """The mean of a catalogue's vectors, each scaled to unit length, added up batch by batch."""

    def __init__(self, dimensions: int) -> None:
        self._sum = np.zeros(dimensions, np.float64)
        self._count = 0

    def add(self, vectors: Vectors) -> None:
        """Adds vectors (k, d), in row order."""
        for row in normalize(vectors):  # one by one: the sum must not depend on the batches
            self._sum += row
        self._count += len(vectors)

    def mean(self) -> Vectors:
        """Returns the mean (d,) float32, drawn towards zero where there are few images."""
        return np.asarray(self._sum / (self._count + _PRIOR_IMAGES), np.float32)


def centred(vectors: Vectors, mean: Vectors | None) -> Vectors:
    """Returns vectors (d,) or (n, d) scaled to unit length less a mean (d,); as they are if None.

    A zero vector stays zero: it is similar to nothing.
    """
    if mean is None:
        return vectors
    wide = vectors.astype(np.float64)
    lengths = np.sqrt(np.vecdot(wide, wide))[..., np.newaxis]
    scales = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    directions: Vectors = vectors * scales.astype(np.float32)
    np.subtract(directions, mean, out=directions, where=lengths > 0)
    return directions


class CentredRows:
    """Rows of vectors, centred as they are read.

    Args:
        rows: vectors (N, d) float32, as the model returned them.
        mean: (d,), or None to leave them as they are.
    """

    def __init__(self, rows: RowReader, mean: Vectors | None) -> None:
        self._rows, self._mean = rows, mean

    def __len__(self) -> int:
        return len(self._rows)

    def read_rows(self, rows: Ids, /) -> Vectors:
        """Returns the given rows, (len(rows), d)."""
        return centred(np.asarray(self._rows.read_rows(rows), np.float32), self._mean)
