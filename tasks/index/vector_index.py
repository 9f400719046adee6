"""The vector index: built in batches, written, read and asked for candidates (FAISS)."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from tasks.errors import UserError
from tasks.index.cosine import normalize
from tasks.index.rows import Ids, Vectors

DEFAULT_FACTORY = "RaBitQfs"
_TRAINING_ROWS = 10_000
# FAISS recommends at least 39 training vectors for each inverted list.
_TRAINING_ROWS_PER_LIST = 40


def build_index(
    batches: Callable[[], Iterable[Vectors]], shape: tuple[int, int], factory: str = DEFAULT_FACTORY
) -> faiss.Index:
    """Builds an index for cosine similarity, holding no more than itself and a bounded sample.

    With RaBitQ, IVF and Flat, equal vectors give an index equal to the last byte, however they
    are cut into batches.

    Args:
        batches: starts a pass over all vectors, in row order, each batch (k, d). Called twice:
            for the training sample, then for the index.
        shape: (n, d), of all batches together.
        factory: a FAISS index factory string, see
            https://github.com/facebookresearch/faiss/wiki/The-index-factory

    Raises:
        UserError: there are no vectors, or the factory string is wrong or does not suit them.
        ValueError: the batches do not add up to `shape`.
    """
    count, dimensions = shape
    if not count:
        raise UserError("there is nothing to index; put a readable image into the catalogue")
    try:
        index = faiss.index_factory(dimensions, factory, faiss.METRIC_INNER_PRODUCT)
        sample_size = max(_TRAINING_ROWS, _TRAINING_ROWS_PER_LIST * _prepare_lists(index))
        index.train(_sample(batches(), count, sample_size))
        for batch in batches():
            index.add(normalize(batch))
    except RuntimeError as error:
        raise UserError(
            f"index_factory {factory!r} does not work for {count} vectors of {dimensions} "
            f"dimensions ({_reason(error)}); set index_factory to {DEFAULT_FACTORY!r}"
        ) from error
    if index.ntotal != count:
        raise ValueError(f"the batches hold {index.ntotal} vectors, expected {count}")
    return index


def _prepare_lists(index: faiss.Index) -> int:
    """Lets an inverted file search an eighth of its lists, not one; returns how many it has."""
    inverted_file = faiss.try_extract_index_ivf(index)
    if inverted_file is None:
        return 0
    lists = int(inverted_file.nlist)
    inverted_file.nprobe = min(lists, max(8, lists // 8))
    return lists


def _sample(batches: Iterable[Vectors], count: int, size: int) -> Vectors:
    """Takes at most `size` of `count` vectors, evenly spread, for neighbours by name look alike."""
    stride = -(-count // size)
    parts, seen = [], 0
    for batch in batches:
        parts.append(normalize(batch[-seen % stride :: stride]))
        seen += len(batch)
    return np.concatenate(parts)


def _reason(error: RuntimeError) -> str:
    """Returns the message of a FAISS error in one line, without the place in its sources."""
    message = " ".join(str(error).split())
    return message.rpartition(".cpp:")[2].partition(": ")[2] or message


def write_index(index: faiss.Index, path: Path) -> None:
    """Writes an index to a local file."""
    faiss.write_index(index, str(path))


def read_index(path: Path) -> faiss.Index:
    """Reads an index from a local file, mapped into memory as far as its type allows.

    Raises:
        UserError: there is no such file, or it is not a complete index.
    """
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise UserError(
            f"{path} cannot be read as a vector index; remove it if it is a cached copy, "
            "else publish the release again"
        ) from error


def propose(
    index: faiss.Index, unit_queries: npt.NDArray[Any], k: int
) -> tuple[Ids, npt.NDArray[np.float32]]:
    """Returns the rows that are probably most similar to each query, best first.

    Args:
        index: the index.
        unit_queries: (n, d) float32, of unit length.
        k: proposals for each query.

    Returns:
        Row numbers (n, k) int64, -1 where the index has no more to propose, and the estimates of
        their cosine similarities (n, k).
    """
    estimates, ids = index.search(unit_queries, k)
    return ids, estimates
