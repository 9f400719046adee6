"""The DAG that answers one search."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import ParamValidationError

from tests.dags.conftest import StandInLake


@pytest.fixture(name="dag")
def _dag(load_dag: Callable[[str], Any]) -> Any:
    return load_dag("image_search")


def test_it_is_one_task_that_runs_on_trigger_only(dag: Any) -> None:
    assert [task.task_id for task in dag.tasks] == ["search"]
    assert dag.schedule is None


def test_a_search_is_tried_again_and_has_a_time_limit(dag: Any) -> None:
    search = dag.get_task("search")
    assert search.retries > 0
    assert search.execution_timeout > timedelta(0)


def test_the_form_says_what_each_field_means(dag: Any) -> None:
    for name in ("query_image", "top_n", "explain"):
        field = dag.params.get_param(name)
        assert field.schema["title"]
        assert field.description


def test_five_results_unless_told_otherwise(dag: Any) -> None:
    assert dag.params["top_n"] == 5


@pytest.mark.parametrize("number", [0, -1, 1001, 2.5, "five", None])
def test_a_number_of_results_out_of_range_is_rejected(dag: Any, number: Any) -> None:
    with pytest.raises(ParamValidationError):
        dag.params.get_param("top_n").resolve(number)


@pytest.mark.parametrize("number", [1, 1000])
def test_the_limits_themselves_are_in_range(dag: Any, number: int) -> None:
    assert dag.params.get_param("top_n").resolve(number) == number


@pytest.mark.parametrize("query", ["", None, 7])
def test_a_query_that_names_nothing_is_rejected(dag: Any, query: Any) -> None:
    with pytest.raises(ParamValidationError):
        dag.params.get_param("query_image").resolve(query)


def test_there_is_no_search_without_a_query(dag: Any) -> None:
    with pytest.raises(ParamValidationError):
        dag.params.get_param("query_image").resolve()


@pytest.mark.usefixtures("_airflow_database")
def test_the_answer_of_the_search_is_its_xcom(
    lake: StandInLake, load_dag: Callable[[str], Any]
) -> None:
    dag_run = load_dag("image_search").test(
        run_conf={"query_image": "animals/a frog.jpg", "top_n": 1}
    )
    assert dag_run.state == "success"
    assert lake.calls() == [["search", "--query", "animals/a frog.jpg", "--top-n", "1"]]
    answer = dag_run.get_task_instance("search").xcom_pull(task_ids="search")
    assert answer["results"] == [{"rank": 1, "name": "a.jpg", "score": 1.0}]


@pytest.mark.usefixtures("_airflow_database")
def test_an_answer_is_explained_on_request(
    lake: StandInLake, load_dag: Callable[[str], Any]
) -> None:
    dag_run = load_dag("image_search").test(run_conf={"query_image": "a.jpg", "explain": True})
    assert dag_run.state == "success"
    assert lake.calls() == [["search", "--query", "a.jpg", "--top-n", "5", "--explain"]]


@pytest.mark.usefixtures("_airflow_database")
def test_a_search_that_fails_fails_the_run(
    lake: StandInLake, load_dag: Callable[[str], Any]
) -> None:
    lake.fail("search")
    assert load_dag("image_search").test(run_conf={"query_image": "a.jpg"}).state == "failed"
