"""Hundreds of objects of S3, each whole, by obstore: it computes a seventh of what botocore does.

It goes where the client of s3fs goes, and signs with the same keys. Whatever it cannot do, for
whatever reason, is left to s3fs, which tries again and says what is wrong.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore import UNSIGNED
from fsspec.asyn import sync
from obstore.store import S3Store

from tasks.errors import first_line
from tasks.lake.s3_files import S3Files, may_have_tag
from tasks.lake.s3_reader import get_start

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Credential

# A large object over a slow line is fine as long as something comes.
_LONGEST = timedelta(minutes=10)
# It asks for credentials again when five minutes of these are left. Those that end do so later:
# botocore renews them in time.
_CREDENTIALS_LAST = timedelta(minutes=10)
# In a row, where s3fs succeeds: some names it does not take, and no empty object.
_MOST_FAILURES = 20

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a bucket is: its URL, and the region that requests are signed for."""

    url: str
    region: str


class S3Fetcher:
    """Fetches objects of a bucket, for any number of threads at a time.

    Args:
        files: the file system.
        bucket: its name.

    Attributes:
        place: where the bucket is.

    Raises:
        ValueError: the file system is configured in a way that obstore does not know.
        Exception: obstore cannot be used here for another reason.
    """

    def __init__(self, files: S3Files, bucket: str) -> None:
        self._files = files
        self._bucket = bucket
        self.place: Place = sync(files.loop, _find, files, bucket)
        # TLS lets nothing through that was changed on its way; without it, the digest has to tell.
        self._by_tls = self.place.url.startswith("https:")
        self._store = _open(files, bucket, self.place)
        self._failures = 0

    def get_start(self, key: str, size: int) -> tuple[bytes, dict[str, Any]]:
        """Returns the first bytes of an object, and what the same answer says of it.

        Args:
            key: of the object.
            size: how many bytes, at most; at least 1.

        Returns:
            The bytes; `size`, `ETag` and `LastModified` of the whole object.

        Raises:
            FileNotFoundError: there is no such object.
        """
        path = f"{self._bucket}/{key}"
        # obstore leaves slashes out at both ends.
        if self._failures >= _MOST_FAILURES or key != key.strip("/"):
            return get_start(self._files, path, size)
        try:
            found = self._fetch(key, size)
        except Exception as error:  # pylint: disable=broad-exception-caught  # s3fs tells what it is
            found = get_start(self._files, path, size)
            self._note_failure(error)
        else:
            self._failures = 0
        return found

    def _note_failure(self, error: Exception) -> None:
        self._failures += 1
        if self._failures == _MOST_FAILURES:
            logger.warning(
                "reading by s3fs from here on, as obstore keeps failing: %s", first_line(error)
            )

    def _fetch(self, key: str, size: int) -> tuple[bytes, dict[str, Any]]:
        answer = self._store.get(key, options={"range": (0, size)})
        meta, data = answer.meta, bytes(answer.bytes())
        if len(data) != min(size, meta["size"]):
            raise ValueError(f"{len(data)} bytes came of {meta['size']}")
        if not self._by_tls and len(data) == meta["size"] and not may_have_tag(data, meta["e_tag"]):
            raise ValueError("what came is not what is stored")
        return data, {
            "size": meta["size"],
            "ETag": meta["e_tag"],
            "LastModified": meta["last_modified"],
        }


async def _find(files: S3Files, bucket: str) -> Place:
    """Asks the client of s3fs where it sends requests."""
    client = await files.set_session()
    operation = client.meta.service_model.operation_model("GetObject")
    context = {
        "client_region": client.meta.region_name,
        "client_config": client.meta.config,
        "has_streaming_input": False,
        "auth_type": operation.auth_type,
    }
    # pylint: disable-next=protected-access  # all else that tells URLs makes links for others
    url, _, _ = await client._resolve_endpoint_ruleset(operation, {"Bucket": bucket}, context)
    return Place(url, context.get("signing", {}).get("region") or client.meta.region_name)


def _open(files: S3Files, bucket: str, place: Place) -> S3Store:
    client = files.connect()
    config = client.meta.config
    if config.proxies or files.s3_additional_kwargs:
        raise ValueError("there is a proxy or an option for all requests in its configuration")
    options: ClientConfig = {
        "allow_http": place.url.startswith("http:"),
        "connect_timeout": timedelta(seconds=config.connect_timeout),
        "read_timeout": timedelta(seconds=config.read_timeout),
        "timeout": _LONGEST,
    }
    verify = client._endpoint.http_session._verify  # pylint: disable=protected-access  # by then all
    if not verify:  # sources of it have been looked at
        raise ValueError("certificates are not to be verified")
    if isinstance(verify, (str, Path)):
        options["root_certificate"] = Path(verify).read_bytes()
    return S3Store(
        bucket,
        endpoint=place.url,
        aws_endpoint_url_s3=place.url,  # else the variable of that name would win
        virtual_hosted_style_request=True,  # the URL names the bucket, wherever it does
        region=place.region,
        request_payer=bool(files.requester_pays),
        skip_signature=_credentials_of(client) is None,
        credential_provider=lambda: _credentials(files),
        client_options=options,
        retry_config={"max_retries": 0},
    )


def _credentials(files: S3Files) -> "S3Credential":
    """Returns what signs the requests of s3fs."""
    client = files.connect()
    frozen = _credentials_of(client).get_frozen_credentials()
    found = asyncio.run_coroutine_threadsafe(frozen, files.loop).result()
    return {
        "access_key_id": found.access_key,
        "secret_access_key": found.secret_key,
        "token": found.token,
        "expires_at": datetime.now(UTC) + _CREDENTIALS_LAST,
    }


def _credentials_of(client: Any) -> Any:
    if client.meta.config.signature_version is UNSIGNED:
        return None
    return client._get_credentials()  # pylint: disable=protected-access  # no other tells the same
