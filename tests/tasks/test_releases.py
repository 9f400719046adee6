import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tasks.command_line import app
from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.releases import list_releases
from tests.made_manifest import made_manifest, store_manifest


@pytest.fixture
def lake(tmp_path: Path) -> Store:
    """A lake with the releases 1 and 2, of which 1 is damaged."""
    lake = open_store(tmp_path.as_uri())
    for version in (1, 2):
        store_manifest(lake, made_manifest(version))
    Releases(lake).note_damage(1, ["image_index.faiss: missing"])
    return lake


def listed(lake: Store, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    list_releases(lake, as_json=True)
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def row(table: str, version: int) -> str:
    return next(line for line in table.splitlines() if line.startswith(f"\u2502       {version} "))


def test_a_damaged_release_is_shown_as_such(
    lake: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    list_releases(lake)
    table = capsys.readouterr().out
    assert "damaged" in row(table, 1)
    assert "current" in row(table, 2)
    newest, oldest = listed(lake, capsys)["releases"]
    assert (newest["state"], oldest["state"]) == ("complete", "damaged")
    assert oldest["damage"] == ["image_index.faiss: missing"]


def test_a_damaged_release_cannot_be_pinned_and_nothing_changes(
    lake: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match="release 1 is damaged and cannot be searched"):
        list_releases(lake, pin=1)
    assert Releases(lake).pinned() is None
    assert listed(lake, capsys)["current"] == 2


def test_a_pinned_release_that_was_damaged_later_is_listed_all_the_same(
    lake: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    list_releases(lake, pin=2)
    Releases(lake).note_damage(2, ["catalogue.jsonl: missing"])
    capsys.readouterr()
    list_releases(lake)
    assert "damaged, pinned" in row(capsys.readouterr().out, 2)
    found = listed(lake, capsys)
    assert (found["current"], found["pinned"], len(found["releases"])) == (None, 2, 2)


def test_a_pin_that_makes_no_sense_hides_no_release(
    lake: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    lake.write(layout.PIN, b"[]")
    assert len(listed(lake, capsys)["releases"]) == 2


def test_zero_is_no_release(lake: Store) -> None:
    answer = CliRunner().invoke(app, ["releases", "--lake", str(lake), "--pin", "0"])
    assert answer.exit_code == 2
    assert "there is no release 0" in answer.stderr


def test_a_release_held_back_is_shown_with_the_reason(
    lake: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    store_manifest(lake, made_manifest(3))
    Releases(lake).hold(3, "it answers worse")
    list_releases(lake)
    table = capsys.readouterr().out
    assert "held back" in row(table, 3)
    assert "current" in row(table, 2)
    assert "Release 3 is held back from search: it answers worse" in table
    assert [each["held"] for each in listed(lake, capsys)["releases"]] == [
        "it answers worse",
        None,
        None,
    ]
    list_releases(lake, accept=3)
    assert "held" not in capsys.readouterr().out
