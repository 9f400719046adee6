"""A release opened for searching: a query -> the most similar images, and their picture."""

import os
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tasks.errors import UserError
from tasks.explanation import Explanation, explain, shrunk
from tasks.imaging.canvas import Image
from tasks.imaging.decode import DecodeLimits, RejectedImage, decode_image
from tasks.imaging.draw import draw_results, encode_png
from tasks.imaging.network_input import load_resized_rgb
from tasks.imaging.occlusion import Map, heated
from tasks.index.engine import SearchEngine
from tasks.index.file_vectors import FileVectors
from tasks.index.rows import Vectors
from tasks.index.vector_index import read_index
from tasks.index.vector_store import VectorStore
from tasks.lake import layout
from tasks.lake.cache import local_file
from tasks.lake.manifest import Manifest
from tasks.lake.store import NotAnObjectError, Store
from tasks.model import SoundForm
from tasks.parallel import bounded_map
from tasks.query import is_written_as_place, read_query
from tasks.release_arrays import open_rows
from tasks.release_in_use import release_in_use
from tasks.release_ranking import ranking_of, read_mean, usually_wrong_below
from tasks.release_vectorizer import ReleaseVectorizer
from tasks.run_plan import open_catalogue
from tasks.settings import Settings
from tasks.uris import shown

_THUMBNAIL = (256, 256)
# More hits than this are in the data, not in the picture.
_PICTURED = 50
# Files of hits that are read at once: their store may be far away.
_READERS = 4


@dataclass(frozen=True)
class Answer:
    """The answer to one query: the hits, best first, and what to beware of.

    Attributes:
        query: as it is to be shown.
        release: version.
        results: the hits, best first: rank, name, score and uri.
        explain: finds out which regions made query and hits similar.
        draw: returns the answer as a PNG file, with an explanation if it is given one.
        warning: that there was no close match; empty if there was.
    """

    query: str
    release: int
    results: list[dict[str, Any]]
    explain: Callable[[], Explanation]
    draw: Callable[[Explanation | None], bytes]
    warning: str = ""

    def document(self) -> dict[str, Any]:
        """Returns the answer as JSON has it."""
        return {
            "query": self.query,
            "release": self.release,
            "results": self.results,
            "warning": self.warning,
        }


def _open_vectors(
    lake: Store, release: Manifest, settings: Settings, mean: Vectors | None
) -> VectorStore:
    """Opens the vectors of a release: in the vector database if one is set, else in its files."""
    if settings.vector_database.uri:
        from tasks.vector_database import open_database, open_vectors

        return open_vectors(open_database(settings.vector_database), release, mean)
    artifact = release.artifacts[layout.IMAGE_INDEX]
    index = read_index(local_file(lake, artifact, settings.cache, settings.cache_bytes))
    return FileVectors(index, *open_rows(lake, release, settings), mean)


