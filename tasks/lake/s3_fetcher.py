"""Hundreds of objects of S3, each whole, by obstore: it computes a seventh of what botocore does.

s3fs tells it where the bucket is and who asks. Whatever it cannot do, for whatever reason, is left
to s3fs, which tries again and says what is wrong.
"""

import asyncio
import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from obstore.store import S3Store

from tasks.lake.s3_files import S3Files, may_have_tag
from tasks.lake.s3_reader import get_start

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Credential

_CONNECT, _READ = timedelta(seconds=10), timedelta(seconds=20)
# A large object over a slow line is fine as long as something comes.
_LONGEST = timedelta(minutes=10)
_RETRIES = 1
# Of obstore alone. It takes no empty object and no name with a tab; beyond that, it can do nothing.
_MOST_FAILURES = 20
# Credentials that end do so later: botocore renews them a quarter of an hour before.
_ASK_AGAIN = timedelta(minutes=5)

logger = logging.getLogger(__name__)


class S3Fetcher:
    """Fetches objects of a bucket, for any number of threads at a time.

    Args:
        files: the file system.
        bucket: its name.

    Attributes:
        place: URL of the bucket.
    """

    def __init__(self, files: S3Files, bucket: str) -> None:
        self._files = files
        self._bucket = bucket
        self.place = _place(files, bucket)
        # TLS lets nothing through that was changed on its way; without it, the digest has to tell.
        self._by_tls = self.place.startswith("https:")
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
        if self._failures >= _MOST_FAILURES:
            return get_start(self._files, path, size)
        try:
            return self._fetch(key, size)
        except Exception as error:  # pylint: disable=broad-exception-caught  # s3fs tells what it is
            found = get_start(self._files, path, size)
            self._failures += 1
            logger.debug("%r by s3fs, as obstore failed: %s", key, error)
            return found

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


def _place(files: S3Files, bucket: str) -> str:
    """Returns the URL of a bucket, as botocore makes it of all that is configured."""
    example = urlsplit(files.url(f"{bucket}/key"))
    return f"{example.scheme}://{example.netloc}{example.path.removesuffix('/key')}"


def _open(files: S3Files, bucket: str, place: str) -> S3Store:
    region = files.connect().meta.region_name
    options: ClientConfig = {
        "allow_http": True,
        "connect_timeout": _CONNECT,
        "read_timeout": _READ,
        "timeout": _LONGEST,
    }
    if bundle := os.environ.get("AWS_CA_BUNDLE"):
        options["root_certificate"] = Path(bundle).read_bytes()
    return S3Store(
        bucket,
        endpoint=place,
        virtual_hosted_style_request=True,  # the endpoint names the bucket, wherever it does
        region="us-east-1" if region == "aws-global" else region,
        skip_signature=bool(files.anon),
        credential_provider=lambda: _credentials(files),
        client_options=options,
        retry_config={"max_retries": _RETRIES},
    )


def _credentials(files: S3Files) -> "S3Credential":
    """Returns what signs the requests of s3fs."""
    if files.key:
        keys = (files.key, files.secret, files.token)
    else:
        found = asyncio.run_coroutine_threadsafe(_frozen(files), files.loop).result()
        keys = (found.access_key, found.secret_key, found.token)
    access_key, secret_key, token = keys
    return {
        "access_key_id": access_key,
        "secret_access_key": secret_key,
        "token": token,
        "expires_at": datetime.now(UTC) + _ASK_AGAIN,
    }


async def _frozen(files: S3Files) -> Any:
    credentials = await files.session.get_credentials()
    return await credentials.get_frozen_credentials()
