"""The image search engine: the most similar images to an image, to a vector or to a name."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from tasks.errors import UserError
from tasks.index.centre import centred
from tasks.index.cosine import get_cosine_similarity
from tasks.index.file_vectors import ROWS_TOGETHER, FileVectors
from tasks.index.freed_memory import keep_freed_memory
from tasks.index.nearest import OVERSAMPLE
from tasks.index.ranking import PLAIN, Ranking
from tasks.index.rerank import rerank
from tasks.index.rows import RowReader, Vectors
from tasks.index.vector_store import Found, Keys, VectorStore


class SearchEngine:
    """Finds the most similar images of a catalogue by the cosine of their vectors.

    A vector store finds them, with exact scores. Hits come in the order of the ranking: unless it
    judges them with their neighbours, those of higher score first, and those of equal score in the
    order of their names.

    Args:
        store: of the catalogue's vectors, centred if the ranking says so.
        vectorize: turns an image (h, w, 3) uint8, BGR, into its vector (d,). Not needed to search
            by vector or by name.
        ranking: how hits are put into order; by default by the cosine of the vectors as they are.
        mean: what centres vectors (d,), if the ranking wants that.
    """

    def __init__(
        self,
        store: VectorStore,
        vectorize: Callable[[npt.NDArray[np.uint8]], Vectors] | None = None,
        *,
        ranking: Ranking = PLAIN,
        mean: Vectors | None = None,
    ) -> None:
        keep_freed_memory()
        self._store = store
        self._mean = mean
        self._ranking = ranking
        self._vectorize = vectorize

    def __contains__(self, name: str) -> bool:
        """Returns whether the catalogue has an image of this name."""
        return self._store.has(name)

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
        wanted = (self._store.dimensions,)
        if vector.shape != wanted:
            raise UserError(
                f"the query vector has shape {vector.shape}, those of the catalogue have "
                f"{wanted}; use the model of the release"
            )
        query = np.asarray(vector, dtype=np.float32)
        if not np.isfinite(query).all():
            raise UserError("the query vector is not finite; use another query image")
        return _pairs(self._nearest(centred(query, self._mean), n), n)

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
        key, direction = self._known(name, self._store.find(name))
        found = self._nearest(direction, n, but=key)
        return _with_itself(name, key, direction, found, n)

    def _known(self, name: str, found: tuple[Any, Vectors] | None) -> tuple[Any, Vectors]:
        if found is None:
            alike = self._store.close_names(name)
            meant = f"did you mean {' or '.join(map(repr, alike))}?"
            advice = meant if alike else "check the spelling"
            raise UserError(f"no image is named {name!r}; {advice}")
        return found

    def _nearest(self, query: Vectors, n: int, but: Any = None) -> Found:
        """Returns at least `n` images in order, if there are; `but` is not to speak for others."""
        _require_some(n)
        return self._ranked(self._store.nearest(query, n, self._ranking.candidates), query, but)

    def _ranked(self, found: Found, query: Vectors, but: Any) -> Found:
        candidates = self._ranking.candidates
        if not candidates or not query.any():
            return found
        judged = np.flatnonzero(found.keys != but)[:candidates]
        order = rerank(query, found.vectors(found.keys[judged]), self._ranking)
        rest = np.delete(np.arange(len(found.keys)), judged)
        return _only(found, np.concatenate([judged[order], rest]))


class ImageSearchEngine(SearchEngine):
    """A `SearchEngine` over an index and stored vectors.

    An index proposes candidates and the stored vectors decide: every score is exact.

    Args:
        index: the index over `vectors`, centred if the ranking says so.
        vectors: rows (N, d) float32, as the vectorizer returned them.
        names: rows (N,) of strings, ascending by code point; row i names row i of `vectors`.
        vectorize: see `SearchEngine`.
        oversample: candidates that are scored exactly at first for each hit wanted.
        ranking: see `SearchEngine`.
        mean: see `SearchEngine`.

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
        self._files = FileVectors(index, vectors, names, mean, oversample)
        super().__init__(self._files, vectorize, ranking=ranking, mean=mean)

    def most_similar_to_names(
        self, names: Sequence[str], n: int = 5
    ) -> Iterator[list[tuple[float, str]]]:
        """Yields what `most_similar_to_name` returns for each of several names, in their order.

        Vectors are read for many of them together: from an object store, in blocks instead of
        one by one.

        Args:
            names: as in the catalogue.
            n: how many images to find for each.

        Raises:
            UserError: there is no image of one of the names, or `n` is less than 1.
        """
        _require_some(n)
        candidates = self._ranking.candidates
        together = max(1, ROWS_TOGETHER // max(OVERSAMPLE * n, candidates))
        for start in range(0, len(names), together):
            group = names[start : start + together]
            found = zip(group, self._files.find_each(group), strict=True)
            keys, queries = zip(*(self._known(*pair) for pair in found), strict=True)
            nearest = self._files.nearest_to_each(np.stack(queries), n, candidates)
            for name, key, query, near in zip(group, keys, queries, nearest, strict=True):
                yield _with_itself(name, key, query, self._ranked(near, query, key), n)


def _require_some(n: int) -> None:
    if n < 1:
        raise UserError(f"the number of images to find is {n}; ask for 1 or more")


def _with_itself(
    name: str, key: Any, vector: Vectors, found: Found, n: int
) -> list[tuple[float, str]]:
    """Returns an image of the catalogue, and what else was found nearest to its vector."""
    # Its exact duplicates have the same score, and may have smaller names.
    own = float(get_cosine_similarity(vector, vector))
    return [(own, name), *_pairs(_only(found, found.keys != key), n - 1)]


def _only(found: Found, places: Keys) -> Found:
    """Returns some of what was found, in the order of the places."""
    return Found(found.keys[places], found.scores[places], found.vectors, found.names)


def _pairs(found: Found, n: int) -> list[tuple[float, str]]:
    names = found.names(found.keys[:n])
    return [(float(score), str(name)) for score, name in zip(found.scores[:n], names, strict=True)]
