"""Thumbnails: made once by the decoder that makes the catalogue, kept in the lake by content."""

import hashlib

from tasks.errors import UserError
from tasks.imaging.decode import DecodeLimits, RejectedImage
from tasks.imaging.thumbnail import make_thumbnail
from tasks.lake import layout
from tasks.lake.store import NotAnObjectError, Store
from tasks.page.missing import MissingError
from tasks.page.open_releases import OpenRelease
from tasks.run_plan import open_catalogue

# What may be asked for: pixels of the longer side. The second one is for the enlarged view.
SIDES = (256, 1280)


def image_thumbnail(lake: Store, release: OpenRelease, name: str, side: int) -> bytes:
    """Returns the thumbnail of an image of a release, a JPEG.

    Raises:
        MissingError: the release has no such image, or its file cannot be shown any longer.
    """
    image = release.table.get(name)
    if image is None:
        raise MissingError(f"release {release.manifest.version} has no image {name!r}")
    if not image.sha256:
        raise MissingError(image.rejected or "nobody has read this image")
    if kept := _kept(lake, image.sha256, side):
        return kept
    limits = DecodeLimits(**release.manifest.limits)
    data = read_image(lake, release, name)
    if hashlib.sha256(data).hexdigest() != image.sha256:
        raise MissingError("the file has changed since this release; reindex to see it")
    return _make(lake, data, limits, side)


def picture_thumbnail(lake: Store, data: bytes, limits: DecodeLimits, side: int) -> bytes:
    """Returns the thumbnail of a picture from outside the catalogue, a JPEG.

    Raises:
        MissingError: it is not a picture that can be shown.
    """
    return _kept(lake, hashlib.sha256(data).hexdigest(), side) or _make(lake, data, limits, side)


def read_image(lake: Store, release: OpenRelease, name: str) -> bytes:
    """Returns the file of a catalogue's image.

    Raises:
        MissingError: it is gone, or too large by now.
    """
    catalogue = open_catalogue(lake, release.manifest.catalogue)
    most = int(release.manifest.limits["max_bytes"])
    try:
        # One byte more than allowed tells that there are too many, however many.
        data = catalogue.read_range(name, 0, min(catalogue.stat(name).bytes, most + 1))
    except (FileNotFoundError, NotAnObjectError) as error:
        raise MissingError("the file is no longer in the catalogue") from error
    if len(data) > most:
        raise MissingError(f"the file has grown over the limit of {most} bytes")
    return data


def check_side(side: int) -> int:
    """Returns a side that thumbnails may have.

    Raises:
        UserError: it is another one.
    """
    if side not in SIDES:
        raise UserError(f"thumbnails have {SIDES[0]} or {SIDES[1]} pixels, not {side}")
    return side


def _kept(lake: Store, sha256: str, side: int) -> bytes | None:
    try:
        return lake.read(layout.thumbnail(sha256, check_side(side)))
    except FileNotFoundError:
        return None


def _make(lake: Store, data: bytes, limits: DecodeLimits, side: int) -> bytes:
    try:
        made = make_thumbnail(data, limits, check_side(side))
    except RejectedImage as error:
        raise MissingError(f"cannot be shown: {error}") from error
    lake.write(layout.thumbnail(hashlib.sha256(data).hexdigest(), side), made)
    return made
