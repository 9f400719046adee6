"""The result picture: the query on the left, what was found to its right in the order of rank."""

import bisect
import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from tasks.imaging.resize import resize

Image = npt.NDArray[np.uint8]
Result = tuple[Image | None, str, float]
Point = tuple[int, int]
Colour = tuple[int, int, int]


class _Style(NamedTuple):
    size: int  # pixels
    weight: int  # 400 regular, 700 bold
    colour: Colour


# Lengths in pixels, colours in BGR.
_MARGIN = 40
_GAP = 24
_TILE = 200
_CAPTION = 58
_ROW = _TILE + _CAPTION + _GAP
_QUERY = _ROW + _TILE  # ends where the second row of tiles ends
_BAR = 4
_BASELINE = 66
_TOP = 94
_LEFT = _MARGIN + _QUERY + 2 * _GAP

_PAPER: Colour = (255, 255, 255)
_MAT: Colour = (247, 245, 244)
_TRACK: Colour = (235, 231, 229)
_ACCENT: Colour = (214, 92, 36)

_TITLE = _Style(26, 700, (46, 33, 24))
_RANK = _Style(16, 700, (46, 33, 24))
_SCORE = _Style(16, 700, _ACCENT)
_NAME = _Style(16, 400, (130, 117, 108))
_FONT = cv2.FontFace("sans")  # ships inside OpenCV; what it lacks is drawn as a question mark


def draw_results(
    query_bgr: Image | None,
    results: Sequence[Result],
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
    width = _LEFT + columns * (_TILE + _GAP) - _GAP + _MARGIN
    height = _TOP + rows * _ROW - _GAP + _MARGIN
    canvas = np.full((height, width, 3), _PAPER, np.uint8)

    _put_text(canvas, "Query", (_MARGIN, _BASELINE), _QUERY, _TITLE)
    _put_picture(canvas, query_bgr, (_MARGIN, _TOP), _QUERY)
    _put_text(canvas, query_name, (_MARGIN, _TOP + _QUERY + 30), _QUERY, _NAME)
    _put_text(canvas, title, (_LEFT, _BASELINE), width - _MARGIN - _LEFT, _TITLE)
    for index, result in enumerate(results):
        row, column = divmod(index, columns)
        corner = (_LEFT + column * (_TILE + _GAP), _TOP + row * _ROW)
        _put_result(canvas, corner, index + 1, result)
    if not results:
        _put_text(canvas, "No image was found.", (_LEFT, _TOP + _NAME.size), _TILE, _NAME)
    return canvas


def encode_png(image: Image) -> bytes:
    """Returns an (h, w, 3) uint8 BGR image as a PNG file."""
    _, encoded = cv2.imencode(".png", image)
    return encoded.tobytes()


def _put_result(canvas: Image, corner: Point, rank: int, result: Result) -> None:
    """Draws one tile: the picture, a bar as long as the score, rank, score and name."""
    picture, name, score = result
    _put_picture(canvas, picture, corner, _TILE)
    x, y = corner[0], corner[1] + _TILE
    filled = round(_TILE * min(max(score, 0.0), 1.0))
    cv2.rectangle(canvas, (x, y, _TILE, _BAR), _TRACK, cv2.FILLED)
    cv2.rectangle(canvas, (x, y, filled, _BAR), _ACCENT, cv2.FILLED)
    shown = f"{score:.4f}"
    _put_text(canvas, str(rank), (x, y + 28), _TILE, _RANK)
    _put_text(canvas, shown, (x + _TILE - _width(shown, _SCORE), y + 28), _TILE, _SCORE)
    _put_text(canvas, name, (x, y + 50), _TILE, _NAME)


def _put_picture(canvas: Image, picture: Image | None, corner: Point, side: int) -> None:
    """Draws a picture as large as fits into a square, in its own aspect ratio, centred."""
    x, y = corner
    cv2.rectangle(canvas, (x, y, side, side), _MAT, cv2.FILLED)
    if picture is None:
        for line, drop in (("no longer in", -5), ("the catalogue", 17)):
            centred = (x + (side - _width(line, _NAME)) // 2, y + side // 2 + drop)
            _put_text(canvas, line, centred, side, _NAME)
        return
    scale = side / max(picture.shape[:2])
    height, width = (max(1, round(length * scale)) for length in picture.shape[:2])
    x += (side - width) // 2
    y += (side - height) // 2
    canvas[y : y + height, x : x + width] = resize(picture, height, width)


def _put_text(canvas: Image, text: str, origin: Point, room: int, style: _Style) -> None:
    """Draws one line from `origin`, the left end of its baseline, shortened to `room` pixels."""
    # OpenCV ends the process on a lone surrogate and breaks the line on a control character.
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    fitting = _shorten(printable, room, style)
    cv2.putText(canvas, fitting, origin, style.colour, _FONT, style.size, style.weight)


def _shorten(text: str, room: int, style: _Style) -> str:
    """Leaves out as little as needed of the middle; both ends of a name tell most."""
    if _width(text, style) <= room:
        return text

    def keep(count: int) -> str:
        return f"{text[: (count + 1) // 2]}…{text[len(text) - count // 2 :]}"

    counts = range(len(text))
    fitting = bisect.bisect_right(counts, room, key=lambda count: _width(keep(count), style))
    return keep(max(0, fitting - 1))


def _width(text: str, style: _Style) -> int:
    """Returns the pixels that a line takes."""
    _, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), _FONT, style.size, style.weight)
    return width
