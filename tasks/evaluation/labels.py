"""Labels of images: what counts as a right answer."""

import csv
import io
import re
from collections.abc import Iterable

from tasks.errors import UserError


def folder_labels(names: Iterable[str], levels: int = 0) -> dict[str, str]:
    """Labels each image with its folder.

    Args:
        names: of the images.
        levels: only the first so many folders count; 0 for all of them.

    Returns:
        Label by name; an image in no folder has none.
    """
    labels = {}
    for name in names:
        folders = name.split("/")[:-1]
        if folders:
            labels[name] = "/".join(folders[:levels] if levels else folders)
    return labels


def csv_labels(data: bytes, source: str) -> dict[str, str]:
    """Reads labels from a CSV file with the columns `name` and `label`.

    Raises:
        UserError: it is no such file.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig")), strict=True))
        return {row["name"]: row["label"] for row in rows if row["label"]}
    except (UnicodeDecodeError, csv.Error, KeyError) as error:
        raise UserError(
            f"{source} is not a CSV file with the columns name and label ({error}); correct it"
        ) from error


def folder_levels(source: str) -> int | None:
    """Returns how many folders make a label if a source says folders, else None.

    "folders" is all of them (0), "folders:2" the first two.
    """
    match = re.fullmatch(r"folders(?::([1-9]\d?))?", source)
    return int(match[1] or 0) if match else None
