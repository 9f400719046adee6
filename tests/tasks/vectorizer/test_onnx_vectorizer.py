import os
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest

from tasks.errors import UserError
from tasks.vectorizer.onnx_vectorizer import OnnxVectorizer
from tests.tasks.vectorizer.made_network import write_network


def test_a_gpu_that_is_not_found_is_told_and_stdout_stays_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def preload_dlls(directory: str) -> None:
        print(f"Failed to load libcublasLt.so.13{directory}")

    # As in an ONNX Runtime that is built with CUDA, on a machine without.
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(onnxruntime, "preload_dlls", preload_dlls)
    with pytest.warns(UserWarning, match="CUDA"), pytest.raises(UserError, match="found no GPU"):
        OnnxVectorizer(write_network(tmp_path / "made.onnx"), device="cuda")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "libcublasLt" in printed.err


def test_onnx_runtime_reports_to_nobody(tmp_path: Path) -> None:
    kept = {name: it for name, it in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment = {**kept, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-c", "import tasks.vectorizer.onnx_vectorizer"]
    subprocess.run(command, env=environment, check=True)
    # Else the number that it gives this machine is there.
    assert not list(tmp_path.iterdir())
