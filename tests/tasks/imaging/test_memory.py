"""Decoding takes no more memory than `decode_image` says, in whatever way an image is stored."""

import io
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

from tests.tasks.imaging.hostile import hostile_files
from tests.tasks.imaging.samples import encode, photo

SIDE = 2_000
# Decodes images in a process of their own, as the high-water mark never goes down, and prints by
# how many bytes it rose. A first small decode loads what is loaded once. The mark is not
# `ru_maxrss`, which a process inherits from the one that started it.
MEASURE = """
import re, sys
from pathlib import Path
from tasks.imaging.decode import DecodeLimits, RejectedImage, decode_image

def peak():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

limits = DecodeLimits(max_pixels=int(sys.argv[1]))
first, *images = (Path(name).read_bytes() for name in sys.argv[2:])
decode_image(first, limits)
before = peak()
for image in images:
    try:
        decode_image(image, limits)
    except RejectedImage:
        pass
print(peak() - before)
"""


def noisy(channels: int, dtype: type[np.unsignedinteger]) -> npt.NDArray[np.unsignedinteger]:
    """Returns (SIDE, SIDE, channels) that cannot be compressed much."""
    rng = np.random.default_rng(0)
    return rng.integers(0, np.iinfo(dtype).max, (SIDE, SIDE, channels), dtype)


def noise(extension: str, channels: int, dtype: type[np.unsignedinteger]) -> bytes:
    _, encoded = cv2.imencode(extension, noisy(channels, dtype))
    return encoded.tobytes()


def deep_tiff() -> bytes:
    file = io.BytesIO()
    samples = noisy(4, np.uint16)
    tifffile.imwrite(
        file, samples, photometric="rgb", extrasamples=["assocalpha"], rowsperstrip=SIDE
    )
    return file.getvalue()


def tiled_tiff() -> bytes:
    file = io.BytesIO()
    pixels = np.asarray(photo("coffee", 100, 100))
    side = SIDE // 16 * 16
    tifffile.imwrite(file, pixels, photometric="rgb", tile=(side, side), compression="zlib")
    return file.getvalue()


def turned_progressive_jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = photo("coffee", SIDE, SIDE).convert("CMYK")
    return encode(image, "JPEG", progressive=True, subsampling=0, exif=exif)


def animation(file_format: str) -> bytes:
    frames = [photo(name, SIDE, SIDE) for name in ("coffee", "rocket", "chelsea")]
    fast = {"compress_level": 1} if file_format == "PNG" else {}
    return encode(frames[0], file_format, save_all=True, append_images=frames[1:], **fast)


LARGEST: dict[str, Callable[[], bytes]] = {
    "TIFF, 16-bit RGBA in one strip": deep_tiff,
    "TIFF, a small picture in a large tile": tiled_tiff,
    "PNG, 16-bit RGBA": partial(noise, ".png", 4, np.uint16),
    "PPM, 16-bit": partial(noise, ".ppm", 3, np.uint16),
    "BMP, 32-bit": partial(noise, ".bmp", 4, np.uint8),
    "JPEG, progressive CMYK, turned": turned_progressive_jpeg,
    "animated GIF": partial(animation, "GIF"),
    "animated WebP": partial(animation, "WebP"),
    "animated PNG": partial(animation, "PNG"),
}


def growth(tmp_path: Path, images: list[bytes], max_pixels: int) -> int:
    paths = [tmp_path / str(number) for number in range(1 + len(images))]
    for path, data in zip(paths, [encode(photo(), "PNG"), *images], strict=True):
        path.write_bytes(data)
    command: list[str | Path] = [sys.executable, "-c", MEASURE, str(max_pixels), *paths]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize("kind", LARGEST)
def test_the_largest_image_that_is_let_in_stays_within_the_bound(kind: str, tmp_path: Path) -> None:
    data = LARGEST[kind]()

    assert growth(tmp_path, [data], SIDE**2) <= 2 * len(data) + 24 * SIDE**2 + 16 * 2**20


def test_bombs_take_next_to_no_memory(tmp_path: Path) -> None:
    bombs = [file.data for file in hostile_files() if file.name.startswith("bombs/")]

    assert growth(tmp_path, bombs, 1_000_000) <= 2 * max(map(len, bombs)) + 16 * 2**20


# Decodes an image in a process that may grow by so many bytes, and prints what comes of it. Pillow
# is loaded when it is first needed; a process that cannot do so ends with that.
SHORT = """
import resource, sys
from pathlib import Path
import PIL.Image
from tasks.imaging.decode import DecodeLimits, decode_image

image = Path(sys.argv[1]).read_bytes()
size = resource.getpagesize() * int(Path("/proc/self/statm").read_text().split()[0])
for grow in map(int, sys.argv[2:]):
    resource.setrlimit(resource.RLIMIT_AS, (size + grow, resource.RLIM_INFINITY))
    try:
        decode_image(image, DecodeLimits())
        print("decoded")
    except Exception as error:
        print(type(error).__name__)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("options", [{"format": "PNG"}, {"format": "JPEG", "progressive": True}])
def test_a_shortage_of_memory_is_no_fault_of_the_image(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    Image.new("RGB", (SIDE, SIDE), "red").save(tmp_path / "image", **options)
    grow = [str(megabytes * 10**6) for megabytes in (1, 13, 16, 20, 500)]
    command = [sys.executable, "-c", SHORT, str(tmp_path / "image"), *grow]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *short, ample = done.stdout.split()
    assert short[0] == "MemoryError"
    assert set(short) <= {"MemoryError", "decoded"}
    assert ample == "decoded"
