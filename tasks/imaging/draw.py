"""The result picture: the query on the left, what was found to its right in the order of rank."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from tasks.imaging.canvas import (
    NAME,
    Colour,
    Image,
    Point,
    Style,
    put_picture,
    put_text,
    text_width,
)

Result = tuple[Image | None, str, float]


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
_TRACK: Colour = (235, 231, 229)
_ACCENT: Colour = (214, 92, 36)

_TITLE = Style(26, 700, (46, 33, 24))
_RANK = Style(16, 700, (46, 33, 24))
_SCORE = Style(16, 700, _ACCENT)


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

    put_text(canvas, "Query", (_MARGIN, _BASELINE), _QUERY, _TITLE)
    put_picture(canvas, query_bgr, (_MARGIN, _TOP), _QUERY)
    put_text(canvas, query_name, (_MARGIN, _TOP + _QUERY + 30), _QUERY, NAME)
    put_text(canvas, title, (_LEFT, _BASELINE), width - _MARGIN - _LEFT, _TITLE)
    for index, result in enumerate(results):
        row, column = divmod(index, columns)
        corner = (_LEFT + column * (_TILE + _GAP), _TOP + row * _ROW)
        _put_result(canvas, corner, index + 1, result)
    if not results:
        put_text(canvas, "No image was found.", (_LEFT, _TOP + NAME.size), _TILE, NAME)
    return canvas


def encode_png(image: Image) -> bytes:
    """Returns an (h, w, 3) uint8 BGR image as a PNG file."""
    _, encoded = cv2.imencode(".png", image)
    return encoded.tobytes()


def _put_result(canvas: Image, corner: Point, rank: int, result: Result) -> None:
    """Draws one tile: the picture, a bar as long as the score, rank, score and name."""
    picture, name, score = result
    put_picture(canvas, picture, corner, _TILE)
    x, y = corner[0], corner[1] + _TILE
    filled = round(_TILE * min(max(score, 0.0), 1.0))
    cv2.rectangle(canvas, (x, y, _TILE, _BAR), _TRACK, cv2.FILLED)
    cv2.rectangle(canvas, (x, y, filled, _BAR), _ACCENT, cv2.FILLED)
    shown = f"{score:.4f}"
    put_text(canvas, str(rank), (x, y + 28), _TILE, _RANK)
    put_text(canvas, shown, (x + _TILE - text_width(shown, _SCORE), y + 28), _TILE, _SCORE)
    put_text(canvas, name, (x, y + 50), _TILE, NAME)
