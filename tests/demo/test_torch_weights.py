import pickle
import struct
import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demo.torch_weights import read_torch_weights
from tasks.errors import UserError

MAGIC = 0x1950A86A20F9469CFC6C
NUMBERS = np.arange(12, dtype=np.float32)


class Tensor:
    """Pickles as PyTorch's do."""

    def __init__(self, start: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.arguments = (("storage", "7"), start, shape, strides, False, OrderedDict())

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.arguments


class TorchPickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        if obj == ("storage", "7"):
            storage = sys.modules["torch"].FloatStorage
            return ("storage", storage, "7", "cpu", len(NUMBERS), None)
        return None


@pytest.fixture
def stand_in_for_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pickling needs to find what it names; reading must not."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def rebuild() -> None:
        raise AssertionError("called")

    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    vars(utils)["_rebuild_tensor_v2"] = rebuild
    storage = type("FloatStorage", (), {"__module__": "torch"})
    torch.FloatStorage = storage  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)


def write(path: Path, state: Any) -> Path:
    with path.open("wb") as file:
        for value in (MAGIC, 1001, {"little_endian": True}, state, ["7"]):
            TorchPickler(file, protocol=2).dump(value)
        file.write(struct.pack("<q", len(NUMBERS)) + NUMBERS.tobytes())
    return path


def test_tensors_are_read_by_name(tmp_path: Path, stand_in_for_torch: None) -> None:
    state = OrderedDict(a=Tensor(0, (2, 3), (3, 1)), turned=Tensor(6, (2, 3), (1, 2)))
    found = read_torch_weights(write(tmp_path / "w.pth", state))
    assert list(found) == ["a", "turned"]
    np.testing.assert_array_equal(found["a"], NUMBERS[:6].reshape(2, 3))
    np.testing.assert_array_equal(found["turned"], NUMBERS[6:].reshape(3, 2).T)


def test_a_tensor_that_reaches_beyond_its_storage_is_refused(
    tmp_path: Path, stand_in_for_torch: None
) -> None:
    path = write(tmp_path / "w.pth", OrderedDict(a=Tensor(8, (2, 3), (3, 1))))
    with pytest.raises(UserError, match="cannot be read"):
        read_torch_weights(path)


def test_nothing_in_a_file_is_run(tmp_path: Path, stand_in_for_torch: None) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "exploded",)

    with pytest.raises(UserError, match="cannot be read"):
        read_torch_weights(write(tmp_path / "w.pth", OrderedDict(a=Bomb())))
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("data", [b"", b"nothing of the kind", pickle.dumps(1, 2) * 3])
def test_another_file_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "w.pth").write_bytes(data)
    with pytest.raises(UserError, match=r"w\.pth"):
        read_torch_weights(tmp_path / "w.pth")
