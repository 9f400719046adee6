"""The collections of one catalogue in Milvus: which release each holds, which one is current.

The name of a collection says it, so that it changes in one step: `<prefix>_r7` holds release 7, all
of it; `<prefix>_r8_loading` is on its way to release 8. The alias `<prefix>` points to the current
one. A load takes the collection that is not current, by renaming it. So of two at once one wins,
and who still writes for another release finds nobody of the name that it knows: it does no harm.
"""

import base64
import re
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from tasks.errors import UserError
from tasks.index.milvus_client import Client
from tasks.index.milvus_collection import MAX_NAME_BYTES, MilvusCollection
from tasks.index.rows import Vectors
from tasks.lake.store import TransferError

_CENTRE = "image_search.centre"
_LOADING = "_loading"
# The mean of a catalogue moves a little with each release. Up to this far, in units of the vectors'
# length, a collection keeps the one it began with: it finds candidates as well with that.
_LARGEST_DRIFT = 0.05


class IndexSettings(Protocol):
    """How Milvus is to index the vectors."""

    @property
    def index_type(self) -> str:
        """Of Milvus; empty for FLAT in a file, AUTOINDEX on a server."""

    @property
    def index_params(self) -> dict[str, Any]:
        """Further ones of that type."""

    @property
    def search_params(self) -> dict[str, Any]:
        """Of each search."""


class MilvusDatabase:
    """The collections of one catalogue.

    Args:
        client: of the Milvus that has them.
        prefix: of the names of the collections, and the alias.
        index: how vectors are indexed.
    """

    def __init__(self, client: Client, prefix: str, index: IndexSettings) -> None:
        self._client, self._prefix, self._index = client, prefix, index

    def close(self) -> None:
        """Ends the connection; a file can be opened by others then."""
        self._client.close()

    def held(self) -> dict[int, str]:
        """Returns which releases are there as a whole, and in which collection."""
        return {release: name for release, name, loading in self._collections() if not loading}

    def current(self) -> int | None:
        """Returns the release that the alias points to, if there is one."""
        name = self._current_name()
        return next((release for release, held in self.held().items() if held == name), None)

    def open(self, release: int) -> MilvusCollection:
        """Opens the collection that holds a release.

        Raises:
            UserError: none does.
        """
        held = self.held()
        if release not in held:
            there = " and ".join(map(str, sorted(held))) or "none"
            raise UserError(
                f"release {release} is not in the vector database, which holds {there}; run "
                "`python -m tasks load`, or pin another release with `releases --pin`"
            )
        return self._opened(held[release])

    def take(self, release: int, dimensions: int, centre: Vectors | None) -> MilvusCollection:
        """Takes the collection that is not current to bring it to a release, or makes one.

        What it holds stays: the next step is to find the difference. It starts empty if vectors of
        another kind are in there.

        Args:
            release: to be loaded; nobody holds it as a whole yet.
            dimensions: of its vectors.
            centre: what centres them (d,), if anything does.
        """
        target = self._name(release) + _LOADING
        if not self._client.has_collection(target):
            self._free(target)
        if self._client.has_collection(target):
            # Whoever was killed while making one has left it without an index.
            if self._client.list_indexes(target):
                collection = self._opened(target)
                if _suits(collection, dimensions, centre):
                    return collection
            self._client.drop_collection(target)
        self._create(target, dimensions, centre)
        return self._opened(target)

    def complete(self, collection: MilvusCollection, release: int) -> None:
        """Says that a collection now holds a release as a whole."""
        collection.flush()
        if collection.name != self._name(release):
            self._client.rename_collection(collection.name, self._name(release))
            self._client.load_collection(self._name(release))

    def make_current(self, release: int) -> None:
        """Points the alias to the collection that holds a release, in one step."""
        name = self.held()[release]
        try:
            # Also where somebody has pointed it elsewhere, or dropped the collection under it.
            self._client.alter_alias(name, self._prefix)
        except TransferError:  # there is none yet
            self._client.create_alias(name, self._prefix)

    def _name(self, release: int) -> str:
        return f"{self._prefix}_r{release}"

    def _collections(self) -> Iterator[tuple[int, str, bool]]:
        pattern = re.compile(rf"{re.escape(self._prefix)}_r(\d+)({_LOADING})?")
        for name in self._client.list_collections():
            if found := pattern.fullmatch(name):
                yield int(found[1]), name, bool(found[2])

    def _current_name(self) -> str | None:
        names = (name for _, name, _ in self._collections())
        owners = (it for it in names if self._prefix in self._client.list_aliases(it)["aliases"])
        return next(owners, None)

    def _free(self, target: str) -> None:
        """Gives the oldest of the collections that are not current the name of the target."""
        current = self._current_name()
        others = [it for it in sorted(self._collections()) if it[1] != current]
        # One that a killed load left behind holds no release: it comes first.
        others.sort(key=lambda it: not it[2])
        for _, name, _ in others[1:] if current else others[2:]:
            self._client.drop_collection(name)
        if others and (current or len(others) > 1 or others[0][2]):
            self._client.rename_collection(others[0][1], target)

    def _create(self, name: str, dimensions: int, centre: Vectors | None) -> None:
        from pymilvus import DataType

        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("key", DataType.VARCHAR, max_length=32, is_primary=True)
        schema.add_field("name", DataType.VARCHAR, max_length=MAX_NAME_BYTES)
        schema.add_field("checksum", DataType.VARCHAR, max_length=8)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimensions)
        index = self._client.prepare_index_params()
        kind = self._index.index_type or ("FLAT" if self._client.is_file else "AUTOINDEX")
        index.add_index(
            "vector", index_type=kind, metric_type="COSINE", params=self._index.index_params
        )
        kept = b"" if centre is None else np.asarray(centre, "<f4").tobytes()
        self._client.create_collection(
            name,
            schema=schema,
            index_params=index,
            properties={_CENTRE: base64.b64encode(kept).decode()},
        )

    def _opened(self, name: str) -> MilvusCollection:
        described = self._client.describe_collection(name)
        if _CENTRE not in described["properties"]:
            raise UserError(
                f"the collection {name} was not made by `load`; give another `prefix` under "
                "[vector_database], or drop it"
            )
        (dimensions,) = (
            int(field["params"]["dim"])
            for field in described["fields"]
            if field["name"] == "vector"
        )
        kept = base64.b64decode(described["properties"][_CENTRE])
        centre = np.frombuffer(kept, "<f4").astype(np.float32) if kept else None
        self._client.load_collection(name)
        return MilvusCollection(self._client, name, dimensions, centre, self._index.search_params)


def _suits(collection: MilvusCollection, dimensions: int, centre: Vectors | None) -> bool:
    """Tells whether vectors of a release can stand beside those of a collection."""
    if collection.dimensions != dimensions:
        return False
    if centre is None or collection.centre is None:
        return centre is collection.centre
    return float(np.linalg.norm(centre - collection.centre)) <= _LARGEST_DRIFT
