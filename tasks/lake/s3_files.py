"""s3fs with one way of trying again, and with answers that are whole or no answers.

botocore tries a request again that got no answer or was told to slow down. What it does not look
at is done here: answers that break off or arrive changed, and refusals that may pass. Both wait a
random time, up to twice as long from one attempt to the next.
"""

import asyncio
import hashlib
import io
import random
import re
from typing import Any

from aiobotocore.response import AioReadTimeoutError
from aiohttp import ClientPayloadError
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
    SSLError,
)
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError
from botocore.utils import determine_content_length
from fsspec.asyn import sync_wrapper
from s3fs import S3FileSystem

from tasks.errors import UserError
from tasks.lake.store import TransferError

_LONGEST_PAUSE = 20.0
_SERVER_ERROR, _NOT_IMPLEMENTED, _TOO_MANY_REQUESTS = 500, 501, 429
_RANGE_NOT_SATISFIABLE = 416
# Of a body that is sent unasked, as by the SDKs of other languages.
_SMALL = 2**20
# Two that write one object at once, or a body that was changed or cut on its way to the store.
_MAY_PASS = frozenset(
    (
        "BadDigest",
        "ConditionalRequestConflict",
        "IncompleteBody",
        "InvalidDigest",
        "OperationAborted",
        "XAmzContentChecksumMismatch",
        "XAmzContentSHA256Mismatch",
    )
)


class _ChangedError(Exception):
    """A body is not the one that its headers describe."""


_BROKEN = (
    AioReadTimeoutError,
    ClientPayloadError,
    FlexibleChecksumError,
    IncompleteReadError,
    ResponseParserError,
    ResponseStreamingError,
)


class S3Files(S3FileSystem):  # type: ignore[misc]  # pylint: disable=abstract-method  # s3fs does without
    """The file system of s3fs, for `S3Store`.

    Raises:
        TransferError: instead of botocore's errors, from any operation: the store cannot be
            reached, or all attempts failed.
        PermissionError: access is denied; it says to what.
        UserError: nobody vouches for the store's certificate.
    """

    # s3fs would try what botocore has tried, without jitter, and while reading twice over.
    retries = 1

    async def _call_s3(self, method: str, *arguments: Any, **options: Any) -> Any:
        client = await self.set_session()
        events = client.meta.events
        events.register_first("needs-retry.s3", _refuse_certificate, unique_id="refuse")
        events.register_last("before-call.s3", _send_what_is_small, unique_id="send")
        attempts = client.meta.config.retries.get("total_max_attempts", 1)
        seen: set[bytes] = set()
        for attempt in range(1, attempts + 1):
            try:
                answer = await super()._call_s3(method, *arguments, **options)
                return await _whole(answer, seen) if "Body" in answer else answer
            except _ChangedError as error:
                failure: Exception = error
                options.setdefault("Range", "bytes=0-")  # its answer tells the size
                continue
            except _BROKEN as error:
                failure = error
            except (HTTPClientError, NoConnectionError) as error:
                raise _transfer_error(options, error) from error
            except PermissionError as error:
                denied = f"access is denied to {_place(options)} ({method}: {error})"
                raise PermissionError(denied) from error.__cause__
            except OSError as error:
                if _is_down(error):
                    raise _transfer_error(options, error) from error
                if not _may_pass(error):
                    raise
                failure = error
            if attempt < attempts:
                await asyncio.sleep(_pause(attempt))
        raise _transfer_error(options, failure) from failure

    call_s3 = sync_wrapper(_call_s3)

    async def get_object(self, **options: Any) -> dict[str, Any]:
        """Returns an answer whose body has arrived; see `S3.Client.get_object` of boto."""
        answer: dict[str, Any] = await self._call_s3("get_object", **options)
        return answer

    async def _cat_file(self, path: str, *arguments: Any, **options: Any) -> bytes:
        try:
            return bytes(await super()._cat_file(path, *arguments, **options))
        except OSError as error:
            # A range that begins where the object ends: as elsewhere, nothing comes of it.
            if status_of(error) != _RANGE_NOT_SATISFIABLE:
                raise
            return b""

    def split_path(self, path: str) -> tuple[str, str, None]:
        """Returns bucket and key of a path; `?versionId=` is a part of the key like any other."""
        before, mark, after = path.partition("?versionId=")
        bucket, key, _ = super().split_path(before)
        return bucket, key + mark + after, None


