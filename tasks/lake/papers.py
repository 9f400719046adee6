"""Papers: JSON documents that say what is complete and what counts, and prove themselves.

A paper holds the digest of its own content, so that a flipped bit in it is an error, never data.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tasks.lake.store import Store

_DIGEST = "sha256"


def encode_paper(content: Mapping[str, Any]) -> bytes:
    """Returns the document to store: the content and, in the field `sha256`, its digest."""
    return json.dumps({**content, _DIGEST: _digest(content)}, indent=1).encode()


def read_paper(store: Store, path: str) -> dict[str, Any]:
    """Returns the content of a paper.

    Raises:
        FileNotFoundError: there is no such paper.
        ValueError: it is not what was stored.
    """
    document = json.loads(store.read(path))
    if not isinstance(document, dict):
        raise ValueError(f"{store.uri(path)} is no JSON object")
    content = {name: value for name, value in document.items() if name != _DIGEST}
    if document.get(_DIGEST) != _digest(content):
        raise ValueError(f"the digest of {store.uri(path)} is another one")
    return content


def write_paper(store: Store, path: str, content: Mapping[str, Any]) -> None:
    """Stores a paper, replacing what was there."""
    store.write(path, encode_paper(content))


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
