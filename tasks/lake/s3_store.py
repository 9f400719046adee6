"""An S3 bucket as a `Store`: paged listings, retries with jitter, conditional puts.

Endpoint, credentials and TLS come from where s3fs and botocore look for them: the environment
(`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `AWS_CA_BUNDLE`, …), the files in `~/.aws`, the machine's
role, and the configuration of fsspec.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import fsspec
from botocore.exceptions import NoCredentialsError, PartialCredentialsError, ProfileNotFound

from tasks.errors import UserError
from tasks.lake.object_store import ObjectStore, describe
from tasks.lake.store import StoredObject, is_temporary

# Standard mode waits a random time, up to twice as long from one attempt to the next, at most 20 s.
_ATTEMPTS = 6
_CONNECT_SECONDS = 10
_READ_SECONDS = 30
# A racing conditional put may be told to come again: the number of times that it does.
_CONFLICTS = 20
_NO_CREDENTIALS = (NoCredentialsError, PartialCredentialsError, ProfileNotFound)


class S3Store(ObjectStore):
    """Objects in a bucket of S3, or of a server that speaks its language."""

    def create(self, path: str, data: bytes) -> bool:
        """See `Store`: a put with `If-None-Match: *`."""
        for _ in range(_CONFLICTS):
            try:
                return self._create_once(path, data)
            except FileNotFoundError:
                continue  # a conflict, but by now there is nothing: somebody else gave up
        raise OSError(errno.EBUSY, f"{self.uri(path)} is written to by too many at once")

    def objects(self, path: str = "") -> Iterator[StoredObject]:
        """See `Store`. One request lists a thousand; no more are held at a time."""
        for page in self._pages("list_objects_v2", "ContinuationToken", self._full(path)):
            for item in page.get("Contents", ()):
                if not item["Key"].endswith("/"):  # else it stands for a folder
                    yield describe(self._path(item["Key"]), {**item, "size": item["Size"]})

    def unfinished(self, path: str) -> Iterator[StoredObject]:
        """See `Store`: also multipart uploads that were begun; they cost, though unseen."""
        yield from super().unfinished(path)
        for page in self._pages("list_multipart_uploads", "KeyMarker", self._full(path)):
            for upload in page.get("Uploads", ()):
                begun = upload["Initiated"].timestamp()
                yield StoredObject(self._path(upload["Key"]), 0, upload["UploadId"], begun)

    def discard_unfinished(self, item: StoredObject) -> None:
        """See `Store`."""
        if is_temporary(item.path):
            super().discard_unfinished(item)
            return
        bucket, key, _ = self._files.split_path(self._full(item.path))
        with suppress(FileNotFoundError):
            self._files.call_s3(
                "abort_multipart_upload", Bucket=bucket, Key=key, UploadId=item.fingerprint
            )

    def _create_once(self, path: str, data: bytes) -> bool:
        try:
            return super().create(path, data)
        except OSError as error:
            # s3fs reports the failed precondition as one of these, and a conflict as EBUSY.
            if error.errno not in (errno.EINVAL, errno.EBUSY):
                raise
        return self.read(path) == data

    def _path(self, key: str) -> str:
        bucket, _, _ = self._files.split_path(self.root)
        return f"{bucket}/{key}".removeprefix(self.root + "/")

    def _pages(self, operation: str, marker: str, folder: str) -> Iterator[dict[str, Any]]:
        bucket, prefix, _ = self._files.split_path(f"{folder}/")
        following: dict[str, str] = {}
        while True:
            page = self._files.call_s3(operation, Bucket=bucket, Prefix=prefix, **following)
            yield page
            if not page.get("IsTruncated"):
                return
            following = {marker: page[f"Next{marker}"]}
            if "NextUploadIdMarker" in page:
                following["UploadIdMarker"] = page["NextUploadIdMarker"]

    def _check(self) -> None:
        bucket, prefix, _ = self._files.split_path(f"{self.root}/")
        try:
            self._files.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=1)
        except FileNotFoundError as error:
            raise UserError(
                f"{self}: there is no such bucket; create it or correct the URI"
            ) from error
        except (PermissionError, *_NO_CREDENTIALS) as error:
            raise UserError(
                f"{self}: access is denied ({error}); check the credentials and the bucket's policy"
            ) from error


def s3_options() -> dict[str, Any]:
    """Returns how patient to be with S3, below what the configuration of fsspec says.

    The usual variables (`AWS_RETRY_MODE`, `AWS_MAX_ATTEMPTS`) win over the number of attempts.
    """
    configured = fsspec.config.conf.get("s3", {}).get("config_kwargs", {})
    retries: dict[str, Any] = {"mode": "standard", "total_max_attempts": _ATTEMPTS}
    if {"AWS_RETRY_MODE", "AWS_MAX_ATTEMPTS"} & set(os.environ):
        retries = {}
    defaults = {
        "connect_timeout": _CONNECT_SECONDS,
        "read_timeout": _READ_SECONDS,
        "retries": retries,
    }
    # With more than one at a time, s3fs asks for the size before it reads.
    return {"config_kwargs": {**defaults, **configured}, "max_concurrency": 1}
