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
    """Reads labels from a CSV file with the columns `name` and `label`; others are passed over.

    Spaces around a label do not count. A name with an empty label has none.

    Raises:
        UserError: it is no such file, or it gives a name two labels.
    """
    labels: dict[str, str] = {}
    try:
        lines = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        header = [column.strip() for column in next(lines, [])]
        name_at, label_at = header.index("name"), header.index("label")
        for fields in filter(None, lines):
            if len(fields) != len(header):
                raise ValueError(
                    f"line {lines.line_num} has {len(fields)} fields, the first {len(header)}; "
                    "commas in names belong between quotes"
                )
            name, label = fields[name_at], fields[label_at].strip()
            if label and labels.setdefault(name, label) != label:
                raise ValueError(f"{name} has two labels, {labels[name]} and {label}")
    except (ValueError, csv.Error) as error:
        raise UserError(
            f"{source} is not a CSV file in UTF-8 with the columns name and label ({error}); "
            "correct it"
        ) from error
    return labels


def folder_levels(source: str) -> int | None:
    """Returns how many folders make a label if a source says folders, else None.

    "folders" is all of them (0), "folders:2" the first two.
    """
    match = re.fullmatch(r"folders(?::([1-9]\d?))?", source)
    return int(match[1] or 0) if match else None
