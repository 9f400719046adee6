"""Opens a root URI, a folder or a bucket, as the `Store` that fits it."""

from typing import Any

from tasks.errors import UserError
from tasks.lake.local_store import LocalStore
from tasks.lake.store import Store
from tasks.uris import require_no_secret


def open_store(root: str, *, confined: bool = False) -> Store:
    """Opens a store.

    Args:
        root: a URI such as `file:///data/lake` or `s3://bucket/prefix`, or a local folder.
        confined: read nothing but regular files below the root, links followed: for folders that
            others fill.

    Raises:
        UserError: the root is empty, of an unknown kind, holds a secret, does not exist, or access
            is denied.
    """
    if not root:
        raise UserError("no lake given; pass --lake URI or set IMAGE_SEARCH_LAKE")
    try:
        require_no_secret(root)
    except ValueError as error:
        raise UserError(f"a lake or catalogue cannot be opened: {error}") from error
    if folder := absolute_path(root):
        return LocalStore(folder, confined=confined)
    kind = protocol_of(root)
    try:
        files, path = open_files(root)
    except (ValueError, ImportError) as error:
        raise UserError(f"cannot open {root}: {error}; correct the URI") from error
    if kind == "file":
        return LocalStore(path, confined=confined)
    if kind == "s3":
        from tasks.lake.s3_store import S3Store

        return S3Store(files, path)
    from tasks.lake.object_store import ObjectStore

    return ObjectStore(files, path)


def absolute_path(uri: str) -> str:
    """Returns the path of a file or folder whose URI spells it out; empty for any other URI.

    It is the one that fsspec finds, which takes a tenth of a search to load.
    """
    path = uri.removeprefix("file://")
    plain = path.startswith("/") and not path.startswith("//")
    plain = plain and "::" not in path and "://" not in path
    return path.rstrip("/") or "/" if plain else ""


def open_files(uri: str) -> tuple[Any, str]:
    """Returns the file system of fsspec that serves a URI, and the path in it.

    Raises:
        ValueError: the URI is of an unknown kind.
        ImportError: this kind needs a package that is not there.
    """
    if protocol_of(uri) == "s3":
        # A search of a folder would wait longer for this than for all the rest that it loads.
        from tasks.lake.s3_store import open_s3_files

        return open_s3_files(uri)
    import fsspec

    # A cached listing could hide what another task has just written.
    files, path = fsspec.core.url_to_fs(uri, use_listings_cache=False)
    return files, path


def protocol_of(uri: str) -> str:
    """Returns the URL scheme of a URI, `file` for a plain path and for `local://`."""
    if absolute_path(uri):
        return "file"
    import fsspec

    kind = fsspec.core.split_protocol(uri)[0] or "file"
    return {"local": "file", "s3a": "s3"}.get(kind, kind)
