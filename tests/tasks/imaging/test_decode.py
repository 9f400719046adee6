import io
import resource
import struct
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tasks.imaging.decode import DecodeLimits, RejectedImage, decode_image
from tasks.imaging.resize import resize
from tests.tasks.imaging.samples import (
    encode,
    every_kind,
    fading,
    oversized,
    photo,
    png,
    shown_by_pillow,
    sixteen_bit,
)

# Pillow also warns of the damage that is then rejected.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

LIMITS = DecodeLimits()
KINDS = every_kind()
SIGNATURES = [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"P6 "]


def difference(image: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """Returns the mean absolute difference of two images of one size, in grey levels."""
    assert image.shape == other.shape
    return float(np.abs(image.astype(int) - other).mean())


def psnr(image: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    assert image.shape == other.shape
    return cv2.PSNR(image, other)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.endswith("I;16")])
def test_every_kind_of_file_looks_as_pillow_shows_it(kind: str) -> None:
    image = decode_image(KINDS[kind], LIMITS)

    assert image.dtype == np.uint8
    tolerance = 2.0 if "CMYK" in kind or "YCbCr" in kind else 0.5
    assert difference(image, shown_by_pillow(KINDS[kind])) < tolerance


@pytest.mark.parametrize("kind", ["PNG I;16", "TIFF I;16"])
def test_16_bit_grey_becomes_8_bit(kind: str) -> None:
    grey = np.asarray(photo().convert("L"))

    assert np.array_equal(decode_image(KINDS[kind], LIMITS), np.dstack([grey] * 3))


def test_a_16_bit_png_is_composited_over_white() -> None:
    faded = fading(photo())
    _, encoded = cv2.imencode(".png", np.ascontiguousarray(sixteen_bit(faded)[..., [2, 1, 0, 3]]))

    image = decode_image(encoded.tobytes(), LIMITS)

    assert difference(image, shown_by_pillow(encode(faded, "PNG"))) < 0.5


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("alpha", ["unassalpha", "assocalpha"])
def test_a_tiff_with_either_kind_of_alpha_is_composited_over_white(bits: int, alpha: str) -> None:
    faded = fading(photo())
    stored = np.asarray(faded.convert("RGBa") if alpha == "assocalpha" else faded)
    file = io.BytesIO()
    samples = stored if bits == 8 else stored.astype(np.uint16) * 257
    tifffile.imwrite(file, samples, photometric="rgb", extrasamples=[alpha])

    image = decode_image(file.getvalue(), LIMITS)

    assert difference(image, shown_by_pillow(encode(faded, "PNG"))) < 1


@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        (np.asarray(photo("coffee")).transpose(2, 0, 1), {"planarconfig": "separate"}),
        (np.asarray(photo("coffee")), {"tile": (32, 32)}),
        (np.asarray(photo("coffee")), {"byteorder": ">"}),
        (np.asarray(photo("coffee")), {"bigtiff": True}),
        (sixteen_bit(photo("coffee")), {"compression": "zlib"}),
    ],
    ids=["planes", "tiles", "big-endian", "BigTIFF", "16 bits"],
)
def test_a_tiff_in_any_layout_is_the_same_picture(
    pixels: npt.NDArray[np.generic], options: dict[str, Any]
) -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric="rgb", **options)

    image = decode_image(file.getvalue(), LIMITS)

    assert np.array_equal(image, np.asarray(photo("coffee"))[..., ::-1])


@pytest.mark.parametrize("adobe_transform", [0, 2], ids=["CMYK", "YCCK"])
def test_a_four_channel_jpeg_looks_as_pillow_shows_it(adobe_transform: int) -> None:
    data = bytearray(encode(photo("coffee").convert("CMYK"), "JPEG", quality=95))
    data[data.index(b"Adobe") + 11] = adobe_transform

    image = decode_image(bytes(data), LIMITS)

    assert difference(image, shown_by_pillow(bytes(data))) < 2.0


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WebP"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_upright_once(file_format: str, mode: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    extra = {"tiffinfo": {0x0112: orientation}} if file_format == "TIFF" else {"exif": exif}
    data = encode(photo().convert(mode), file_format, **extra)

    assert difference(decode_image(data, LIMITS), shown_by_pillow(data)) < 0.5


