"""What a search asks of the place where vectors are: a release's files, or a vector database."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tasks.index.rows import Scores, Vectors

# How a store tells its images apart: row numbers, or keys.
Keys = npt.NDArray[Any]


@dataclass(frozen=True)
class Found:
    """The images nearest to a vector.

    Attributes:
        keys: (k,), best first, equal ones in the order of their names.
        scores: (k,), their exact cosine similarities.
        vectors: returns the vectors (m, d) of some of the keys (m,), centred as the release says.
        names: returns the names (m,) of some of the keys (m,).
    """

    keys: Keys
    scores: Scores
    vectors: Callable[[Keys], Vectors]
    names: Callable[[Keys], npt.NDArray[np.str_]]


class VectorStore(Protocol):
    """The vectors of one release, centred as it says, and the names of its images."""

    @property
    def dimensions(self) -> int:
        """Of the vectors."""

    def nearest(self, query: Vectors, n: int, more: int) -> Found:
        """Returns the `n` images most similar to a centred vector (d,), or all if there are fewer.

        Also returns what else has been scored, up to `more` in all; others of such a score may be
        missing.
        """

    def has(self, name: str) -> bool:
        """Returns whether there is an image of the name."""

    def find(self, name: str) -> tuple[Any, Vectors] | None:
        """Returns key and centred vector (d,) of an image, or None if there is none of the name."""

    def close_names(self, name: str) -> list[str]:
        """Returns names that somebody may have meant who wrote one that is not there."""
