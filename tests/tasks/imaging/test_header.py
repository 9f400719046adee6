import struct
import tracemalloc

import pytest
from PIL import Image

from tasks.imaging.header import RejectedImage, count_scans, read_header, without_ancillary_chunks
from tests.tasks.imaging.samples import encode, every_kind, oversized, photo, png, tiff_with

# Pillow also warns of the damage that is then rejected.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

KINDS = every_kind()


@pytest.mark.parametrize("kind", KINDS)
def test_format_and_size_are_read_from_every_kind_of_file(kind: str) -> None:
    header = read_header(KINDS[kind])

    assert header.format == kind.split()[0].replace("PPM", "PNM")
    assert (header.width, header.height) == (61, 40)


@pytest.mark.parametrize("kind", oversized(60_000))
def test_the_claimed_size_is_read_without_allocating_the_pixels(kind: str) -> None:
    data = oversized(60_000)[kind]

    tracemalloc.start()
    header = read_header(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (header.width, header.height) == (60_000, 60_000)
    assert peak < 2_000_000


@pytest.mark.parametrize(
    "data", [b"not an image", b"%PDF-1.7", b"P7\nWIDTH 1\n", b"\0\0\0\x1cftypavif"]
)
def test_other_formats_are_rejected_and_the_supported_ones_named(data: bytes) -> None:
    with pytest.raises(RejectedImage, match=r"supported format \(JPEG, PNG, GIF, BMP, TIFF, WebP"):
        read_header(data)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_nothing_but_its_signature_is_rejected_by_its_format(kind: str) -> None:
    file_format = kind.split()[0].replace("PPM", "PNM")
    length = {"WebP": 12, "PNM": 3}.get(file_format, 8)

    with pytest.raises(RejectedImage, match=f"corrupt.*{file_format}"):
        read_header(KINDS[kind][:length])


@pytest.mark.parametrize("mode", ["I", "F"])
def test_a_tiff_of_measurements_is_rejected_with_its_reason(mode: str) -> None:
    with pytest.raises(RejectedImage, match="signed, 32-bit or floating-point"):
        read_header(encode(photo().convert(mode), "TIFF"))


@pytest.mark.parametrize("claimed", [1_000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_png_chunk_that_claims_more_than_the_file_holds_is_rejected(claimed: int) -> None:
    data = bytearray(encode(photo(), "PNG"))
    start = data.rindex(b"IDAT") - 4
    struct.pack_into(">I", data, start, len(data) + claimed if claimed == 1_000 else claimed)

    with pytest.raises(RejectedImage, match="truncated or corrupt PNG"):
        read_header(bytes(data))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WebP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_read(file_format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation

    header = read_header(encode(photo(), file_format, exif=exif))

    assert header.orientation == orientation
    assert header.is_transposed == (orientation > 4)


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff"]
)
def test_damaged_exif_leaves_an_image_as_it_is_stored(exif: bytes) -> None:
    assert read_header(encode(photo(), "JPEG", exif=exif)).orientation == 1


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation

    assert read_header(encode(photo(), "JPEG", exif=exif)).orientation == 1


@pytest.mark.parametrize(("bit_depth", "sample"), [(1, 255), (2, 85), (4, 17), (8, 1), (16, 1)])
def test_the_transparent_grey_is_scaled_like_the_samples(bit_depth: int, sample: int) -> None:
    data = png((1, 1, bit_depth, 0), b"\0\0\0"[: 2 + bit_depth // 16], (b"tRNS", b"\0\1"))

    assert read_header(data).transparent_grey == sample


@pytest.mark.parametrize(
    ("data", "maxval"),
    [
        (b"P5 1 1 100\n\0", 100),
        (b"P5\n# made by hand\n1 1 # size\n1023\n\0\0", 1023),
        (b"P6 1 1 255\n\0\0\0", 255),
        (b"P2 1 1 100\n50\n", None),
        (b"P2 1 1 1023\n50\n", 1023),
    ],
)
def test_the_white_of_a_pnm_is_read_where_opencv_does_not_scale_to_it(
    data: bytes, maxval: int | None
) -> None:
    assert read_header(data).maxval == maxval


@pytest.mark.parametrize(
    "data", [b"P5 2#3 9\n 2 255\n", b"P5 2 2 255", b"P6 2 2\n", b"P5 -2 2 255\n"]
)
def test_a_pnm_header_that_decoders_read_differently_is_rejected(data: bytes) -> None:
    with pytest.raises(RejectedImage, match="corrupt or unsupported PNM"):
        read_header(data + bytes(20))


@pytest.mark.parametrize("field", [256, 257])
@pytest.mark.parametrize("kind", [3, 4])
def test_a_tiff_that_tells_its_size_twice_is_rejected(field: int, kind: int) -> None:
    twice = tiff_with(encode(photo(), "TIFF"), (field, kind, 1, 9_999))

    with pytest.raises(RejectedImage, match="corrupt or unsupported TIFF"):
        read_header(twice)


def test_the_tiles_of_a_tiff_are_read() -> None:
    tiled = tiff_with(encode(photo(), "TIFF"), (322, 4, 1, 16_384), (323, 3, 1, 16))

    assert read_header(tiled).tile == (16_384, 16)


@pytest.mark.parametrize("before", [b"", b"\0", b"\xff"])
@pytest.mark.parametrize("after", [b"", b"\0", b"\xff", b"\xff\xda\xff\xda"])
def test_scans_are_counted_wherever_they_begin(before: bytes, after: bytes) -> None:
    data = before + b"\xff\xda" + after

    assert count_scans(data) == data.count(b"\xff\xda")


def test_a_jpeg_of_endless_scans_is_rejected() -> None:
    data = encode(photo(), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]

    with pytest.raises(RejectedImage, match=r"^JPEG of \d+ scans, over the limit of 500$"):
        read_header(data[:-2] + 500 * scan + data[-2:])


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP", b"acTL", b"fcTL", b"sBIT"])
def test_chunks_that_do_not_make_the_picture_are_left_out_of_a_png(kind: bytes) -> None:
    scanlines, transparency = b"\0" + bytes(3), (b"tRNS", bytes(6))

    assert without_ancillary_chunks(
        png((1, 1, 8, 2), scanlines, (kind, b"anything"), transparency)
    ) == png((1, 1, 8, 2), scanlines, transparency)
