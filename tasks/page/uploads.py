"""Pictures that people upload to search with: checked, and left with the run under a random name.

They arrive in parts and wait on disk, so that memory holds one part of each. The decoder of the
catalogue decides what is a picture. The file itself is never sent to anybody again, only
thumbnails made of its pixels.
"""

import base64
import tempfile
import threading
import uuid
from typing import IO, Any

from tasks.errors import UserError
from tasks.imaging.decode import DecodeLimits, RejectedImage
from tasks.imaging.header import read_header
from tasks.imaging.thumbnail import make_thumbnail
from tasks.lake import layout
from tasks.lake.store import Store
from tasks.page.missing import MissingError
from tasks.page.thumbnails import SIDES
from tasks.settings import PageSettings

_AT_ONCE = 16
_SUFFIXES = {"JPEG": "jpg", "PNM": "pnm", "TIFF": "tif"}


class Uploads:
    """The uploads under way."""

    def __init__(self, lake: Store, settings: PageSettings) -> None:
        self._lake, self._settings = lake, settings
        self._lock = threading.Lock()
        self._files: dict[str, IO[bytes]] = {}

    def begin(self) -> dict[str, Any]:
        """Starts an upload; of too many, the oldest is given up."""
        token = uuid.uuid4().hex
        with self._lock:
            for old in list(self._files)[: 1 - _AT_ONCE]:
                self._files.pop(old).close()
            # Closed by whoever takes it out of the table.
            self._files[token] = tempfile.TemporaryFile()  # noqa: SIM115 # pylint: disable=consider-using-with
        return {"upload": token}

    def add(self, upload: str, data: str) -> dict[str, Any]:
        """Adds a part, in base64.

        Raises:
            UserError: the picture is too large. The upload has ended.
        """
        with self._lock:
            file = self._file(upload)
            file.write(base64.b64decode(data))
            size = file.tell()
            if size > self._settings.upload_max_bytes:
                self._files.pop(upload).close()
                raise UserError(
                    f"the picture is larger than {self._settings.upload_max_bytes} bytes; "
                    "give a smaller one"
                )
        return {"bytes": size}

    def finish(self, upload: str, run: str) -> dict[str, Any]:
        """Checks that what has arrived is a picture, and leaves it with a run.

        Returns:
            The URI to search with.

        Raises:
            UserError: it is no picture that can be used.
        """
        with self._lock:
            file = self._file(upload)
            del self._files[upload]
        with file:
            file.seek(0)
            data = file.read()
        settings = self._settings
        limits = DecodeLimits(settings.upload_max_bytes, settings.upload_max_pixels)
        try:
            make_thumbnail(data, limits, SIDES[0])
            kind = read_header(data).format
        except RejectedImage as error:
            raise UserError(f"this cannot be used: {error}; give another picture") from error
        name = f"{uuid.uuid4().hex}.{_SUFFIXES.get(kind, kind.lower())}"
        path = layout.query_picture(run, name)
        self._lake.write(path, data)
        return {"query_image": self._lake.uri(path)}

    def _file(self, upload: str) -> IO[bytes]:
        try:
            return self._files[upload]
        except KeyError as error:
            raise MissingError("this upload has been given up; upload it again") from error
