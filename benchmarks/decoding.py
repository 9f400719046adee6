"""decoding: JPEGs at a reduced scale, as `etl` does, against all their pixels.

As in `etl`, an image a core is in the making: what takes all cores for one image gains nothing.
The bound is what the same library takes to decode at that scale and do nothing else.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.figures import Figure, in_turns
from demo.catalogue import PHOTOS, encode, open_photo
from tasks.imaging.decode import DecodeLimits
from tasks.imaging.network_input import load_resized_rgb
from tasks.imaging.preprocessing import Preprocessing
from tasks.parallel import bounded_map, cores

_LIMITS = DecodeLimits()
_PREPROCESSING = Preprocessing()
# The longer side, how many times faster than all pixels it has to be, and the scale it allows.
_SIDES = {1600: (3.0, cv2.IMREAD_REDUCED_COLOR_4), 4000: (5.0, cv2.IMREAD_REDUCED_COLOR_8)}
_LEAST_PSNR = 30.0
_QUICK = 4
# As many as there are photographs would leave threads without one at the end.
_ROUNDS = 3


def figures(_: Path, *, quick: bool) -> Iterator[Figure]:
    """Yields images per second, and how near the picture is to that of all pixels."""
    names = PHOTOS[:_QUICK] if quick else PHOTOS
    for side, (goal, scale) in _SIDES.items():
        photos = [jpeg_of(name, side) for name in names]
        count = _ROUNDS * len(photos)
        taken = in_turns(
            {
                "ours": partial(_each, _ours, photos),
                "rival": partial(_each, _all_pixels, photos),
                "bound": partial(_each, partial(_decode, flags=scale), photos),
            }
        )
        ours, rival, bound = (count / taken[way].median for way in ("ours", "rival", "bound"))
        yield Figure(
            f"decode and resize, JPEG of {side} px",
            "images/s",
            ours,
            goal=f">= {goal:.0f} x",
            met=ours / rival >= goal,
            rival=rival,
            rival_name="full decode, area",
            bound=bound,
            bound_name="decoding at that scale alone",
            ratio=ours / rival,
            low=count / taken["ours"].high,
            high=count / taken["ours"].low,
        )
        psnr = float(np.mean([cv2.PSNR(_ours(photo), _all_pixels(photo)) for photo in photos]))
        yield Figure(
            f"the same picture, {side} px",
            "dB PSNR",
            psnr,
            goal=f">= {_LEAST_PSNR:.0f}",
            met=psnr >= _LEAST_PSNR,
        )


def jpeg_of(name: str, side: int) -> bytes:
    """Returns a photograph as a JPEG file whose longer side has so many pixels."""
    photo = open_photo(name).convert("RGB")
    scale = side / max(photo.size)
    return encode(photo.resize((round(photo.width * scale), round(photo.height * scale))), "jpeg")


def _each(way: Callable[[bytes], npt.NDArray[np.uint8]], photos: list[bytes]) -> None:
    for _ in bounded_map(way, photos * _ROUNDS, cores()):
        pass


def _ours(data: bytes) -> npt.NDArray[np.uint8]:
    return load_resized_rgb(data, _PREPROCESSING, _LIMITS)


def _all_pixels(data: bytes) -> npt.NDArray[np.uint8]:
    size = (_PREPROCESSING.width, _PREPROCESSING.height)
    resized = cv2.resize(_decode(data, cv2.IMREAD_COLOR), size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(resized, cv2.COLOR_BGR2RGB), np.uint8)


def _decode(data: bytes, flags: int) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), flags), np.uint8)
