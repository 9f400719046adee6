"""Two labelled catalogues to measure answers on: drawn and cut-out pictures, and photographs.

`python -m demo.labelled stamps --from FOLDER --lake URI` takes the pictures of Debian's package
tuxpaint-stamps-default, unpacked; their first two folders are their label (`folders:2`).
`python -m demo.labelled photographs --lake URI` cuts hard views from the photographs that
scikit-image carries: small, mirrored, darkened, squeezed; the photo is the label (`folders`).
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from demo.catalogue import PHOTOS, encode, open_photo
from tasks.errors import UserError
from tasks.evaluation.labels import folder_labels
from tasks.lake.layout import MASTER
from tasks.lake.open_store import open_store
from tasks.lake.store import Store

LEVELS = 2
_LEAST_OF_A_LABEL = 4
_VIEWS = 20


def stamps(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yields names and files: of labels with four pictures or more, no symbols, none mirrored.

    Raises:
        UserError: the pictures are not there.
    """
    names = [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*.png"))
        if "mirror" not in path.name
    ]
    labels = folder_labels((name for name in names if not name.startswith("symbols/")), LEVELS)
    counts = Counter(labels.values())
    if not counts:
        raise UserError(f"{folder} holds no stamps; unpack tuxpaint-stamps-default there")
    for name, label in labels.items():
        if counts[label] >= _LEAST_OF_A_LABEL:
            yield name, (folder / name).read_bytes()


def photographs(views: int = _VIEWS) -> Iterator[tuple[str, bytes]]:
    """Yields names and files of so many views of each photo; equal calls give equal bytes."""
    for number, name in enumerate(PHOTOS):
        photo = open_photo(name).convert("RGB")
        rng = np.random.default_rng(1000 + number)
        for view in range(views):
            yield f"{Path(name).stem}/{view:02d}.jpg", encode(_hard_view(photo, rng), "jpeg")


def _hard_view(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    wide, tall = (
        int(side * share) for side, share in zip(photo.size, rng.uniform(0.25, 0.6, 2), strict=True)
    )
    left, top = (
        int(rng.integers(photo.width - wide + 1)),
        int(rng.integers(photo.height - tall + 1)),
    )
    squeeze = rng.uniform(0.6, 1.6)
    side = rng.uniform(160, 500)
    size = (max(32, round(side * squeeze)), max(32, round(side / squeeze)))
    view = photo.crop((left, top, left + wide, top + tall)).resize(size, Image.Resampling.LANCZOS)
    if rng.random() < 0.5:
        view = ImageOps.mirror(view)
    view = ImageEnhance.Brightness(view).enhance(rng.uniform(0.5, 1.5))
    return ImageEnhance.Color(view).enhance(rng.uniform(0.3, 1.2))


def fill(lake: Store, files: Iterator[tuple[str, bytes]]) -> int:
    """Writes files to the catalogue of a lake; what is there stays. Returns how many there are."""
    count = 0
    for name, data in files:
        count += 1
        if not lake.exists(f"{MASTER}/{name}"):
            lake.write(f"{MASTER}/{name}", data)
    return count


def main() -> None:
    """Makes the catalogue named on the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("catalogue", choices=["stamps", "photographs"])
    parser.add_argument("--lake", required=True, help="URI; a local folder is made if need be")
    parser.add_argument("--from", type=Path, dest="folder", help="the unpacked stamps")
    arguments = parser.parse_args()
    if arguments.lake.startswith("file://"):
        Path(arguments.lake.removeprefix("file://")).mkdir(parents=True, exist_ok=True)
    files = stamps(arguments.folder) if arguments.catalogue == "stamps" else photographs()
    print(f"{fill(open_store(arguments.lake), files)} labelled images in {arguments.lake}")


if __name__ == "__main__":
    main()