def test_the_orientation_also_holds_for_transparent_images() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(fading(photo()), "PNG", exif=exif)

    assert difference(decode_image(data, LIMITS), shown_by_pillow(data)) < 0.5


@pytest.mark.parametrize("file_format", ["GIF", "WebP", "PNG"])
def test_an_animation_is_its_first_frame(file_format: str) -> None:
    options = {"lossless": True} if file_format == "WebP" else {}
    first, second = photo(), photo("coffee")
    data = encode(first, file_format, save_all=True, append_images=[second], **options)

    image = decode_image(data, LIMITS)

    assert difference(image, shown_by_pillow(data)) < 0.5
    assert difference(image, np.asarray(second)[..., ::-1]) > 20


def test_what_is_fully_transparent_is_white_whatever_colour_hides_beneath() -> None:
    hidden = Image.new("RGBA", (5, 4), (200, 30, 60, 0))

    for file_format in ("PNG", "TIFF", "WebP", "GIF"):
        assert (decode_image(encode(hidden, file_format), LIMITS) == 255).all(), file_format


@pytest.mark.parametrize("bit_depth", [1, 2, 4, 8, 16])
def test_the_transparent_grey_of_a_png_is_white(bit_depth: int) -> None:
    black = b"\0" + bytes(max(1, bit_depth // 8))

    image = decode_image(png((1, 1, bit_depth, 0), black, (b"tRNS", b"\0\0")), LIMITS)

    assert image.tolist() == [[[255, 255, 255]]]


@pytest.mark.parametrize(
    ("data", "grey"),
    [
        (b"P5 3 1 100\n" + bytes([0, 50, 100]), [0, 128, 255]),
        (b"P5 3 1 1023\n" + struct.pack(">3H", 0, 512, 1023), [0, 128, 255]),
        (b"P2 3 1 100\n0 50 100\n", [0, 127, 255]),
        (b"P2 3 1 1023\n0 512 1023\n", [0, 128, 255]),
        (b"P5 3 1 65535\n" + struct.pack(">3H", 0, 32768, 65535), [0, 128, 255]),
    ],
)
def test_a_pnm_is_scaled_to_its_own_white(data: bytes, grey: list[int]) -> None:
    assert decode_image(data, LIMITS)[0, :, 0].tolist() == grey


def test_a_grey_tiff_with_alpha_is_rejected_rather_than_shown_wrongly() -> None:
    with pytest.raises(RejectedImage, match="TIFF with transparency but not RGB"):
        decode_image(encode(fading(photo().convert("L")), "TIFF"), LIMITS)


def test_an_empty_file_is_rejected() -> None:
    with pytest.raises(RejectedImage, match=r"^empty file$"):
        decode_image(b"", LIMITS)


def test_a_file_over_the_limit_on_bytes_is_rejected() -> None:
    data = KINDS["PNG RGB"]

    decode_image(data, DecodeLimits(max_bytes=len(data)))
    with pytest.raises(RejectedImage, match=f"^{len(data)} bytes are over the limit of"):
        decode_image(data, DecodeLimits(max_bytes=len(data) - 1))


def test_an_image_over_the_limit_on_pixels_is_rejected() -> None:
    decode_image(KINDS["PNG RGB"], DecodeLimits(max_pixels=61 * 40))
    with pytest.raises(RejectedImage, match=r"^claims 61 x 40 pixels, over the limit of 2439$"):
        decode_image(KINDS["PNG RGB"], DecodeLimits(max_pixels=61 * 40 - 1))


@pytest.mark.parametrize("kind", oversized(60_000))
def test_a_decompression_bomb_is_rejected_before_its_pixels_are_allocated(kind: str) -> None:
    data = oversized(60_000)[kind]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(
        RejectedImage, match=r"^claims 60000 x 60000 pixels, over the limit of 100000000$"
    ):
        decode_image(data, LIMITS)

    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before  # KiB, bytes on macOS
    assert grown < 50_000_000 / 1024


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_at_any_tenth_is_rejected_unless_its_pixels_are_complete(kind: str) -> None:
    data = KINDS[kind]
    whole = decode_image(data, LIMITS)

    for tenth in range(1, 10):
        try:
            cut = decode_image(data[: len(data) * tenth // 10], LIMITS)
        except RejectedImage as rejection:
            assert "truncated" in str(rejection)
        else:
            # A TIFF may end with tags that the pixels do not need.
            assert kind.startswith("TIFF")
            assert np.array_equal(cut, whole)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}])
@pytest.mark.parametrize("missing", [1, 2, 100, 10_000])
@pytest.mark.parametrize("target", [None, (20, 20)])
def test_a_truncated_jpeg_is_rejected_with_its_reason(
    options: dict[str, int], missing: int, target: tuple[int, int] | None
) -> None:
    data = encode(photo("rocket", 640, 427), "JPEG", **options)

    with pytest.raises(RejectedImage, match=r"^truncated, corrupt or unsupported JPEG$"):
        decode_image(data[:-missing], LIMITS, target)


@pytest.mark.parametrize("kind", ["JPEG RGB", "PNG RGB", "GIF RGB", "BMP RGB", "PPM RGB"])
def test_what_follows_the_end_of_the_image_does_no_harm(kind: str) -> None:
    assert np.array_equal(
        decode_image(KINDS[kind] + bytes(100), LIMITS), decode_image(KINDS[kind], LIMITS)
    )


@settings(deadline=None)
@given(st.sampled_from([b"", *SIGNATURES]), st.binary(max_size=300))
def test_random_bytes_are_an_image_or_rejected(signature: bytes, noise: bytes) -> None:
    try:
        image = decode_image(signature + noise, DecodeLimits(max_pixels=1_000_000))
    except RejectedImage as rejection:
        assert str(rejection)
    else:
        assert image.ndim == 3


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_file_with_flipped_bits_is_an_image_or_rejected(data: st.DataObject) -> None:
    original = KINDS[data.draw(st.sampled_from(sorted(KINDS)))]
    # Headers are the first bytes, or the last of a TIFF.
    place = st.one_of(
        st.integers(0, len(original) - 1), st.integers(0, 64), st.integers(-200, -1)
    ).map(lambda index: index % len(original))
    damaged = bytearray(original)
    for index, bit in data.draw(
        st.lists(st.tuples(place, st.integers(0, 7)), min_size=1, max_size=6)
    ):
        damaged[index] ^= 1 << bit

    try:
        image = decode_image(bytes(damaged), DecodeLimits(max_pixels=1_000_000), (16, 16))
    except RejectedImage as rejection:
        assert str(rejection)
    else:
        assert image.ndim == 3
        assert image.dtype == np.uint8


@pytest.mark.parametrize(
    ("target", "divisor"),
    [((50, 75), 8), ((51, 75), 4), ((50, 76), 4), ((100, 151), 2), ((200, 301), 1), ((1, 600), 1)],
)
def test_a_jpeg_is_reduced_as_far_as_both_sides_reach_the_target(
    target: tuple[int, int], divisor: int
) -> None:
    data = encode(photo("rocket", 600, 400), "JPEG")

    assert decode_image(data, LIMITS, target).shape == (400 // divisor, 600 // divisor, 3)


def test_the_target_is_that_of_the_upright_image() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(photo("rocket", 600, 400), "JPEG", exif=exif)

    assert decode_image(data, LIMITS, (150, 100)).shape == (150, 100, 3)
    assert decode_image(data, LIMITS, (100, 150)).shape == (300, 200, 3)


@pytest.mark.parametrize("name", ["rocket", "chelsea", "astronaut", "coffee"])
@pytest.mark.parametrize("width", [460, 1000, 2000])
def test_a_reduced_decode_is_the_same_picture(name: str, width: int) -> None:
    data = encode(photo(name, width, width * 3 // 4), "JPEG", quality=92)

    reduced = resize(decode_image(data, LIMITS, (224, 224)), 224, 224)

    assert psnr(reduced, resize(decode_image(data, LIMITS), 224, 224)) > 35


@settings(deadline=None)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(1, 8),
)
def test_a_reduced_decode_never_falls_below_the_target(
    size: tuple[int, int], target: tuple[int, int], orientation: int
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(photo("coffee", *size), "JPEG", exif=exif)

    full = decode_image(data, LIMITS).shape
    reduced = decode_image(data, LIMITS, target).shape

    for axis in (0, 1):
        assert reduced[axis] == full[axis] or reduced[axis] >= target[axis]
