"""An object of S3 as a stream: a request a part, the next ones under way while one is read."""

import asyncio
import errno
import io
from collections import deque
from concurrent.futures import Future
from typing import Any

from tasks.lake.s3_files import S3Files, range_total, status_of
from tasks.lake.store import CHUNK

# Parts on their way while one is read: with it, they are all that memory holds.
_AHEAD = 2
_PRECONDITION_FAILED, _RANGE_NOT_SATISFIABLE = 412, 416


def get_start(files: S3Files, path: str, size: int) -> tuple[bytes, dict[str, Any]]:
    """Returns the first bytes of an object, and what the same answer says of it.

    Args:
        files: the file system.
        path: bucket and key.
        size: how many bytes, at most; at least 1.

    Returns:
        The bytes; `size`, `ETag` and `LastModified` of the whole object.

    Raises:
        FileNotFoundError: there is no such object.
    """
    bucket, key, _ = files.split_path(path)
    try:
        answer = files.call_s3("get_object", Bucket=bucket, Key=key, Range=f"bytes=0-{size - 1}")
    except OSError as error:
        if status_of(error) != _RANGE_NOT_SATISFIABLE:
            raise
        return b"", files.info(path)  # an empty object has no first byte
    data = answer["Body"].data
    return data, {**answer, "size": range_total(answer, data)}


class S3Reader(io.RawIOBase):
    """Reads an object from front to back: the one that was there at first, by its ETag, or none.

    Args:
        files: the file system.
        path: bucket and key.

    Attributes:
        details: `size`, `ETag` and `LastModified` of the object.

    Raises:
        FileNotFoundError: there is no such object.
        OSError: EBUSY, from reading: another one has taken its place.
    """

    def __init__(self, files: S3Files, path: str) -> None:
        self._files = files
        bucket, key, _ = files.split_path(path)
        data, self.details = get_start(files, path, CHUNK)
        self._place = {"Bucket": bucket, "Key": key}
        if tag := self.details.get("ETag"):
            self._place["IfMatch"] = tag
        self._part, self._position = memoryview(data), 0
        self._before = 0  # bytes of the parts that were read
        self._asked = len(data)
        self._coming: deque[Future[dict[str, Any]]] = deque()
        self._ask_ahead()

    def readable(self) -> bool:
        """See `io.RawIOBase`."""
        return True

    def tell(self) -> int:
        """See `io.RawIOBase`."""
        return self._before + self._position

    def readinto(self, buffer: Any, /) -> int:
        """See `io.RawIOBase`."""
        if self._position == len(self._part) and self._coming:
            self._before += len(self._part)
            self._part, self._position = memoryview(self._next()), 0
        count = min(len(buffer), len(self._part) - self._position)
        buffer[:count] = self._part[self._position : self._position + count]
        self._position += count
        return count

    def close(self) -> None:
        """See `io.RawIOBase`: what is under way is given up."""
        for part in self._coming:
            part.cancel()
        super().close()

    def _next(self) -> bytes:
        try:
            data = bytes(self._coming.popleft().result()["Body"].data)
        except OSError as error:
            if status_of(error) == _PRECONDITION_FAILED:
                raise OSError(errno.EBUSY, "the object was replaced while it was read") from error
            raise
        self._ask_ahead()
        return data

    def _ask_ahead(self) -> None:
        while self._asked < self.details["size"] and len(self._coming) < _AHEAD:
            first, last = self._asked, self._asked + CHUNK - 1
            part = self._files.get_object(**self._place, Range=f"bytes={first}-{last}")
            self._coming.append(asyncio.run_coroutine_threadsafe(part, self._files.loop))
            self._asked += CHUNK
