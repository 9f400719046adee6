"""The task contract as Airflow keeps it."""

import json
import re
import signal
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from hypothesis import given
from hypothesis import strategies as st

from image_search_airflow.contract import run_slug, task_arguments, task_failure, task_result


def test_the_run_id_of_airflow_keeps_its_looks_in_the_lake() -> None:
    run_id = "manual__2026-01-31T02:00:00.123456+00:00"
    assert run_slug(run_id) == "manual__2026-01-31T02-00-00.123456-00-00"


@given(st.text())
def test_any_run_id_becomes_the_name_of_one_plain_folder(run_id: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", run_slug(run_id))


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]*", fullmatch=True))
def test_a_run_id_that_the_lake_bears_stays_as_it_is(run_id: str) -> None:
    assert run_slug(run_id) == run_id


def test_the_argument_list_names_task_lake_run_and_options() -> None:
    arguments: dict[str, Any] = {"top_n": 5, "query": "a b; rm -rf $HOME.jpg"}
    assert task_arguments("search", lake="/lake", run_id="r:1", arguments=arguments) == [
        *("search", "--lake", "/lake", "--run", "r-1"),
        *("--top-n", "5", "--query", "a b; rm -rf $HOME.jpg"),
    ]


def test_true_is_a_bare_flag() -> None:
    command = task_arguments("plan", lake="/lake", run_id="r", arguments={"full_rebuild": True})
    assert command[-1] == "--full-rebuild"


@pytest.mark.parametrize("nothing", [None, False, ""])
def test_an_option_without_a_value_is_left_out(nothing: str | bool | None) -> None:
    command = task_arguments("plan", lake="/lake", run_id="r", arguments={"prefix": nothing})
    assert command == ["plan", "--lake", "/lake", "--run", "r"]


def test_zero_is_a_value() -> None:
    command = task_arguments("search", lake="/lake", run_id="r", arguments={"top_n": 0})
    assert command[-2:] == ["--top-n", "0"]


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()))
def test_the_object_that_a_task_prints_comes_back(printed: dict[str, Any]) -> None:
    assert task_result("etl", json.dumps(printed)) == printed


@pytest.mark.parametrize("line", ["", "done", "[1]", "null", '{"cut": "of'])
def test_anything_but_an_object_is_rejected_and_shown(line: str) -> None:
    with pytest.raises(AirflowException, match=re.escape(repr(line))):
        task_result("etl", line)


def test_a_failure_gives_the_reason_of_the_task_and_its_exit_status() -> None:
    failure = task_failure("plan", 1, "error: the catalogue is empty; put images into it")
    assert str(failure) == (
        "plan failed with exit status 1: the catalogue is empty; put images into it"
    )


def test_a_wrong_call_is_not_tried_again() -> None:
    assert isinstance(task_failure("plan", 2, "error: No such option: --x"), AirflowFailException)
    assert not isinstance(task_failure("plan", 1, "error: x"), AirflowFailException)


def test_a_task_that_was_killed_points_to_memory() -> None:
    assert "SIGKILL, most likely because memory ran out" in str(
        task_failure("vectorize", -signal.SIGKILL, "batch 7 of 9")
    )


def test_a_task_that_crashed_names_the_signal() -> None:
    assert "vectorize was ended by SIGSEGV; its last words: batch 7 of 9" in str(
        task_failure("vectorize", -signal.SIGSEGV, "batch 7 of 9")
    )


def test_a_silent_failure_is_told_as_one() -> None:
    assert str(task_failure("etl", 3, "")).endswith("exit status 3: it gave no reason")
