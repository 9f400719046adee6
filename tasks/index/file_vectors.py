"""The vectors of a release in its files: an index proposes, the stored rows decide."""

import difflib
from collections.abc import Sequence

import faiss
import numpy as np

from tasks.errors import UserError
from tasks.index.centre import CentredRows
from tasks.index.name_search import find_name
from tasks.index.nearest import OVERSAMPLE, find_nearest_to_each
from tasks.index.rows import RememberedRows, RowReader, Vectors
from tasks.index.vector_store import Found

_NEIGHBOURS = 50
# Held for several queries at once: 268 MB of 2,048 dimensions.
ROWS_TOGETHER = 32_768


class FileVectors:
    """A `VectorStore` over an index, vectors and names; its keys are row numbers.

    Args:
        index: the index over `vectors`, centred if there is a mean.
        vectors: rows (N, d) float32, as the vectorizer returned them.
        names: rows (N,) of strings, ascending by code point; row i names row i of `vectors`.
        mean: what centres vectors (d,), if the ranking wants that.
        oversample: candidates that are scored exactly at first for each hit wanted.

    Raises:
        UserError: index, vectors and names do not have the same number of rows.
    """

    def __init__(
        self,
        index: faiss.Index,
        vectors: RowReader,
        names: RowReader,
        mean: Vectors | None = None,
        oversample: int = OVERSAMPLE,
    ) -> None:
        if not index.ntotal == len(vectors) == len(names):
            raise UserError(
                f"the release does not fit together: {index.ntotal} rows in the index, "
                f"{len(vectors)} vectors, {len(names)} names; publish it again"
            )
        self._index, self._names, self._oversample = index, names, oversample
        self._vectors = CentredRows(vectors, mean)
        self._last_place: tuple[str | None, tuple[int, bool]] = None, (0, False)

    @property
    def dimensions(self) -> int:
        """Of the vectors."""
        return int(self._index.d)

    def nearest(self, query: Vectors, n: int, more: int) -> Found:
        """Returns the `n` rows most similar to a centred vector (d,); see `VectorStore`."""
        return self._nearest_to_each(query[np.newaxis], n, more, RememberedRows(self._vectors))[0]

    def nearest_to_each(self, queries: Vectors, n: int, more: int) -> list[Found]:
        """Returns the same for each of several centred vectors (m, d), reading rows together.

        Args:
            queries: so many that `ROWS_TOGETHER` are enough for what is looked at again.
            n: see `VectorStore`.
            more: see `VectorStore`.
        """
        rows = RememberedRows(self._vectors, ROWS_TOGETHER)
        return self._nearest_to_each(queries, n, more, rows)

    def _nearest_to_each(
        self, queries: Vectors, n: int, more: int, rows: RememberedRows
    ) -> list[Found]:
        return [
            Found(ids, scores, rows.read_rows, self._names.read_rows)
            for ids, scores in find_nearest_to_each(
                self._index, rows, queries, n, self._oversample, more=more
            )
        ]

    def has(self, name: str) -> bool:
        """Returns whether there is an image of the name; reads no vector."""
        return self._place_of(name)[1]

    def find(self, name: str) -> tuple[int, Vectors] | None:
        """Returns row and centred vector (d,) of an image, or None if there is none of the name."""
        return self.find_each([name])[0]

    def find_each(self, names: Sequence[str]) -> list[tuple[int, Vectors] | None]:
        """Returns the same for each of several names, reading rows together."""
        places = [self._place_of(name) for name in names]
        rows = [row for row, is_there in places if is_there]
        vectors = iter(self._vectors.read_rows(np.array(rows, np.int64)) if rows else ())
        return [(row, next(vectors)) if is_there else None for row, is_there in places]

    def close_names(self, name: str) -> list[str]:
        """Returns names like this one, of those that stand beside it in order."""
        row, _ = self._place_of(name)
        near = np.arange(max(0, row - _NEIGHBOURS), min(len(self._names), row + _NEIGHBOURS))
        return difflib.get_close_matches(name, map(str, self._names.read_rows(near)))

    def _place_of(self, name: str) -> tuple[int, bool]:
        """Returns the row where a name belongs by its order, and whether it is there."""
        # Whoever asks whether there is an image asks for what is like it next.
        last, place = self._last_place
        if name != last:
            place = find_name(self._names, name)
            self._last_place = name, place
        return place
