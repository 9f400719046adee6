"""The settings of the Airflow side."""

from datetime import timedelta
from pathlib import Path

import pytest

from image_search_airflow.settings import REPOSITORY, AirflowSettings, Settings


@pytest.fixture(name="settings_file", autouse=True)
def _settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "other.toml"
    monkeypatch.setenv("IMAGE_SEARCH_CONFIG", str(path))
    return path


def test_the_file_says_what_is_not_the_default(settings_file: Path) -> None:
    settings_file.write_text('lake = "file:///lake"\n[airflow]\nschedule = ""\nretries = 5\n')
    settings = Settings()
    assert settings.lake == "file:///lake"
    assert settings.airflow == AirflowSettings(schedule="", retries=5)


def test_the_environment_wins_over_the_file_key_by_key(
    settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_file.write_text('lake = "file:///lake"\n[airflow]\nretries = 5\nschedule = "@daily"\n')
    monkeypatch.setenv("IMAGE_SEARCH_LAKE", "s3://bucket/lake")
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__RETRIES", "0")
    settings = Settings()
    assert settings.lake == "s3://bucket/lake"
    assert settings.airflow == AirflowSettings(schedule="@daily", retries=0)


def test_the_settings_of_the_tasks_are_passed_over(settings_file: Path) -> None:
    settings_file.write_text('catalogue = "file:///images"\n[pipeline]\nbackbone = "ResNet50"\n')
    assert Settings().airflow == AirflowSettings()


def test_an_unknown_key_of_the_airflow_section_is_named(settings_file: Path) -> None:
    settings_file.write_text("[airflow]\nretrys = 5\n")
    with pytest.raises(ValueError, match=r"airflow\.retrys"):
        Settings()


def test_a_runner_that_does_not_exist_is_rejected_with_those_that_do(settings_file: Path) -> None:
    settings_file.write_text('[airflow]\nrunner = "abacus"\n')
    with pytest.raises(ValueError, match="'process'"):
        Settings()


def test_a_task_has_what_is_set_for_it_and_the_rest_as_the_others(
    settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_file.write_text(
        '[airflow]\nrunner = "docker"\nimage = "lab/{image}:1"\n'
        '[airflow.tasks.vectorize]\nrunner = "kubernetes"\ncpus = 4\n'
    )
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__TASKS__VECTORIZE__MEMORY", "6Gi")
    airflow = Settings().airflow
    vectorize, plan = airflow.task("vectorize"), airflow.task("plan")
    assert (vectorize.runner, vectorize.cpus, vectorize.memory) == ("kubernetes", 4, "6Gi")
    assert (vectorize.image, vectorize.memory_bytes) == ("lab/vectorize:1", 6 * 2**30)
    assert (plan.runner, plan.image, plan.memory) == ("docker", "lab/data:1", "1Gi")


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('[airflow.tasks.vectorise]\nmemory = "1Gi"', "'vectorize'"),
        ('[airflow.tasks.etl]\nmemory = "4g"', r"airflow\.tasks\.etl\.memory"),
        ('[airflow.tasks.etl]\nrunner = "podman"', "'docker' or 'kubernetes'"),
        ("[airflow.docker]\nprivileged = true", r"airflow\.docker\.privileged"),
    ],
)
def test_what_is_wrong_with_a_runner_is_named(settings_file: Path, line: str, named: str) -> None:
    settings_file.write_text(line)
    with pytest.raises(ValueError, match=named) as failure:
        Settings()
    assert "\n" not in str(failure.value)
    assert "podman" not in str(failure.value)


def test_a_settings_file_that_does_not_exist_is_named(settings_file: Path) -> None:
    with pytest.raises(FileNotFoundError, match=str(settings_file)):
        Settings()


def test_the_settings_file_of_the_repository_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMAGE_SEARCH_CONFIG")
    assert (Settings().airflow.runner, Settings().airflow.connection) == ("process", "")
    assert (REPOSITORY / "dags").is_dir()


def test_retries_back_off_and_every_task_has_a_time_limit() -> None:
    settings = AirflowSettings(retries=4, retry_delay_seconds=10, task_timeout_minutes=7)
    assert settings.default_args() == {
        "retries": 4,
        "retry_delay": timedelta(seconds=10),
        "retry_exponential_backoff": 2,
        "max_retry_delay": timedelta(minutes=30),
        "execution_timeout": timedelta(minutes=7),
    }
