"""One collection in Milvus: the vectors of a release under the digests of its images' names."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.index.milvus_client import Client
from tasks.index.rows import Vectors

# Of S3; a local path may be longer.
MAX_NAME_BYTES = 4096
_PAGE = 5_000
_DELETED_AT_ONCE = 1_000
_STRONG = "Strong"

Strings = npt.NDArray[np.str_]
Bytes = npt.NDArray[np.bytes_]


@dataclass(frozen=True)
class Hits:
    """What a search gave: keys and names (k,), vectors (k, d) as they are stored."""

    keys: Strings
    names: Strings
    vectors: Vectors


def key_of(name: str) -> str:
    """Returns what stands for a name: of one length, and without characters to be quoted."""
    return blake2b(name.encode(), digest_size=16).hexdigest()


class MilvusCollection:
    """Vectors, names and the checksums of vectors, by key.

    Args:
        client: of the Milvus that has it.
        name: of the collection, which is loaded.
        dimensions: of its vectors.
        centre: what has been taken from them (d,), or None.
        search_params: of each search, for Milvus.
    """

    def __init__(
        self,
        client: Client,
        name: str,
        dimensions: int,
        centre: Vectors | None,
        search_params: dict[str, Any],
    ) -> None:
        self._client, self.name = client, name
        self.dimensions, self.centre = dimensions, centre
        self._search_params = search_params

    def __len__(self) -> int:
        """Returns the number of images."""
        (row,) = self._client.query(
            self.name, output_fields=["count(*)"], consistency_level=_STRONG
        )
        return int(row["count(*)"])

    def checksums(self) -> tuple[Bytes, Bytes]:
        """Returns the keys of all images, ascending, and their checksums, (n,) each."""
        keys, checksums = [np.zeros(0, "S32")], [np.zeros(0, "S8")]
        pages = self._client.query_iterator(
            self.name,
            batch_size=_PAGE,
            output_fields=["key", "checksum"],
            consistency_level=_STRONG,
        )
        with self._client.talking(), closing(pages):
            while page := pages.next():
                keys.append(np.array([row["key"] for row in page], "S32"))
                checksums.append(np.array([row["checksum"] for row in page], "S8"))
        order = np.argsort(np.concatenate(keys))
        return np.concatenate(keys)[order], np.concatenate(checksums)[order]

    def upsert(self, names: Sequence[str], checksums: Sequence[str], vectors: Vectors) -> None:
        """Stores images: names and checksums (n,), vectors (n, d) centred as the collection is."""
        rows = [
            {"key": key_of(name), "name": name, "checksum": checksum, "vector": vector}
            for name, checksum, vector in zip(names, checksums, vectors, strict=True)
        ]
        self._client.upsert(self.name, rows)

    def delete(self, keys: Sequence[str]) -> None:
        """Removes images."""
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            self._client.delete(self.name, ids=list(keys[start : start + _DELETED_AT_ONCE]))

    def flush(self) -> None:
        """Makes what was written durable."""
        self._client.flush(self.name)

    def read(self, names: Sequence[str]) -> dict[str, Vectors]:
        """Returns the vectors (d,) of those of the names that are there."""
        found = self._client.get(
            self.name,
            ids=[key_of(name) for name in names],
            output_fields=["name", "vector"],
            consistency_level=_STRONG,
        )
        return {row["name"]: np.asarray(row["vector"], np.float32) for row in found}

    def search(self, query: Vectors, k: int) -> Hits:
        """Returns the `k` images nearest to a vector (d,) by cosine, as the index sees it."""
        (hits,) = self._client.search(
            self.name,
            data=[query],
            limit=k,
            search_params={"metric_type": "COSINE", "params": self._search_params},
            output_fields=["name", "vector"],
        )
        names = [hit["entity"]["name"] for hit in hits]
        vectors = [hit["entity"]["vector"] for hit in hits]
        return Hits(
            # Under which name a hit has its primary key depends on the version of the server.
            np.array(list(map(key_of, names)), np.str_),
            np.array(names, np.str_),
            np.asarray(vectors, np.float32).reshape(-1, self.dimensions),
        )
