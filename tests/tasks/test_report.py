from pathlib import Path
from typing import Any

import pytest

from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.report import report

PLANNED: dict[str, Any] = {
    "anything_to_do": True,
    "catalogue": 7,
    **dict.fromkeys(("added", "changed", "renamed", "removed"), 0),
    "unchanged": 7,
    "base": 2,
    "model": "m",
    "model_to_build": False,
    "damaged": [],
    "seconds": 0.1,
}


def printed(folder: Path, capsys: pytest.CaptureFixture[str], **planned: Any) -> str:
    lake = open_store(folder.as_uri())
    lake.write_json(layout.task_result("r", "plan"), PLANNED | planned)
    report(lake, "r")
    return capsys.readouterr().out


def test_changes_since_before_a_damaged_release_are_told_as_such(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = printed(tmp_path, capsys, added=1, damaged=[3])
    assert "Damaged: release 3. Made anew from release 2: the changes are since then." in said


def test_a_model_that_was_built_again_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = printed(tmp_path, capsys, model_to_build=True)
    assert "The model m was missing or damaged: built again." in said
    assert "Nothing changed" not in said


def test_a_night_without_changes_says_no_more_than_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = printed(tmp_path, capsys, anything_to_do=False)
    assert "Nothing changed: the latest release stands." in said
    assert "amaged" not in said


def test_a_release_held_back_is_told_though_nothing_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = printed(tmp_path, capsys, held=True)
    assert "Release 2 was held back from search." in said
    assert "Nothing changed" not in said


@pytest.mark.parametrize("damaged", [b"no JSON", b"[]", b"{}", b"null"])
@pytest.mark.parametrize("path", [layout.task_result("r", "plan"), layout.run("r", "result.json")])
def test_a_damaged_result_is_told(tmp_path: Path, path: str, damaged: bytes) -> None:
    lake = open_store(tmp_path.as_uri())
    lake.write(path, damaged)
    with pytest.raises(UserError, match=r"what run r has left in .* is damaged"):
        report(lake, "r")
