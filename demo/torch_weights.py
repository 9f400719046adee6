"""Reading the weights of a PyTorch file without PyTorch, and without running anything in it.

Files of before PyTorch 1.6 are pickles that say how tensors are put together, and then the numbers.
A pickle is a program; here its instructions are read as data: nothing is imported, nothing called.
"""

import copy
import pickletools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from tasks.errors import UserError

_MAGIC = 0x1950A86A20F9469CFC6C
_DICT = "collections OrderedDict"
_REBUILD = "torch._utils _rebuild_tensor_v2"
_DTYPES: dict[str, np.dtype[Any]] = {
    "torch FloatStorage": np.dtype("<f4"),
    "torch LongStorage": np.dtype("<i8"),
}
# magic number, version of the format, what system wrote it; then the tensors, then their storages
_BEFORE = 3

# Instructions whose argument is the value; those that stand for one; those that change nothing.
_ARGUMENTS = {"GLOBAL", "BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1"}
_CONSTANTS: dict[str, Any] = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "EMPTY_TUPLE": (),
    "EMPTY_LIST": [],
    "EMPTY_DICT": {},
}
_WITHOUT_EFFECT = {"PROTO", "STOP", "BINPERSID"}


def read_torch_weights(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Returns the tensors of a file by name.

    Raises:
        UserError: It is no such file.
    """
    try:
        with path.open("rb") as file:
            magic, *_ = [_read_value(file) for _ in range(_BEFORE)]
            if magic != _MAGIC:
                raise UserError(f"{path} is no PyTorch file of before 1.6")
            tensors = dict(_tensors(_read_value(file)))
            storages = {key: _read_storage(file, tensors, key) for key in _read_value(file)}
        return {name: tensor.of(storages[tensor.storage]) for name, tensor in tensors.items()}
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


@dataclass(frozen=True)
class _Tensor:
    dtype: np.dtype[Any]
    storage: str
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in items

    def of(self, storage: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Returns the tensor; NumPy refuses one that reaches beyond its storage."""
        strides = [stride * storage.itemsize for stride in self.strides]
        return np.ndarray(
            self.shape, storage.dtype, storage, self.start * storage.itemsize, strides
        ).copy()


def _tensors(state: Any) -> Iterator[tuple[str, _Tensor]]:
    for name, (function, arguments) in state.items():
        if function != _REBUILD:
            raise ValueError(f"{name} is no tensor")
        (_, kind, storage, *_), start, shape, strides, *_ = arguments
        yield name, _Tensor(_DTYPES[kind], storage, start, shape, strides)


def _read_storage(file: IO[bytes], tensors: dict[str, _Tensor], key: str) -> npt.NDArray[Any]:
    count = int(np.frombuffer(file.read(8), "<i8")[0])
    dtype = next(tensor.dtype for tensor in tensors.values() if tensor.storage == key)
    return np.frombuffer(file.read(count * dtype.itemsize), dtype)


def _read_value(file: IO[bytes]) -> Any:
    """Returns what a pickle describes; a call is the pair of what is called and with what."""
    described = _Described()
    for opcode, argument, _ in pickletools.genops(file):
        described.follow(opcode.name, argument)
    return described.stack.pop()


class _Described:
    """What the instructions of a pickle have put together so far."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[Any, Any] = {}

    def follow(self, instruction: str, argument: Any) -> None:
        """Does what one instruction says.

        Raises:
            ValueError: It does not belong into weights.
        """
        if instruction in _ARGUMENTS:
            self.stack.append(argument)
        elif instruction in _CONSTANTS:
            self.stack.append(copy.copy(_CONSTANTS[instruction]))
        elif action := getattr(self, f"_{instruction.lower()}", None):
            action(argument)
        elif instruction not in _WITHOUT_EFFECT:
            raise ValueError(f"{instruction} does not belong into weights")

    def _mark(self, _: Any) -> None:
        self._marks.append(len(self.stack))

    def _binput(self, place: Any) -> None:
        self._memo[place] = self.stack[-1]

    def _binget(self, place: Any) -> None:
        self.stack.append(self._memo[place])

    _long_binput, _long_binget = _binput, _binget

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._since(self._marks.pop())))

    def _tuple1(self, _: Any) -> None:
        self.stack.append(tuple(self._since(len(self.stack) - 1)))

    def _tuple2(self, _: Any) -> None:
        self.stack.append(tuple(self._since(len(self.stack) - 2)))

    def _tuple3(self, _: Any) -> None:
        self.stack.append(tuple(self._since(len(self.stack) - 3)))

    def _reduce(self, _: Any) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append({} if function == _DICT else (function, arguments))

    def _setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.stack[-1][key] = value

    def _setitems(self, _: Any) -> None:
        items = self._since(self._marks.pop())
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def _append(self, _: Any) -> None:
        item = self.stack.pop()
        self.stack[-1].append(item)

    def _appends(self, _: Any) -> None:
        items = self._since(self._marks.pop())
        self.stack[-1].extend(items)

    def _build(self, _: Any) -> None:
        self.stack.pop()  # what a dictionary knows besides its items

    def _since(self, start: int) -> list[Any]:
        taken = self.stack[start:]
        del self.stack[start:]
        return taken
