"""The image search engine: the most similar images to an image, to a vector or to a name."""

import difflib
from bisect import bisect_left
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from tasks.errors import UserError
from tasks.index.centre import CentredRows, centred
from tasks.index.cosine import get_cosine_similarity
from tasks.index.nearest import OVERSAMPLE, Scores, find_nearest
from tasks.index.ranking import PLAIN, Ranking
from tasks.index.rerank import rerank
from tasks.index.rows import Ids, RememberedRows, RowReader
from tasks.index.vector_index import Vectors

_NEIGHBOURS = 50


class ImageSearchEngine:
    """Finds the most similar images of a catalogue by the cosine of their vectors.

    An index proposes candidates and the stored vectors decide: every score is exact. Hits come in
    the order of the ranking: unless it judges them with their neighbours, those of higher score
    first, and those of equal score in the order of their names.

    Args:
        index: the index over `vectors`, centred if the ranking says so.
        vectors: rows (N, d) float32, as the vectorizer returned them.
        names: rows (N,) of strings, ascending by code point; row i names row i of `vectors`.
        vectorize: turns an image (h, w, 3) uint8, BGR, into its vector (d,). Not needed to search
            by vector or by name.
        oversample: candidates that are scored exactly at first for each hit wanted.
        ranking: how hits are put into order; by default by the cosine of the vectors as they are.
        mean: what centres vectors (d,), if the ranking wants that.

    Raises:
        UserError: index, vectors and names do not have the same number of rows.
    """

    def __init__(  # pylint: disable=too-many-arguments  # the parts of a release
        self,
        index: faiss.Index,
        vectors: RowReader,
        names: RowReader,
        vectorize: Callable[[npt.NDArray[np.uint8]], Vectors] | None = None,
        oversample: int = OVERSAMPLE,
        *,
        ranking: Ranking = PLAIN,
        mean: Vectors | None = None,
    ) -> None:
        if not index.ntotal == len(vectors) == len(names):
            raise UserError(
                f"the release does not fit together: {index.ntotal} rows in the index, "
                f"{len(vectors)} vectors, {len(names)} names; publish it again"
            )
        self._index = index
        self._vectors = vectors
        self._mean = mean
        self._ranking = ranking
        self._names = names
        self._vectorize = vectorize
        self._oversample = oversample

    def __contains__(self, name: str) -> bool:
        """Returns whether the catalogue has an image of this name."""
        return self._find(name)[1]

    def most_similar(self, query: npt.NDArray[np.uint8], n: int = 5) -> list[tuple[float, str]]:
        """Returns the `n` images most similar to an image.

        Args:
            query: (h, w, 3) uint8, in BGR order as OpenCV loads it.
            n: how many; all images if there are fewer.

        Returns:
            Pairs of cosine similarity and name, best first.

        Raises:
            UserError: `query` is not such an image, `n` is less than 1, or there is no vectorizer.
        """
        if self._vectorize is None:
            raise UserError("there is no vectorizer to search by image; search by name")
        if query.ndim != 3 or query.shape[2] != 3 or query.dtype != np.uint8 or not query.size:
            raise UserError(
                f"the query is {query.dtype} of shape {query.shape}; "
                "pass an image (height, width, 3) of uint8 in BGR order"
            )
        return self.most_similar_to_vector(self._vectorize(query), n)

    def most_similar_to_vector(
        self, vector: npt.NDArray[Any], n: int = 5
    ) -> list[tuple[float, str]]:
        """Returns the `n` images most similar to a vector.

        Args:
            vector: (d,), finite, of any length. A zero vector has 0.0 with every image.
            n: how many; all images if there are fewer.

        Returns:
            Pairs of cosine similarity and name, best first.

        Raises:
            UserError: `vector` is not such a vector, or `n` is less than 1.
        """
        ids, scores = self._nearest(vector, n)
        return self._named(ids[:n], scores[:n])

    def most_similar_to_name(self, name: str, n: int = 5) -> list[tuple[float, str]]:
        """Returns the `n` images most similar to an image of the catalogue, itself the first.

        Args:
            name: as in the catalogue.
            n: how many; all images if there are fewer.

        Returns:
            Pairs of cosine similarity and name, best first.

        Raises:
            UserError: there is no image of this name, or `n` is less than 1.
        """
        row = self._row_of(name)
        vector = self._vectors.read_rows(np.array([row]))[0]
        ids, scores = self._nearest(vector, n, but=row)
        # Its exact duplicates have the same score, and may have smaller names.
        others = ids != row
        direction = centred(vector, self._mean)
        own = get_cosine_similarity(direction, direction)
        return self._named(np.insert(ids[others], 0, row), np.insert(scores[others], 0, own))[:n]

    def _nearest(
        self, vector: npt.NDArray[Any], n: int, but: int | None = None
    ) -> tuple[Ids, Scores]:
        """Returns at least `n` rows in order, if there are; `but` is not to speak for others."""
        if n < 1:
            raise UserError(f"the number of images to find is {n}; ask for 1 or more")
        if vector.shape != (self._index.d,):
            raise UserError(
                f"the query vector has shape {vector.shape}, those of the catalogue have "
                f"({self._index.d},); use the model of the release"
            )
        query = np.asarray(vector, dtype=np.float32)
        if not np.isfinite(query).all():
            raise UserError("the query vector is not finite; use another query image")
        query = centred(query, self._mean)
        rows = RememberedRows(CentredRows(self._vectors, self._mean))
        candidates = self._ranking.candidates
        ids, scores = find_nearest(self._index, rows, query, n, self._oversample, more=candidates)
        if candidates and query.any():
            judged = ids[ids != but][:candidates]
            order = rerank(query, rows.read_rows(judged), self._ranking)
            rest = ids[~np.isin(ids, judged)]
            ids, scores = _in_order(ids, scores, np.concatenate([judged[order], rest]))
        return ids, scores

    def _named(self, ids: Ids, scores: Scores) -> list[tuple[float, str]]:
        names = self._names.read_rows(ids)
        return [(float(score), str(name)) for score, name in zip(scores, names, strict=True)]

    def _row_of(self, name: str) -> int:
        row, is_there = self._find(name)
        if is_there:
            return row
        near = np.arange(max(0, row - _NEIGHBOURS), min(len(self._names), row + _NEIGHBOURS))
        alike = difflib.get_close_matches(name, map(str, self._names.read_rows(near)))
        advice = f"did you mean {' or '.join(map(repr, alike))}?" if alike else "check the spelling"
        raise UserError(f"no image is named {name!r}; {advice}")

    def _find(self, name: str) -> tuple[int, bool]:
        """Returns the row where a name belongs by its order, and whether it is there."""
        row = bisect_left(range(len(self._names)), name, key=self._name_of)
        return row, row < len(self._names) and self._name_of(row) == name

    def _name_of(self, row: int) -> str:
        return str(self._names.read_rows(np.array([row]))[0])


def _in_order(ids: Ids, scores: Scores, wanted: Ids) -> tuple[Ids, Scores]:
    """Returns the same rows with their scores in another order."""
    by_id = np.argsort(ids)
    return wanted, scores[by_id[np.searchsorted(ids, wanted, sorter=by_id)]]
