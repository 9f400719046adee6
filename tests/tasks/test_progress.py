import logging
import os
import subprocess
import sys

import pytest

from tasks.progress import track
from tests.tasks.pipeline import REPOSITORY


def test_items_pass_through_unchanged() -> None:
    assert list(track(iter("abc"), 3, "spelling")) == ["a", "b", "c"]


def test_the_end_is_told_in_units_of_size(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        list(track(["ab", "c"], 3, "spelling letters", len))
    assert caplog.messages[-1].startswith("spelling letters: 3 in ")


def test_nothing_is_said_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert not list(track([], 0, "spelling"))
    assert not caplog.messages


def test_long_work_is_told_while_it_lasts(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.progress._SECONDS_BETWEEN_LINES", 0.0)
    with caplog.at_level(logging.INFO):
        list(track(range(3), 3, "counting"))
    assert [message.split(",")[0] for message in caplog.messages[:2]] == [
        "counting: 1 of 3",
        "counting: 2 of 3",
    ]


def test_a_terminal_gets_a_bar() -> None:
    terminal, inside = os.openpty()
    code = "from tasks.progress import track; list(track(range(3), 3, 'counting'))"
    command = [sys.executable, "-c", code]
    subprocess.run(command, cwd=REPOSITORY, stderr=inside, check=True, timeout=60)
    os.close(inside)
    shown = os.read(terminal, 65536).decode()
    os.close(terminal)
    assert "counting" in shown
    assert "100%" in shown
