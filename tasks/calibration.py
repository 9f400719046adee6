"""Pictures of the catalogue that low precision is tried on: the same for the same catalogue."""

import hashlib
import heapq
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tasks.errors import UserError
from tasks.imaging.decode import DecodeLimits, RejectedImage
from tasks.imaging.network_input import load_resized_rgb, preprocess_input
from tasks.lake import layout
from tasks.lake.catalogue import Image
from tasks.lake.lines import read_lines
from tasks.lake.releases import Releases
from tasks.lake.store import NotAnObjectError, Store
from tasks.run_plan import RunPlan, open_catalogue

MOST_PICTURES = 120
LEAST_PICTURES = 10
# So many names are drawn for each picture, as some cannot be used.
_NAMES_A_PICTURE = 3


def sample_pictures(lake: Store, plan: RunPlan) -> npt.NDArray[np.float32]:
    """Reads a sample of the images that a run has found, or that its base holds.

    Which ones follows from their names and the setting `calibration` alone.

    Args:
        lake: the data lake.
        plan: of the run.

    Returns:
        (n, height, width, 3) float32, preprocessed, n at most `MOST_PICTURES`; each view of a
        picture counts as one.

    Raises:
        UserError: fewer than `LEAST_PICTURES` can be used.
    """
    pictures: list[npt.NDArray[np.float32]] = []
    for picture in _usable(lake, plan):
        pictures += picture
        if len(pictures) >= MOST_PICTURES:
            break
    if len(pictures) < LEAST_PICTURES:
        raise UserError(
            f"precision {plan.pipeline.precision} is tried on pictures of the catalogue, "
            f"{LEAST_PICTURES} at least, and {len(pictures)} can be used; add images, or set "
            "precision to float32"
        )
    return np.stack(pictures[:MOST_PICTURES])


def _usable(lake: Store, plan: RunPlan) -> Iterator[list[npt.NDArray[np.float32]]]:
    catalogue = open_catalogue(lake, plan.catalogue)
    limits = DecodeLimits(plan.limits.max_bytes, plan.limits.max_pixels)
    shape = plan.preprocessing.height, plan.preprocessing.width, 3
    for image in _drawn(lake, plan):
        try:
            data = catalogue.read_range(image.name, 0, image.bytes)
            rgb = load_resized_rgb(data, plan.preprocessing, limits)
        except (
            FileNotFoundError,
            NotADirectoryError,
            NotAnObjectError,
            PermissionError,
            RejectedImage,
        ):
            continue  # etl says so
        yield list(preprocess_input(rgb.reshape(-1, *shape), plan.preprocessing.mode))


def _drawn(lake: Store, plan: RunPlan) -> list[Image]:
    """Draws more images than are needed, those with the lowest digests of their names."""

    def ticket(image: Image) -> str:
        return hashlib.sha256(f"{plan.pipeline.calibration} {image.name}".encode()).hexdigest()

    usable = (
        image
        for image in _listed(lake, plan)
        if not image.rejected and 0 < image.bytes <= plan.limits.max_bytes
    )
    return heapq.nsmallest(_NAMES_A_PICTURE * MOST_PICTURES, usable, key=ticket)


def _listed(lake: Store, plan: RunPlan) -> Iterator[Image]:
    if plan.listing:
        return read_lines(lake, plan.listing, Image)
    # Nothing changed but the model is to be built again: the catalogue is that of the base.
    base = Releases(lake).get(plan.base) if plan.base else None
    return read_lines(lake, base.artifacts[layout.CATALOGUE], Image) if base else iter(())
