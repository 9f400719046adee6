"""An S3 bucket as a `Store`: paged listings, retries with jitter, conditional puts.

Endpoint, credentials and TLS come from where s3fs and botocore look for them: the environment
(`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `AWS_CA_BUNDLE`, …), the files in `~/.aws`, the machine's
role, and the configuration of fsspec.
"""

import errno
import io
import logging
import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast

import fsspec
from botocore.exceptions import BotoCoreError, NoCredentialsError

from tasks.errors import UserError, first_line
from tasks.lake.object_store import ObjectStore, describe
from tasks.lake.s3_files import S3Files, status_of
from tasks.lake.s3_reader import S3Reader, get_start
from tasks.lake.store import Artifact, StoredObject, TransferError, is_temporary

# Standard mode waits a random time, up to twice as long from one attempt to the next, at most 20 s:
# 71 s at the most in all, and as long again for each attempt as the time-outs say.
_ATTEMPTS = 8
_CONNECT_SECONDS = 10
_READ_SECONDS = 20
# Requests at a time: of a query, and of `etl` that fetches pictures ahead.
_CONNECTIONS = 64
_BUFFER = 2**20
# A conditional put may lose against one that is gone again: the number of times that it goes on.
_CONFLICTS = 20
_PRECONDITION_FAILED, _NOT_IMPLEMENTED = 412, 501

logger = logging.getLogger(__name__)


