"""Putting pictures and lines of text onto a canvas."""

import bisect
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from tasks.imaging.resize import resize

Image = npt.NDArray[np.uint8]
Point = tuple[int, int]
Colour = tuple[int, int, int]  # BGR


class Style(NamedTuple):
    """How a line of text looks."""

    size: int  # pixels
    weight: int  # 400 regular, 700 bold
    colour: Colour


MAT: Colour = (247, 245, 244)
NAME = Style(16, 400, (130, 117, 108))
_FONT = cv2.FontFace("sans")  # ships inside OpenCV; what it lacks is drawn as a question mark


def put_picture(canvas: Image, picture: Image | None, corner: Point, side: int) -> None:
    """Draws a picture as large as fits into a square, in its own aspect ratio, centred."""
    x, y = corner
    cv2.rectangle(canvas, (x, y, side, side), MAT, cv2.FILLED)
    if picture is None:
        for line, drop in (("no longer in", -5), ("the catalogue", 17)):
            centred = (x + (side - text_width(line, NAME)) // 2, y + side // 2 + drop)
            put_text(canvas, line, centred, side, NAME)
        return
    scale = side / max(picture.shape[:2])
    height, width = (max(1, round(length * scale)) for length in picture.shape[:2])
    x += (side - width) // 2
    y += (side - height) // 2
    canvas[y : y + height, x : x + width] = resize(picture, height, width)


def put_text(canvas: Image, text: str, origin: Point, room: int, style: Style) -> None:
    """Draws one line from `origin`, the left end of its baseline, shortened to `room` pixels."""
    # OpenCV ends the process on a lone surrogate and breaks the line on a control character.
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    fitting = _shorten(printable, room, style)
    cv2.putText(canvas, fitting, origin, style.colour, _FONT, style.size, style.weight)


def _shorten(text: str, room: int, style: Style) -> str:
    """Leaves out as little as needed of the middle; both ends of a name tell most."""
    if text_width(text, style) <= room:
        return text

    def keep(count: int) -> str:
        return f"{text[: (count + 1) // 2]}…{text[len(text) - count // 2 :]}"

    counts = range(len(text))
    fitting = bisect.bisect_right(counts, room, key=lambda count: text_width(keep(count), style))
    return keep(max(0, fitting - 1))


def text_width(text: str, style: Style) -> int:
    """Returns the pixels that a line takes."""
    _, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), _FONT, style.size, style.weight)
    return width
