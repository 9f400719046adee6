"""The vectors of a release in Milvus: its index proposes, exact cosine similarity disposes."""

import numpy as np

from tasks.errors import UserError
from tasks.index.cosine import get_cosine_similarity
from tasks.index.milvus_collection import Hits, MilvusCollection, key_of
from tasks.index.rows import Vectors
from tasks.index.vector_store import Found, Keys

# Candidates that are scored exactly for each hit wanted: indexes of Milvus refine their scores.
_OVERSAMPLE = 2
_LEAST_CANDIDATES = 100
# Their vectors come in one answer: 64 MB at 2,048 dimensions, Milvus allows for 100.
_MOST_CANDIDATES = 8_000


class MilvusVectors:
    """A `VectorStore` over a collection; its keys are those of the collection.

    Args:
        collection: that holds the release.
        images: how many the release has.
        mean: what centres its vectors (d,), or None.

    Raises:
        UserError: the collection does not hold as many images, or is centred in another way.
    """

    def __init__(self, collection: MilvusCollection, images: int, mean: Vectors | None) -> None:
        self._collection, self._mean = collection, mean
        self._count = len(collection)
        if self._count != images or (mean is None) != (collection.centre is None):
            raise UserError(
                f"the collection {collection.name} does not hold the release: {self._count} images "
                f"there, {images} in the release; drop the collection, then run `python -m tasks "
                "load`"
            )

    @property
    def dimensions(self) -> int:
        """Of the vectors."""
        return self._collection.dimensions

    def nearest(self, query: Vectors, n: int, more: int) -> Found:
        """Returns the `n` images most similar to a centred vector (d,); see `VectorStore`.

        Raises:
            UserError: more are wanted than one answer may hold.
        """
        keep = min(max(n, more), self._count)
        if keep > _MOST_CANDIDATES:
            raise UserError(
                f"{n} images are more than a vector database hands out at once; ask for "
                f"{_MOST_CANDIDATES} or fewer"
            )
        wanted = max(keep, _OVERSAMPLE * n, _LEAST_CANDIDATES)
        hits = self._collection.search(query, min(wanted, self._count, _MOST_CANDIDATES))
        vectors = self._centred(hits.vectors)
        scores = get_cosine_similarity(vectors.astype(np.float64), query.astype(np.float64))
        best = np.lexsort((hits.names, -scores))[:keep]
        return _found(hits, vectors, scores, best)

    def has(self, name: str) -> bool:
        """Returns whether there is an image of the name."""
        return self.find(name) is not None

    def find(self, name: str) -> tuple[str, Vectors] | None:
        """Returns key and centred vector (d,) of an image, or None if there is none of the name."""
        vector = self._collection.read([name]).get(name)
        return None if vector is None else (key_of(name), self._centred(vector[np.newaxis])[0])

    def close_names(self, name: str) -> list[str]:  # pylint: disable=unused-argument
        """Returns none: Milvus finds names only as they are."""
        return []

    def _centred(self, stored: Vectors) -> Vectors:
        """Returns stored vectors (n, d) as if they had been centred with the release's mean."""
        centre = self._collection.centre
        if self._mean is None or centre is None:
            return stored
        # A zero vector stays zero: it is similar to nothing.
        return stored + (centre - self._mean) * stored.any(axis=-1, keepdims=True)


def _found(hits: Hits, vectors: Vectors, scores: Keys, best: Keys) -> Found:
    places = {str(hits.keys[place]): place for place in best}

    def rows(keys: Keys) -> list[int]:
        return [places[str(key)] for key in keys]

    return Found(
        hits.keys[best],
        scores[best],
        lambda keys: vectors[rows(keys)],
        lambda keys: hits.names[rows(keys)],
    )
