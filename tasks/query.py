"""Query images from outside the catalogue: where they may come from, how much is read."""

import posixpath
from pathlib import Path
from typing import IO

from tasks.errors import UserError
from tasks.lake.open_store import absolute_path, open_files, protocol_of
from tasks.lake.store import TransferError
from tasks.uris import shown


def read_query(uri: str, allowed: tuple[str, ...], max_bytes: int) -> bytes:
    """Reads a query image, or another file that somebody names.

    Args:
        uri: an fsspec URI, or a path on this machine.
        allowed: URIs or paths of the folders that query images may come from.
        max_bytes: size of the largest file to read.

    Returns:
        The bytes of the file, whatever they are.

    Raises:
        UserError: the file is outside the allowed folders, missing, unreadable or too large.
    """
    if "::" in uri:
        raise UserError(
            f"{shown(uri)} chains file systems, which a query may not; give a plain URI"
        )
    try:
        place = _place(uri)
        if not any(_is_below(place, _place(prefix)) for prefix in allowed):
            raise UserError(
                f"{shown(uri)} is not under {' or '.join(allowed)}; put it there or add "
                "its folder to the setting query_prefixes"
            )
        if place[0] == "file" and place[1].exists() and not place[1].is_file():
            raise UserError(f"{shown(uri)} is not a file; give a picture")  # a pipe would never end
        with _open(uri) as file:
            data = bytes(file.read(max_bytes + 1))
    except TransferError:
        raise
    except FileNotFoundError as error:
        raise UserError(
            f"there is no {shown(uri)}, neither an image of the release nor a file; check the name "
            "and its folder"
        ) from error
    except (OSError, ValueError, ImportError) as error:
        # What a library says may repeat the whole URI.
        reason = error if shown(uri) == uri else type(error).__name__
        raise UserError(
            f"cannot read {shown(uri)}: {reason}; check the URI and your access to it"
        ) from error
    if len(data) > max_bytes:
        raise UserError(f"{shown(uri)} is larger than {max_bytes} bytes; give a smaller one")
    return data


def _open(uri: str) -> IO[bytes]:
    if path := absolute_path(uri):
        return Path(path).open("rb")
    filesystem, path = open_files(uri)
    opened: IO[bytes] = filesystem.open(path, "rb")
    return opened


def _place(uri: str) -> tuple[str, Path]:
    """Returns the kind of file system and the path in it, with links and `..` followed."""
    kind, path = protocol_of(uri), absolute_path(uri) or open_files(uri)[1]
    if kind == "file":
        return kind, Path(path).resolve()
    return kind, Path(posixpath.normpath(path))


def _is_below(place: tuple[str, Path], folder: tuple[str, Path]) -> bool:
    return place[0] == folder[0] and place[1].is_relative_to(folder[1])


def is_written_as_place(query: str) -> bool:
    """Tells whether a query is written like a URI or a path, not like a name."""
    return "://" in query or query.startswith(("/", "./", "../", "~"))