class Searcher:
    """A release opened for searching. The first picture loads its model."""

    def __init__(
        self,
        lake: Store,
        settings: Settings,
        release: Manifest | None = None,
        *,
        few: bool = True,
        form: Future[SoundForm] | None = None,
    ) -> None:
        """Opens a release; by default the one that search uses: the pinned one, else the newest.

        Args:
            lake: the data lake.
            settings: threads, cache and allowed prefixes of this machine.
            release: the one to open.
            few: the model is to start soon, for few pictures, not to be fast for many.
            form: of the model, see `ReleaseVectorizer`.

        Raises:
            UserError: there is no release, or it is damaged.
        """
        self.release: Manifest = release or release_in_use(lake, settings)
        release = self.release
        self._lake, self._settings = lake, settings
        self._catalogue = open_catalogue(lake, release.catalogue)
        self._limits = DecodeLimits(**release.limits)
        self._vectorizer = ReleaseVectorizer(lake, release, settings, few=few, form=form)
        self._mean = read_mean(lake, release)
        self.engine = SearchEngine(
            _open_vectors(lake, release, settings, self._mean),
            vectorize=lambda image: self._vectorizer.of_pictures([image])[0],
            ranking=ranking_of(release),
            mean=self._mean,
        )

    def search(self, query: str, n: int, allowed: tuple[str, ...] = ()) -> Answer:
        """Finds the images most similar to a picture or to an image of the catalogue.

        Args:
            query: the name of an image of the release, or the URI or path of a picture. A name
                wins; `./name` always means the file.
            n: how many images to return.
            allowed: folders that pictures may come from, besides the lake, the catalogue and
                `query_prefixes`.

        Raises:
            UserError: the query cannot be read or is not a picture, or `n` is less than 1.
        """
        if not query.strip():
            raise UserError(
                "no query image; give the name of an image of the release, a URI or a path"
            )
        _require_some(n)
        if query in self.engine or not _is_place(query):
            found = self.engine.most_similar_to_name(query, n)
            return self._answer(query, lambda: self._read(query), found)
        allowed = (*allowed, *self._settings.query_prefixes, str(self._lake), str(self._catalogue))
        data = read_query(query, allowed, self._limits.max_bytes)
        return self.search_picture(data, n, shown(query))

    def warm_up(self) -> None:
        """Loads the model, so that the first picture need not wait for it.

        Raises:
            DamagedError: the model is missing or damaged.
        """
        side = self._vectorizer.preprocessing
        self._vectorizer.of_pictures([np.zeros((side.height, side.width, 3), np.uint8)])

    def search_picture(
        self, data: bytes, n: int, name: str, max_pixels: int | None = None
    ) -> Answer:
        """Finds the images most similar to a picture.

        Args:
            data: an encoded picture.
            n: how many images to return.
            name: of the picture, as it is to be shown.
            max_pixels: largest width times height, if less than what the release allows.

        Raises:
            UserError: it is not a picture that can be used, or `n` is less than 1.
        """
        _require_some(n)
        limits = self._limits
        if max_pixels is not None:
            limits = replace(limits, max_pixels=min(max_pixels, limits.max_pixels))
        try:
            rgb = load_resized_rgb(data, self._vectorizer.preprocessing, limits)
        except RejectedImage as error:
            raise UserError(f"{name} cannot be used: {error}; give another picture") from error
        (vector,) = self._vectorizer.of_resized([rgb])
        return self._answer(name, lambda: data, self.engine.most_similar_to_vector(vector, n))

    def _answer(
        self, query: str, read: Callable[[], bytes | None], found: list[tuple[float, str]]
    ) -> Answer:
        results = [
            {"rank": rank, "name": name, "score": score, "uri": self._catalogue.uri(name)}
            for rank, (score, name) in enumerate(found, start=1)
        ]
        warning = self.warning_of(query, found)
        return Answer(
            query,
            self.release.version,
            results,
            lambda: self._explain(query, read(), found),
            lambda explanation: self._draw(query, read(), found, warning, explanation),
            warning,
        )

    def _explain(
        self, query: str, data: bytes | None, found: list[tuple[float, str]]
    ) -> Explanation:
        return explain(
            found,
            self._picture(data),
            own_name=query,
            read=lambda name: self._picture(self._read(name)),
            embed=self._vectorizer.of_pictures,
            mean=self._mean,
        )

    def _picture(self, data: bytes | None) -> Image | None:
        preprocessing = self._vectorizer.preprocessing
        image = self._decoded(data, (preprocessing.height, preprocessing.width))
        return None if image is None else shrunk(image, preprocessing)

    def warning_of(self, query: str, found: list[tuple[float, str]]) -> str:
        """Returns a warning if the first hit has a score that usually is a wrong one's.

        It is the first hit that was evaluated: if the others' scores counted, it would depend on
        how many hits were asked for.

        Args:
            query: as it was asked; an image that finds itself has found nothing yet.
            found: the hits, (score, name).
        """
        first = next((score for score, name in found if name != query), None)
        threshold = usually_wrong_below(self._lake, self.release)
        if first is None or threshold is None or first >= threshold:
            return ""
        return f"No close match: answers below {threshold:.2f} are usually wrong."

    def _draw(  # pylint: disable=too-many-arguments,too-many-positional-arguments  # all there is
        self,
        query: str,
        data: bytes | None,
        found: list[tuple[float, str]],
        warning: str,
        explanation: Explanation | None,
    ) -> bytes:
        explanation = explanation or Explanation([])

        def picture(data: bytes | None, worth: Map | None) -> Image | None:
            image = self._decoded(data, _THUMBNAIL)
            return image if image is None or worth is None else heated(image, worth)

        drawn = found[:_PICTURED]
        files = bounded_map(self._read, (name for _, name in drawn), _READERS)
        pictures = [
            (picture(file, explanation.of_hit(name)), name, score)
            for file, (score, name) in zip(files, drawn, strict=True)
        ]
        asked = picture(data, explanation.of_query())
        # Of a path or URI the end tells most, and the rest may be nobody else's business.
        caption = query.rsplit("/", 1)[-1] if _is_place(query) else query
        title = warning.partition(":")[0] or "Most similar images"
        return encode_png(draw_results(asked, pictures, caption, title))

    def _read(self, name: str) -> bytes | None:
        """Returns a catalogue image's file, or None if it is gone, too large or not to be read."""
        try:
            data, found = self._catalogue.read_described(name, self._limits.max_bytes)
            return data if found.bytes == len(data) else None
        except (FileNotFoundError, NotADirectoryError, NotAnObjectError, PermissionError):
            return None

    def _decoded(self, data: bytes | None, target: tuple[int, int]) -> Image | None:
        try:
            return None if data is None else decode_image(data, self._limits, target)
        except RejectedImage:
            return None


def _require_some(n: int) -> None:
    if n < 1:
        raise UserError(f"top_n is {n}; ask for 1 or more images")


def _is_place(query: str) -> bool:
    """Tells whether a query is a URI or a path, or is a file though written as a name."""
    # Path.exists raises if it is too long.
    return is_written_as_place(query) or os.path.exists(query)  # noqa: PTH110
