"""JSON lines in the store: one document a line, streamed, for lists as long as the catalogue."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from pydantic import BaseModel

from tasks.lake.store import Artifact, Store

Line = TypeVar("Line", bound=BaseModel)


def write_lines(store: Store, path: str, lines: Iterable[BaseModel]) -> Artifact:
    """Streams documents into the store, one a line; what is at its default is left out."""
    with store.writing(path) as stream:
        for line in lines:
            stream.write(line.model_dump_json(exclude_defaults=True).encode() + b"\n")
    return stream.artifact(path)


def read_lines(store: Store, source: str | Artifact, kind: type[Line]) -> Iterator[Line]:
    """Streams the documents out again, in order.

    Args:
        store: where to read.
        source: a path; or an artifact, which is compared with its digest at the end.
        kind: of the documents.

    Raises:
        FileNotFoundError: there is no such object.
        pydantic.ValidationError: a line is not a document of this kind.
        DamagedError: the artifact is missing or not what was stored.
    """
    opened = store.open(source) if isinstance(source, str) else store.open_verified(source)
    with opened as stream:
        for line in stream:
            yield kind.model_validate_json(line)
