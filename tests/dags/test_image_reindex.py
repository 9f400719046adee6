"""The DAG that brings the index up to date."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk import CronTriggerTimetable
from airflow.sdk.exceptions import ParamValidationError

from tests.dags.conftest import StandInLake

TWO_SHARDS = [{"shard": "a1", "images": 500}, {"shard": "b2", "images": 100}]


@pytest.fixture(name="dag")
def _dag(load_dag: Callable[[str], Any]) -> Any:
    return load_dag("image_reindex")


@pytest.fixture(name="run")
def _run(load_dag: Callable[[str], Any], _airflow_database: None) -> Callable[..., Any]:
    """Returns a function that runs the DAG to its end, given values of the form."""

    def to_the_end(**conf: Any) -> Any:
        return load_dag("image_reindex").test(run_conf=conf)

    return to_the_end


def states(dag_run: Any) -> dict[str, set[str]]:
    """Returns the states of each task, of all its mapped instances together."""
    found: dict[str, set[str]] = {}
    for instance in dag_run.get_task_instances():
        found.setdefault(instance.task_id, set()).add(str(instance.state))
    return found


def result_of(dag_run: Any, task_id: str) -> Any:
    return dag_run.get_task_instance(task_id).xcom_pull(task_ids=task_id)


def test_the_stages_of_a_shard_follow_each_other(dag: Any) -> None:
    assert "shards.etl" in dag.get_task("shards.feature_engineering").upstream_task_ids
    assert "shards.feature_engineering" in dag.get_task("shards.vectorize").upstream_task_ids


def test_the_model_is_made_beside_the_shards_and_only_vectorize_waits_for_it(dag: Any) -> None:
    assert dag.get_task("build_model").upstream_task_ids == {"changed_shards"}
    assert dag.get_task("build_model").downstream_task_ids == {"shards.vectorize", "publish"}


def test_a_release_is_published_after_the_shards_and_old_ones_are_pruned_last(dag: Any) -> None:
    assert dag.get_task("publish").upstream_task_ids == {"shards.vectorize", "build_model"}
    assert dag.get_task("evaluate").upstream_task_ids == {"publish"}
    assert dag.get_task("prune").upstream_task_ids == {"evaluate"}


def test_a_vector_database_that_is_set_is_loaded_before_old_releases_go(
    load_dag: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGE_SEARCH_VECTOR_DATABASE__URI", "http://milvus:19530")
    dag = load_dag("image_reindex")
    assert dag.get_task("load").upstream_task_ids == {"evaluate"}
    assert dag.get_task("prune").upstream_task_ids == {"load"}


def test_a_release_is_an_asset_that_other_dags_can_run_on(dag: Any) -> None:
    assert [asset.name for asset in dag.get_task("evaluate").outlets] == ["image_search_release"]


def test_every_task_is_tried_again_after_longer_and_longer_and_has_a_time_limit(dag: Any) -> None:
    for task in dag.tasks:
        assert task.retries > 0
        assert task.retry_exponential_backoff > 1
        assert task.execution_timeout > timedelta(0)


def test_at_most_as_many_shards_as_set_are_in_the_same_stage(
    monkeypatch: pytest.MonkeyPatch, load_dag: Callable[[str], Any]
) -> None:
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__MAX_PARALLEL_SHARDS", "3")
    assert load_dag("image_reindex").get_task("shards.vectorize").max_active_tis_per_dagrun == 3


def test_one_run_at_a_time_and_none_for_the_past(dag: Any) -> None:
    assert dag.max_active_runs == 1
    assert dag.catchup is False


def test_the_schedule_is_a_setting(
    monkeypatch: pytest.MonkeyPatch, load_dag: Callable[[str], Any]
) -> None:
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__SCHEDULE", "30 4 * * 1")
    timetable = load_dag("image_reindex").timetable
    assert isinstance(timetable, CronTriggerTimetable)
    assert timetable.expression == "30 4 * * 1"


def test_without_a_schedule_it_runs_on_trigger_only(
    monkeypatch: pytest.MonkeyPatch, load_dag: Callable[[str], Any]
) -> None:
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__SCHEDULE", "")
    assert load_dag("image_reindex").schedule is None


def test_a_fresh_installation_waits_for_the_next_night(
    monkeypatch: pytest.MonkeyPatch, load_dag: Callable[[str], Any]
) -> None:
    # As if the schedule had struck a minute ago: the case that Airflow would make up for.
    struck = datetime.now(UTC) - timedelta(minutes=1)
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__SCHEDULE", f"{struck:%M %H} * * *")
    assert load_dag("image_reindex").timetable.run_immediately == timedelta(0)


def test_the_form_says_what_each_field_means(dag: Any) -> None:
    for name in ("full_rebuild", "catalogue"):
        field = dag.params.get_param(name)
        assert field.schema["title"]
        assert field.description
    assert dag.params.get_param("full_rebuild").schema["type"] == "boolean"


def test_the_form_takes_only_what_fits(dag: Any) -> None:
    with pytest.raises(ParamValidationError):
        dag.params.get_param("full_rebuild").resolve("maybe")
    with pytest.raises(ParamValidationError):
        dag.params.get_param("catalogue").resolve(7)


def test_the_page_of_the_dag_explains_every_task(dag: Any) -> None:
    for task in dag.tasks:
        assert f"`{task.task_id}`" in dag.doc_md


def test_changes_go_through_all_stages_shard_by_shard(
    lake: StandInLake, run: Callable[..., Any]
) -> None:
    lake.plan(anything_to_do=True, added=600, removed=2, unchanged=400, shards=TWO_SHARDS)
    dag_run = run()
    assert dag_run.state == "success"
    assert set().union(*states(dag_run).values()) == {"success"}
    calls = lake.calls()
    assert calls[0] == ["plan"]
    assert calls[-3:] == [["publish", "--held"], ["evaluate", "--gate"], ["prune"]]
    for shard in ("a1", "b2"):
        stages = [task for task, *options in calls if options == ["--shard", shard]]
        assert stages == ["etl", "feature_engineering", "vectorize"]
    assert calls.index(["build_model"]) < calls.index(["vectorize", "--shard", "a1"])
    assert result_of(dag_run, "summary") == (
        "Release 8 has 1000 images: 600 added, 0 changed, 0 renamed, 2 removed, 1 rejected."
    )


def test_a_shard_is_called_by_its_name_and_size(lake: StandInLake, run: Callable[..., Any]) -> None:
    lake.plan(anything_to_do=True, added=600, shards=TWO_SHARDS)
    etl = [ti for ti in run().get_task_instances() if ti.task_id == "shards.etl"]
    assert {ti.rendered_map_index for ti in etl} == {"a1 · 500 images", "b2 · 100 images"}


def test_a_night_without_changes_ends_green_after_the_plan(
    lake: StandInLake, run: Callable[..., Any]
) -> None:
    dag_run = run()
    assert dag_run.state == "success"
    assert lake.calls() == [["plan"]]
    done = {task for task, state in states(dag_run).items() if state != {"skipped"}}
    assert done == {"plan", "summary"}
    assert result_of(dag_run, "summary") == "Nothing changed: all 1000 images are up to date."


def test_removals_alone_still_make_a_release(lake: StandInLake, run: Callable[..., Any]) -> None:
    lake.plan(anything_to_do=True, removed=2, catalogue=998, unchanged=998)
    dag_run = run()
    assert dag_run.state == "success"
    assert lake.calls() == [
        ["plan"],
        ["build_model"],
        ["publish", "--held"],
        ["evaluate", "--gate"],
        ["prune"],
    ]
    assert states(dag_run)["shards.vectorize"] == {"skipped"}
    assert "2 removed" in result_of(dag_run, "summary")


def test_a_release_held_back_is_judged_again_though_nothing_changed(
    lake: StandInLake, run: Callable[..., Any]
) -> None:
    lake.plan(anything_to_do=True, held=True)
    lake.publish(already_complete=True)
    dag_run = run()
    assert ["evaluate", "--gate"] in lake.calls()
    assert result_of(dag_run, "summary") == (
        "Nothing changed; search now uses release 8, held back before."
    )


@pytest.mark.parametrize("task", ["plan", "build_model", "vectorize", "publish", "evaluate"])
def test_a_failed_task_fails_the_run_and_nothing_is_published_after_it(
    task: str, lake: StandInLake, run: Callable[..., Any]
) -> None:
    lake.plan(anything_to_do=True, added=600, shards=TWO_SHARDS)
    lake.fail(task)
    dag_run = run()
    assert dag_run.state == "failed"
    assert ["prune"] not in lake.calls()
    assert (["publish", "--held"] in lake.calls()) == (task in ("publish", "evaluate"))


def test_the_form_reaches_the_plan(lake: StandInLake, run: Callable[..., Any]) -> None:
    run(full_rebuild=True, catalogue="animals/")
    assert lake.calls() == [["plan", "--full-rebuild", "--prefix", "animals/"]]
