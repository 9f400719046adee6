"""A contact sheet of mismatches: a query on the left of each line, what it found to its right."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from tasks.imaging.canvas import Colour, Image, Style, put_picture, put_text

_TILE, _GAP, _CAPTION, _MARGIN = 150, 16, 46, 24
_LINE = _TILE + _CAPTION + _GAP
_RIGHT: Colour = (90, 140, 40)
_WRONG: Colour = (50, 50, 200)
_LABEL = Style(14, 700, (46, 33, 24))
_SMALL = Style(13, 400, (130, 117, 108))


@dataclass(frozen=True)
class Tile:
    """One picture with two lines under it; framed by whether it is right, unless it is a query."""

    picture: Image | None
    label: str
    caption: str
    is_right: bool | None = None


def draw_contact_sheet(lines: Sequence[Sequence[Tile]]) -> Image:
    """Draws lines of tiles, the first of each apart from the others.

    Returns:
        (height, width, 3) uint8, BGR.
    """
    columns = max((len(line) for line in lines), default=1)
    width = 2 * _MARGIN + columns * (_TILE + _GAP) + _GAP
    canvas = np.full((2 * _MARGIN + len(lines) * _LINE, width, 3), 255, np.uint8)
    for row, line in enumerate(lines):
        y = _MARGIN + row * _LINE
        for column, tile in enumerate(line):
            x = _MARGIN + column * (_TILE + _GAP) + (2 * _GAP if column else 0)
            put_picture(canvas, tile.picture, (x, y), _TILE)
            if tile.is_right is not None:
                colour = _RIGHT if tile.is_right else _WRONG
                cv2.rectangle(canvas, (x, y, _TILE, _TILE), colour, 2)
            put_text(canvas, tile.label, (x, y + _TILE + 18), _TILE, _LABEL)
            put_text(canvas, tile.caption, (x, y + _TILE + 36), _TILE, _SMALL)
    return canvas