class S3Store(ObjectStore):
    """Objects in a bucket of S3, or of a server that speaks its language."""

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """See `Store`. Nothing is asked before the first part, whose answer tells all."""
        with io.BufferedReader(S3Reader(self._files, self._full(path)), _BUFFER) as stream:
            yield stream

    def describe_opened(self, path: str, stream: IO[bytes]) -> StoredObject:
        """See `Store`. Only the object that was found at first is read, by its ETag."""
        reader = cast(S3Reader, cast(io.BufferedReader, stream).raw)
        return describe(path, reader.details)

    def read_described(self, path: str, most: int) -> tuple[bytes, StoredObject]:
        """See `Store`: one request."""
        if not most:
            return b"", self.stat(path)
        data, details = get_start(self._files, self._full(path), most)
        return data, describe(path, details)

    def reader_of_many(self) -> Callable[[str, int], tuple[bytes, StoredObject]]:
        """See `Store`: by obstore, where that can be used."""
        try:
            from tasks.lake.s3_fetcher import S3Fetcher

            fetcher = S3Fetcher(self._files, self._files.split_path(self.root)[0])
        except Exception as error:  # pylint: disable=broad-exception-caught  # of another library
            logger.warning("reading by s3fs, as obstore cannot be used: %s", first_line(error))
            return self.read_described

        def read(path: str, most: int) -> tuple[bytes, StoredObject]:
            if not most:
                return self.read_described(path, most)
            _, key, _ = self._files.split_path(self._full(path))
            data, details = fetcher.get_start(key, most)
            return data, describe(path, details)

        return read

    def create(self, path: str, data: bytes) -> bool:
        """See `Store`: a put with `If-None-Match: *`."""
        for _ in range(_CONFLICTS):
            try:
                return self._create_once(path, data)
            except FileNotFoundError:
                continue  # there was one, but by now there is nothing
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

    def folders(self, path: str) -> list[str]:
        """See `Store`."""
        pages = self._pages("list_objects_v2", "ContinuationToken", self._full(path), Delimiter="/")
        prefixes = (item["Prefix"] for page in pages for item in page.get("CommonPrefixes", ()))
        return sorted(prefix.rstrip("/").rsplit("/", 1)[-1] for prefix in prefixes)

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
            if status_of(error) == _NOT_IMPLEMENTED:
                raise NotImplementedError("no conditional put here") from error
            if status_of(error) != _PRECONDITION_FAILED:
                raise
        return self.read(path) == data

    def _close(self, stream: IO[bytes], written: Artifact) -> None:
        try:
            super()._close(stream, written)
        except FileNotFoundError:
            # The answer was lost: at the next attempt the upload had been completed and was gone.
            if not self.is_whole(written) or self.digest(written.path) != written.sha256:
                raise

    def _path(self, key: str) -> str:
        bucket, _, _ = self._files.split_path(self.root)
        return f"{bucket}/{key}".removeprefix(self.root + "/")

    def _pages(
        self, operation: str, marker: str, folder: str, **options: str
    ) -> Iterator[dict[str, Any]]:
        bucket, prefix, _ = self._files.split_path(f"{folder}/")
        options |= {"Bucket": bucket, "Prefix": prefix}
        while True:
            page = self._files.call_s3(operation, **options)
            yield page
            if not page.get("IsTruncated"):
                return
            options[marker] = page[f"Next{marker}"]
            if "NextUploadIdMarker" in page:
                options["UploadIdMarker"] = page["NextUploadIdMarker"]

    def _check(self) -> None:
        bucket, prefix, _ = self._files.split_path(f"{self.root}/")
        try:
            self._files.call_s3("list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=1)
        except FileNotFoundError as error:
            raise UserError(
                f"{self}: there is no such bucket; create it or correct the URI"
            ) from error
        except TransferError:
            raise
        except (PermissionError, NoCredentialsError) as error:
            raise UserError(
                f"{self}: access is denied ({error.__cause__ or error}); check the credentials and "
                "the bucket's policy"
            ) from error
        # ValueError is what boto makes of a variable that is no URL or no number.
        except (OSError, BotoCoreError, ValueError) as error:
            raise UserError(
                f"{self} cannot be opened ({error}); check the URI, the credentials, the region, "
                "AWS_ENDPOINT_URL (http://… or https://…) and what else is set as AWS_…"
            ) from error


def open_s3_files(root: str) -> tuple[S3Files, str]:
    """Returns the file system that serves a URI, and the bucket and prefix in it.

    The configuration of fsspec and the usual variables (`AWS_RETRY_MODE`, `AWS_MAX_ATTEMPTS`) win
    over how patient this is.

    Raises:
        UserError: the URI names no bucket, or `AWS_CA_BUNDLE` no file of certificates.
    """
    path = fsspec.core.strip_protocol(root)
    if not path.strip("/"):
        raise UserError(f"{root} names no bucket; give s3://bucket or s3://bucket/prefix")
    if bundle := os.environ.get("AWS_CA_BUNDLE"):
        _require_certificates(bundle)
    # A cached listing could hide what another task has just written. With more than one request at
    # a time, s3fs asks for the size before it reads.
    options = {"use_listings_cache": False, "max_concurrency": 1}
    return S3Files(config_kwargs=_patience(), **options), path


def _require_certificates(bundle: str) -> None:
    if not Path(bundle).is_file():
        raise UserError(f"AWS_CA_BUNDLE names {bundle}, which is no file; correct the path")
    try:
        ssl.create_default_context(cafile=bundle)
    except OSError as error:
        raise UserError(
            f"AWS_CA_BUNDLE names {bundle}, which holds no certificates that can be read "
            f"({error}); name a PEM file with that of the store's authority"
        ) from error


def _attempts() -> int:
    wanted = os.environ.get("AWS_MAX_ATTEMPTS", str(_ATTEMPTS))
    if not wanted.isdecimal() or not int(wanted):
        raise UserError(f"AWS_MAX_ATTEMPTS is {wanted!r}; give a whole number from 1 on")
    return int(wanted)


def _patience() -> dict[str, Any]:
    # Named even where botocore would find them itself: fsspec shares one file system among all who
    # ask for the same, and would not see that these have changed.
    retries: dict[str, Any] = {
        "mode": os.environ.get("AWS_RETRY_MODE", "standard"),
        "total_max_attempts": _attempts(),
    }
    defaults = {
        "connect_timeout": _CONNECT_SECONDS,
        "read_timeout": _READ_SECONDS,
        "retries": retries,
        "max_pool_connections": _CONNECTIONS,
    }
    return {**defaults, **fsspec.config.conf.get("s3", {}).get("config_kwargs", {})}
