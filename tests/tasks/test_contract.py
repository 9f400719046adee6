import errno
import json
import logging
from pathlib import Path

import pytest

from tasks import contract
from tasks.contract import emit, file_result, one_line_errors, timed
from tasks.errors import UserError
from tasks.lake.open_store import open_store
from tasks.lake.store import Store


@pytest.fixture
def lake(tmp_path: Path) -> Store:
    return open_store(str(tmp_path))


def test_a_summary_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"name": "a\nü"})
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {"name": "a\nü"}


def test_a_summary_is_left_where_the_sidecar_of_a_pod_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "XCOM_FILE", tmp_path / "return.json")
    emit({"images": 3})
    assert json.loads((tmp_path / "return.json").read_text()) == {"images": 3}


def test_a_timed_summary_has_its_seconds() -> None:
    with timed() as summary:
        summary["images"] = 1
    assert summary["seconds"] >= 0


def test_what_a_person_must_put_right_ends_with_status_2_and_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end, one_line_errors():
        raise UserError("first\nsecond; do this")
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: first second; do this\n"


def test_denied_access_asks_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end, one_line_errors():
        raise PermissionError("access is denied to s3://images/lake/runs/r/plan.json (put_object)")
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: access is denied to s3://images/lake/runs/r/plan.json")
    assert line.endswith("; check the credentials, and what they allow there")


def test_a_shortage_of_memory_names_what_to_lower(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end, one_line_errors():
        raise MemoryError("too little to decode a PNG of 9000 x 9000 pixels")
    assert end.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: memory is short: too little to decode a PNG of 9000 x 9000")
    assert "lower max_pixels, threads" in line


@pytest.mark.parametrize("folder", ["runs", "releases"])
def test_a_file_in_place_of_a_folder_asks_for_a_person(
    lake: Store, tmp_path: Path, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / folder).touch()
    with pytest.raises(SystemExit) as end, one_line_errors():
        lake.write(f"{folder}/r/plan.json", b"")
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / folder) in line
    assert line.endswith("move it away")


def test_a_full_disk_is_named_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end, one_line_errors():
        raise OSError(errno.ENOSPC, "No space left on device", "/data/lake/landing")
    assert end.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: no space left on /data/lake/landing; free some")


def test_what_may_pass_ends_with_status_1_and_its_traceback_in_the_log(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SystemExit) as end, one_line_errors():
        raise OSError("connection reset")
    assert end.value.code == 1
    assert capsys.readouterr().err.splitlines()[-1] == "error: OSError: connection reset"
    assert "Traceback" in caplog.text


def test_a_package_that_an_image_lacks_needs_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end, one_line_errors():
        raise ModuleNotFoundError("No module named 'keras'", name="keras")
    assert end.value.code == 2
    assert "has no package keras; use the image of this task" in capsys.readouterr().err


def test_a_result_is_filed_with_its_run(lake: Store) -> None:
    file_result(lake, "r", "etl", "abc", {"images": 3})
    assert lake.read_json("runs/r/results/etl/abc.json") == {"images": 3}


def test_a_task_that_finds_its_work_done_does_not_hide_how_long_it_took(lake: Store) -> None:
    file_result(lake, "r", "publish", None, {"seconds": 9})
    file_result(lake, "r", "publish", None, {"seconds": 0, "already_complete": True})
    assert lake.read_json("runs/r/results/publish.json") == {"seconds": 9}


def test_the_log_goes_to_stderr_one_line_an_event(capfd: pytest.CaptureFixture[str]) -> None:
    contract.set_up_logging()
    logging.getLogger("tasks").info("something happened")
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.endswith("INFO something happened\n")
