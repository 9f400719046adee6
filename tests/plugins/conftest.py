"""What the tests of the plugins share."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugins import airflow_environment

airflow_environment.prepare()

Interpreter = Callable[[str], Path]


@pytest.fixture
def interpreter(tmp_path: Path) -> Interpreter:
    """Returns a function that makes a stand-in for the interpreter of the tasks' environment.

    The operator calls it as `python -m tasks <task> …`, and it runs the given program instead.
    """

    def make(program: str) -> Path:
        path = tmp_path / "python"
        path.write_text(f"#!{sys.executable}\n{program}", encoding="utf-8")
        path.chmod(0o755)
        return path

    return make
