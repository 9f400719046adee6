"""A sample catalogue: overlapping views of the photographs that scikit-image carries.

`python -m demo.catalogue --lake URI`. The folder of a view is named after its photo: the ground
truth of a search. A few files are difficult on purpose, and one is broken. Beside the catalogue
lies a picture to search with.
"""

import argparse
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import skimage
from PIL import Image

from tasks.contract import one_line_errors
from tasks.errors import UserError
from tasks.lake.layout import MASTER
from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tasks.progress import track

PHOTOS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "cell.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)
VIEWS = 14
BROKEN = "broken/truncated.jpg"
QUERY = "queries/motorcycle.jpg"

_ORIENTATION = 0x0112  # the EXIF tag
_TURN_RIGHT = 6  # its value for "turn by 90 degrees clockwise to view"


def make_catalogue(lake: Store) -> int:
    """Writes the catalogue, and the picture to search with, to a lake; what is there stays.

    Returns:
        How many files the catalogue has.
    """
    count = len(PHOTOS) * VIEWS + 4
    for name, data in track(_files(), count, "making the sample catalogue"):
        path = f"{MASTER}/{name}"
        if not lake.exists(path):
            lake.write(path, data)
    if not lake.exists(QUERY):
        seen_from_the_right = open_photo("motorcycle_right.png")
        lake.write(QUERY, encode(seen_from_the_right, "jpeg"))
    return count


def photo_of(name: str) -> str:
    """Returns the photo that an image of the catalogue is a view of."""
    return name.split("/", maxsplit=1)[0]


def _files() -> Iterator[tuple[str, bytes]]:
    photos = {Path(name).stem: open_photo(name) for name in PHOTOS}
    for number, (stem, photo) in enumerate(photos.items()):
        rng = np.random.default_rng(number)
        for view in range(VIEWS):
            kind = "png" if view % 4 == 3 else "jpeg"
            extension = "png" if kind == "png" else "jpg"
            yield f"{stem}/view_{view:02d}.{extension}", encode(_view(photo, rng), kind)
    cat, cup = photos["chelsea"], photos["coffee"]
    exif = Image.Exif()
    exif[_ORIENTATION] = _TURN_RIGHT
    yield (
        "chelsea/turned_by_exif.jpg",
        encode(cat.transpose(Image.Transpose.ROTATE_90), "jpeg", exif),
    )
    yield "chelsea/grey.png", encode(cat.convert("L"), "png")
    yield "coffee/cut_out_with_alpha.png", encode(_cut_out(cup), "png")
    whole = encode(photos["rocket"], "jpeg")
    yield BROKEN, whole[: len(whole) // 2]


def open_photo(name: str) -> Image.Image:
    """Returns a photograph that scikit-image carries, grey or RGB."""
    photo = Image.open(Path(skimage.__file__).parent / "data" / name)
    return photo.convert("L" if photo.mode == "L" else "RGB")


def _view(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Cuts out 60 to 90 % of each side, somewhere, and scales it to another size."""
    width, height = (
        int(side * share) for side, share in zip(photo.size, rng.uniform(0.6, 0.9, 2), strict=True)
    )
    left = int(rng.integers(0, photo.width - width + 1))
    top = int(rng.integers(0, photo.height - height + 1))
    scale = rng.uniform(0.7, 1.6)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return photo.crop((left, top, left + width, top + height)).resize(
        size, Image.Resampling.LANCZOS
    )


def _cut_out(photo: Image.Image) -> Image.Image:
    """Makes everything outside an ellipse transparent."""
    y, x = np.mgrid[-1 : 1 : photo.height * 1j, -1 : 1 : photo.width * 1j]
    cut = photo.convert("RGBA")
    cut.putalpha(Image.fromarray(np.where(x**2 + y**2 < 1, 255, 0).astype(np.uint8)))
    return cut


def encode(image: Image.Image, kind: str, exif: Image.Exif | None = None) -> bytes:
    """Returns an image as a file of the given kind."""
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=90, exif=exif or Image.Exif())
    return buffer.getvalue()


def main() -> None:
    """Makes the catalogue in the lake named on the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--lake", required=True, help="URI; a local folder is made if need be")
    uri = parser.parse_args().lake
    with one_line_errors():
        try:
            if uri.startswith("file://"):
                Path(uri.removeprefix("file://")).mkdir(parents=True, exist_ok=True)
            lake = open_store(uri)
            count = make_catalogue(lake)
        except PermissionError as error:
            raise UserError(
                f"the sample cannot be written to {uri} ({error}); name a lake that the "
                "credentials may write to, those of the environment or of the Airflow connection"
            ) from error
        print(f"Sample catalogue: {count} files in {lake.uri(MASTER)}")


if __name__ == "__main__":
    main()
