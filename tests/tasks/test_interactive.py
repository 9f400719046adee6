"""Asking again and again: what goes wrong with one query does not end the rest."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.interactive import ask_and_answer
from tasks.lake.store import Store
from tasks.settings import Settings


def test_a_release_that_goes_while_it_is_searched_is_said_to_be_gone_not_a_crash(
    indexed: Store,
    master: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def queries() -> Iterator[str]:
        for item in list(indexed.objects("model")):
            indexed.delete(item.path)
        yield str(master / "coffee_1.jpg")
        yield "coffee_0.jpg"

    asked = queries()

    def answer(_prompt: str) -> str:
        try:
            return next(asked)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", answer)
    ask_and_answer(indexed, Settings(), 2, (str(master),), tmp_path / "result.png")
    shown = capsys.readouterr().out
    assert "start again" in shown
    assert "Most similar to coffee_0.jpg" in shown
