"""Why two pictures are similar: the regions without which they would be less so."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.imaging.canvas import Image
from tasks.imaging.occlusion import Map, mean_map, occluded, worth_of_regions
from tasks.imaging.preprocessing import Preprocessing
from tasks.imaging.resize import resize
from tasks.index.centre import centred
from tasks.index.cosine import get_cosine_similarity, normalize
from tasks.progress import track

Vectors = npt.NDArray[np.float32]

# Of more hits, the reader has no use; each takes as long as embedding fifty pictures.
_EXPLAINED = 10

# How many variants of a picture are in memory at once.
_BATCH = 10


@dataclass(frozen=True)
class HitExplanation:
    """Why one hit was found, or why that cannot be told.

    Attributes:
        name: of the hit.
        score: as it was found with.
        cosine: of the two pictures, centred as the release is; None without maps.
        of_query: (GRID, GRID), the loss of cosine with each region of the query; None without.
        of_hit: the same of the hit.
        missing: why there are no maps; empty if there are.
    """

    name: str
    score: float
    cosine: float | None = None
    of_query: Map | None = None
    of_hit: Map | None = None
    missing: str = ""

    def document(self) -> dict[str, Any]:
        """Returns it as it goes into `explanation.json`."""
        maps = {"query_regions": self.of_query, "hit_regions": self.of_hit}
        return {
            "name": self.name,
            "score": self.score,
            "cosine": self.cosine,
            "missing": self.missing,
            **{key: None if it is None else it.round(6).tolist() for key, it in maps.items()},
        }


@dataclass(frozen=True)
class Explanation:
    """Why the hits of one answer were found, in the order of the answer."""

    hits: list[HitExplanation]

    def of_query(self) -> Map | None:
        """Returns what each region of the query is worth over all hits, if any has a map."""
        maps = [hit.of_query for hit in self.hits if hit.of_query is not None]
        return mean_map(maps) if maps else None

    def of_hit(self, name: str) -> Map | None:
        """Returns what each region of a hit is worth, if it has a map."""
        return next((hit.of_hit for hit in self.hits if hit.name == name), None)


def shrunk(image: Image, preprocessing: Preprocessing) -> Image:
    """Returns a picture not much larger than the network sees it, as fifty copies are made of it.

    Args:
        image: (h, w, 3) uint8.
        preprocessing: of the release.
    """
    longest = 2 * max(preprocessing.height, preprocessing.width)
    scale = longest / max(image.shape[:2])
    if scale >= 1:
        return image
    rows, columns = (max(1, round(side * scale)) for side in image.shape[:2])
    return resize(image, rows, columns)


def explain(  # pylint: disable=too-many-arguments  # an answer, and what it was found with
    found: list[tuple[float, str]],
    query: Image | None,
    *,
    own_name: str,
    read: Callable[[str], Image | None],
    embed: Callable[[list[Image]], Vectors],
    mean: Vectors | None,
) -> Explanation:
    """Finds out which regions of query and hits made them similar.

    Args:
        found: the hits, (score, name), best first.
        query: (h, w, 3) uint8, BGR; None if it is gone.
        own_name: of the query, if it is an image of the catalogue: that it finds itself needs no
            explanation.
        read: returns a hit's picture, (h, w, 3) uint8, BGR; None if it is gone.
        embed: the way of the release from pictures to vectors (n, d) float32.
        mean: what centres the vectors of the release (d,), or None.
    """
    if query is None:
        missing = "the query image is gone or cannot be read"
        return Explanation([HitExplanation(name, score, missing=missing) for score, name in found])
    explainer = _Explainer(embed, mean, query)

    def explained(score: float, name: str) -> HitExplanation:
        if name == own_name:
            return HitExplanation(name, score, missing="it is the query itself")
        hit = read(name)
        if hit is None:
            return HitExplanation(name, score, missing="the image is gone or cannot be read")
        return explainer.explain(name, score, hit)

    first, others = found[:_EXPLAINED], found[_EXPLAINED:]
    hits = [explained(*hit) for hit in track(first, len(first), "explaining hits")]
    missing = f"only the first {_EXPLAINED} hits are explained"
    return Explanation(
        hits + [HitExplanation(name, score, missing=missing) for score, name in others]
    )


class _Explainer:
    """Compares one query, region by region, with what it found.

    Args:
        embed: the way of the release from pictures (h, w, 3) uint8, BGR, to vectors (n, d).
        mean: what centres the vectors of the release (d,), or None.
        query: (h, w, 3) uint8, BGR.
    """

    def __init__(
        self, embed: Callable[[list[Image]], Vectors], mean: Vectors | None, query: Image
    ) -> None:
        self._embed, self._mean = embed, mean
        self._query = self._with_variants(query)

    def explain(self, name: str, score: float, hit: Image) -> HitExplanation:
        """Returns what each region adds to the similarity of the query and a hit.

        Args:
            name: of the hit.
            score: of the hit.
            hit: (h, w, 3) uint8, BGR.
        """
        found = self._with_variants(hit)
        cosine = float(get_cosine_similarity(self._query[0], found[0]))
        return HitExplanation(
            name,
            score,
            cosine,
            worth_of_regions(cosine - self._query[1:] @ found[0]),
            worth_of_regions(cosine - found[1:] @ self._query[0]),
        )

    def _with_variants(self, image: Image) -> Vectors:
        """Returns unit vectors (1 + VARIANTS, d): of an image as it is, then blurred in places."""
        images = chain([image], occluded(image))
        vectors = []
        while some := list(islice(images, _BATCH)):
            vectors.append(self._embed(some))
        return normalize(centred(np.concatenate(vectors), self._mean))
