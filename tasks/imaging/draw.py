"""The result picture: the query on the left, what was found to its right in the order of rank."""

import bisect
import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from tasks.imaging.resize import resize

Image = npt.NDArray[np.uint8]
Point = tuple[int, int]
Colour = tuple[int, int, int]

# Lengths in pixels, colours in BGR.
_MARGIN = 40
_GAP = 24
_HEADING = 54
_TILE = 200
_CAPTION = 58
_ROW = _TILE + _CAPTION + _GAP
_QUERY = _ROW + _TILE  # ends where the second row of tiles ends
_BAR = 4

_PAPER: Colour = (255, 255, 255)
_MAT: Colour = (247, 245, 244)
_TRACK: Colour = (235, 231, 229)
_INK: Colour = (46, 33, 24)
_QUIET: Colour = (130, 117, 108)
_ACCENT: Colour = (214, 92, 36)

_TEXT = 16
_TITLE = 26
_REGULAR = 400
_BOLD = 700
_FONT = cv2.FontFace("sans")  # ships inside OpenCV; what it lacks is drawn as a question mark


def draw_results(
    query_bgr: Image | None,
    results: Sequence[tuple[Image | None, str, float]],
    query_name: str = "",
    title: str = "Most similar images",
) -> Image:
    """Draws the outcome of a search as one picture.

    Args:
        query_bgr: (h, w, 3) uint8, BGR; None if it is gone.
        results: For each result, best first: picture ((h, w, 3) uint8, BGR; None if it is gone),
            name, score.
        query_name: Caption of the query.
        title: Heading over the results.

    Returns:
        (height, width, 3) uint8, BGR.
    """
    columns = max(2, min(math.ceil(len(results) / 2), 5), math.ceil(math.sqrt(len(results))))
    rows = max(2, math.ceil(len(results) / columns))
    left = _MARGIN + _QUERY + 2 * _GAP
    top = _MARGIN + _HEADING
    width = left + columns * (_TILE + _GAP) - _GAP + _MARGIN
    height = top + rows * _ROW - _GAP + _MARGIN
    canvas = np.full((height, width, 3), _PAPER, np.uint8)

    baseline = _MARGIN + _TITLE
    _put_text(canvas, "Query", (_MARGIN, baseline), _QUERY, _INK, _TITLE, _BOLD)
    _put_picture(canvas, query_bgr, (_MARGIN, top), _QUERY)
    _put_text(canvas, query_name, (_MARGIN, top + _QUERY + 30), _QUERY, _QUIET)
    _put_text(canvas, title, (left, baseline), width - _MARGIN - left, _INK, _TITLE, _BOLD)
    for index, (picture, name, score) in enumerate(results):
        row, column = divmod(index, columns)
        corner = (left + column * (_TILE + _GAP), top + row * _ROW)
        _put_result(canvas, corner, index + 1, picture, name, score)
    if not results:
        _put_text(canvas, "No image was found.", (left, top + _TEXT), _TILE, _QUIET)
    return canvas


def encode_png(image: Image) -> bytes:
    """Returns an (h, w, 3) uint8 BGR image as a PNG file."""
    _, encoded = cv2.imencode(".png", image)
    return encoded.tobytes()


def _put_result(
    canvas: Image, corner: Point, rank: int, picture: Image | None, name: str, score: float
) -> None:
    """Draws one tile: the picture, a bar as long as the score, rank, score and name."""
    x, y = corner
    _put_picture(canvas, picture, corner, _TILE)
    y += _TILE
    filled = round(_TILE * min(max(score, 0.0), 1.0))
    cv2.rectangle(canvas, (x, y, _TILE, _BAR), _TRACK, cv2.FILLED)
    cv2.rectangle(canvas, (x, y, filled, _BAR), _ACCENT, cv2.FILLED)
    shown = f"{score:.4f}"
    score_x = x + _TILE - _text_width(shown, _TEXT, _BOLD)
    _put_text(canvas, str(rank), (x, y + 28), _TILE, _INK, weight=_BOLD)
    _put_text(canvas, shown, (score_x, y + 28), _TILE, _ACCENT, weight=_BOLD)
    _put_text(canvas, name, (x, y + 50), _TILE, _QUIET)


def _put_picture(canvas: Image, picture: Image | None, corner: Point, side: int) -> None:
    """Draws a picture as large as fits into a square, in its own aspect ratio, centred."""
    x, y = corner
    cv2.rectangle(canvas, (x, y, side, side), _MAT, cv2.FILLED)
    if picture is None:
        x, y = x + side // 2 - 52, y + side // 2
        _put_text(canvas, "no longer in", (x + 5, y - 5), side, _QUIET)
        _put_text(canvas, "the catalogue", (x, y + 17), side, _QUIET)
        return
    scale = side / max(picture.shape[:2])
    height, width = (max(1, round(length * scale)) for length in picture.shape[:2])
    x += (side - width) // 2
    y += (side - height) // 2
    canvas[y : y + height, x : x + width] = resize(picture, height, width)


def _put_text(
    canvas: Image,
    text: str,
    origin: Point,
    room: int,
    colour: Colour,
    size: int = _TEXT,
    weight: int = _REGULAR,
) -> None:
    """Draws one line from `origin`, the left end of its baseline, shortened to `room` pixels."""
    # OpenCV ends the process on a lone surrogate and breaks the line on a control character.
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    fitting = _shorten(printable, room, size, weight)
    cv2.putText(canvas, fitting, origin, colour, _FONT, size, weight)


def _shorten(text: str, room: int, size: int, weight: int) -> str:
    """Leaves out as little as needed of the middle; both ends of a name tell most."""
    if _text_width(text, size, weight) <= room:
        return text

    def keep(count: int) -> str:
        return f"{text[: (count + 1) // 2]}…{text[len(text) - count // 2 :]}"

    counts = range(len(text))
    fits = bisect.bisect_right(
        counts, room, key=lambda count: _text_width(keep(count), size, weight)
    )
    return keep(max(0, fits - 1))


def _text_width(text: str, size: int, weight: int) -> int:
    _, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), _FONT, size, weight)
    return width