class _Body:
    """A body that has arrived, to be read like one that has not."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._stream = io.BytesIO(data)

    async def read(self, size: int = -1) -> bytes:
        return self._stream.read(size)

    def close(self) -> None:
        self._stream.close()


def _refuse_certificate(caught_exception: Exception | None = None, **_: Any) -> None:
    """Ends what botocore would try again although it cannot pass."""
    if isinstance(caught_exception, SSLError) and "certificate" in str(caught_exception).lower():
        raise UserError(
            f"the store's certificate is not trusted ({caught_exception}); set AWS_CA_BUNDLE, or "
            "`verify` of the Airflow connection, to a file with the certificate of its authority"
        )


def _send_what_is_small(params: dict[str, Any], **_: Any) -> None:
    """Has a small body sent with the request: to ask first whether it is welcome takes as long."""
    length = determine_content_length(params.get("body"))
    if length is not None and length < _SMALL:
        params["headers"].pop("Expect", None)


def status_of(error: BaseException) -> int:
    """Returns the HTTP status that an error of s3fs stands for, 0 if it stands for none."""
    return int(_refusal(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _refusal(error: BaseException) -> dict[str, Any]:
    return error.__cause__.response if isinstance(error.__cause__, ClientError) else {}


def _pause(attempt: int) -> float:
    return random.uniform(0, min(2 ** (attempt - 1), _LONGEST_PAUSE))  # noqa: S311  # no secret


def _is_down(error: OSError) -> bool:
    return status_of(error) >= _SERVER_ERROR and status_of(error) != _NOT_IMPLEMENTED


def _may_pass(error: OSError) -> bool:
    code = _refusal(error).get("Error", {}).get("Code")
    return status_of(error) == _TOO_MANY_REQUESTS or code in _MAY_PASS


def _place(options: dict[str, Any]) -> str:
    return "/".join(("s3:/", options.get("Bucket", ""), options.get("Key", "")))


def _transfer_error(options: dict[str, Any], error: Exception) -> TransferError:
    reason = error.__cause__ if isinstance(error.__cause__, ClientError) else error
    advice = "; check AWS_ENDPOINT_URL" if isinstance(error, EndpointConnectionError) else ""
    return TransferError(
        f"{_place(options)}: the store does not answer as it should: {reason}{advice}"
    )


async def _whole(answer: dict[str, Any], seen: set[bytes]) -> dict[str, Any]:
    """Reads the body of an answer to its end and makes sure that it is the one announced.

    Args:
        answer: to a get.
        seen: digests of earlier bodies that did not fit their ETag. What comes twice is what is
            stored, and the ETag is something else than its digest, as with some stores.
    """
    try:
        body = await answer["Body"].read()
    finally:
        answer["Body"].close()
    first, last = 0, len(body) - 1
    if span := _span(answer):
        first, last = int(span[1]), int(span[2])
    if len(body) != last - first + 1:
        raise _ChangedError(f"{len(body)} bytes came of {last - first + 1}")
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    if len(body) == range_total(answer, body) and not _fits(answer, digest) and digest not in seen:
        seen.add(digest)
        raise _ChangedError("what came is not what is stored")
    return answer | {"Body": _Body(body)}


def range_total(answer: dict[str, Any], body: bytes) -> int:
    """Returns the size of the object that the body of an answer is all or a range of."""
    span = _span(answer)
    return int(span[3]) if span else len(body)


def _span(answer: dict[str, Any]) -> re.Match[str] | None:
    return re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer.get("ContentRange", ""))


def _fits(answer: dict[str, Any], md5: bytes) -> bool:
    """Tells whether a body may be the one of its ETag, which is its MD5 or something else."""
    # Keys of one's own, or of the key service: the tag is not the MD5, and transport is by TLS.
    own_key = "SSECustomerAlgorithm" in answer
    encrypted = own_key or answer.get("ServerSideEncryption", "AES256") != "AES256"
    return encrypted or _may_be(answer.get("ETag"), md5)


def may_have_tag(data: bytes, tag: str | None) -> bool:
    """Tells whether a whole object may have an ETag: it does, or the ETag is no MD5 at all."""
    return _may_be(tag, hashlib.md5(data, usedforsecurity=False).digest())


def _may_be(tag: str | None, md5: bytes) -> bool:
    digits = (tag or "").strip('"')
    return not re.fullmatch("[0-9a-f]{32}", digits) or digits == md5.hex()
