"""search: a query image and a release -> the most similar images, result.json and result.png."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.contract import Summary, timed
from tasks.errors import UserError
from tasks.imaging.decode import DecodeLimits, RejectedImage, decode_image
from tasks.imaging.draw import draw_results, encode_png
from tasks.imaging.preprocessing import (
    Preprocessing,
    load_resized_rgb,
    preprocess_input,
    resized_rgb,
)
from tasks.index.checked_rows import CheckedRows
from tasks.index.engine import ImageSearchEngine
from tasks.index.rows import RowReader
from tasks.index.vector_index import read_index
from tasks.lake import layout
from tasks.lake.arrays import StoredRows
from tasks.lake.cache import local_file
from tasks.lake.manifest import Manifest
from tasks.lake.releases import Releases
from tasks.lake.store import NotAnObjectError, Store
from tasks.model import card_of_release, open_vectorizer
from tasks.query import read_query
from tasks.release_ranking import ranking_of, read_mean, usually_wrong_below
from tasks.run_plan import open_catalogue
from tasks.settings import Settings
from tasks.tables import open_console, show_results
from tasks.uris import shown
from tasks.vectorizer.batches import embed_views
from tasks.vectorizer.vectorizer import Vectorizer

_THUMBNAIL = (256, 256)
# More hits than this are in the data, not in the picture.
_PICTURED = 50


def search(
    lake: Store,
    run: str,
    query: str,
    n: int,
    settings: Settings,
    *,
    allowed: tuple[str, ...] = (),
) -> Summary:
    """Searches once and leaves the answer with the run, as data and as a picture.

    Args:
        lake: the data lake.
        run: id of the run.
        query: see `Searcher.search`.
        n: how many images to return.
        settings: threads, cache and allowed prefixes of this machine; model and preprocessing are
            the release's.
        allowed: further folders that pictures may come from.

    Raises:
        UserError: there is no release, or the query cannot be answered.
    """
    with timed() as summary:
        answer = Searcher(lake, settings).search(query, n, allowed)
        json_path, png_path = layout.run(run, "result.json"), layout.run(run, "result.png")
        lake.write(png_path, answer.draw())
        summary |= {
            "query": answer.query,
            "release": answer.release,
            "results": answer.results,
            "warning": answer.warning,
            "result_json": lake.uri(json_path),
            "result_png": lake.uri(png_path),
        }
        lake.write_json(json_path, summary)
    console = open_console(stderr=True)
    show_results(console, answer.query, answer.release, answer.results)
    if answer.warning:
        console.print(answer.warning, markup=False)
    return summary


@dataclass(frozen=True)
class Answer:
    """The answer to one query: the hits, best first, how to draw them, and what to beware of."""

    query: str
    release: int
    results: list[dict[str, Any]]
    draw: Callable[[], bytes]
    warning: str = ""


def current_release(lake: Store) -> Manifest:
    """Returns the release that search uses.

    Raises:
        UserError: there is none, or it is damaged.
    """
    releases = Releases(lake)
    release = releases.current()
    if release is None and next(releases.newest_first(), None):
        raise UserError(
            f"every release in {lake} is damaged or held back; run image_reindex for another"
        )
    if release is None:
        raise UserError(f"there is no release in {lake} yet; run image_reindex first")
    return release


def _rows(lake: Store, release: Manifest, settings: Settings) -> tuple[RowReader, RowReader]:
    """Opens vectors and names; each row is compared with its checksum when it is read."""
    artifacts = [
        release.artifacts[name] for name in (layout.NPY_IMAGE_VECTORS, layout.NPY_IMAGE_NAMES)
    ]
    vectors, names = (StoredRows(lake, artifact, mapped=True) for artifact in artifacts)
    if layout.ROW_CHECKSUMS not in release.artifacts:  # made before there were any
        return vectors, names
    checksums = release.artifacts[layout.ROW_CHECKSUMS]
    file = local_file(lake, checksums, settings.cache, settings.cache_bytes)
    of_vectors, of_names = np.load(file, mmap_mode="r", allow_pickle=False).T
    places = [lake.uri(artifact.path) for artifact in artifacts]
    return (
        CheckedRows(vectors, of_vectors, places[0]),
        CheckedRows(names, of_names, places[1]),
    )


class Searcher:
    """A release opened for searching. The model is loaded when the first picture needs it."""

    def __init__(self, lake: Store, settings: Settings, release: Manifest | None = None) -> None:
        """Opens a release; by default the one that search uses: the pinned one, else the newest.

        Raises:
            UserError: there is no release, or it is damaged.
        """
        self.release: Manifest = release or current_release(lake)
        release = self.release
        self._lake, self._settings = lake, settings
        self._catalogue = open_catalogue(lake, release.catalogue)
        self._preprocessing = Preprocessing.model_validate(release.preprocessing)
        self._limits = DecodeLimits(**release.limits)
        self._vectorizer: Vectorizer | None = None
        index = local_file(
            lake, release.artifacts[layout.IMAGE_INDEX], settings.cache, settings.cache_bytes
        )
        vectors, names = _rows(lake, release, settings)
        self.engine = ImageSearchEngine(
            read_index(index),
            vectors,
            names,
            vectorize=lambda image: self._vector(resized_rgb(image, self._preprocessing)),
            ranking=ranking_of(release),
            mean=read_mean(lake, release),
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
        if n < 1:
            raise UserError(f"top_n is {n}; ask for 1 or more images")
        if query in self.engine or not _is_place(query):
            found = self.engine.most_similar_to_name(query, n)
            return self._answer(query, self._read(query), found)
        allowed = (*allowed, *self._settings.query_prefixes, str(self._lake), str(self._catalogue))
        data = read_query(query, allowed, self._limits.max_bytes)
        try:
            rgb = load_resized_rgb(data, self._preprocessing, self._limits)
        except RejectedImage as error:
            reason = f"{shown(query)} cannot be used: {error}; give another picture"
            raise UserError(reason) from error
        return self._answer(
            shown(query), data, self.engine.most_similar_to_vector(self._vector(rgb), n)
        )

    def _vector(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        if self._vectorizer is None:
            card = card_of_release(self._lake, self.release.model)
            self._vectorizer = open_vectorizer(self._lake, card, "onnx", self._settings)
        batch = preprocess_input(rgb[np.newaxis], self._preprocessing.mode)
        vectors = embed_views(self._vectorizer.transform, batch, self._preprocessing.views)
        return np.asarray(vectors[0])

    def _answer(self, query: str, data: bytes | None, found: list[tuple[float, str]]) -> Answer:
        results = [
            {"rank": rank, "name": name, "score": score, "uri": self._catalogue.uri(name)}
            for rank, (score, name) in enumerate(found, start=1)
        ]
        warning = self.warning_of(query, found)
        return Answer(
            query,
            self.release.version,
            results,
            lambda: self._draw(query, data, found, warning),
            warning,
        )

    def warning_of(self, query: str, found: list[tuple[float, str]]) -> str:
        """Returns a warning if the best score is one that the evaluation says is usually wrong.

        Args:
            query: as it was asked; an image that finds itself has found nothing yet.
            found: the hits, (score, name).
        """
        scores = [score for score, name in found if name != query]
        threshold = usually_wrong_below(self._lake, self.release)
        if not scores or threshold is None or max(scores) >= threshold:
            return ""
        return f"No close match: answers below {threshold:.2f} are usually wrong."

    def _draw(
        self, query: str, data: bytes | None, found: list[tuple[float, str]], warning: str
    ) -> bytes:
        pictures = [
            (self._thumbnail(self._read(name)), name, score) for score, name in found[:_PICTURED]
        ]
        # Of a path or URI the end tells most, and the rest may be nobody else's business.
        caption = query.rsplit("/", 1)[-1] if _is_place(query) else query
        title = warning.partition(":")[0] or "Most similar images"
        return encode_png(draw_results(self._thumbnail(data), pictures, caption, title))

    def _read(self, name: str) -> bytes | None:
        """Returns a catalogue image's file, or None if it is gone, too large or not to be read."""
        try:
            if self._catalogue.stat(name).bytes > self._limits.max_bytes:
                return None
            return self._catalogue.read(name)
        except (FileNotFoundError, NotADirectoryError, NotAnObjectError, PermissionError):
            return None

    def _thumbnail(self, data: bytes | None) -> npt.NDArray[np.uint8] | None:
        try:
            return None if data is None else decode_image(data, self._limits, _THUMBNAIL)
        except RejectedImage:
            return None


def _is_place(query: str) -> bool:
    """Tells whether a query is a URI or a path, or is a file though written as a name."""
    written_as_place = "://" in query or query.startswith(("/", "./", "../", "~"))
    return written_as_place or os.path.exists(query)  # noqa: PTH110  # Path.exists raises if it is too long
