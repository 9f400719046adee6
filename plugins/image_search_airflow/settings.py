"""Typed settings of the Airflow side; same file and environment variables as for the tasks."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from image_search_airflow.runner_settings import (
    REPOSITORY,
    TASK_NAMES,
    DockerSettings,
    KubernetesSettings,
    Runner,
    TaskName,
    TaskSettings,
    task_settings,
)

DEFAULT_CONFIG = REPOSITORY / "config" / "settings.toml"


class AirflowSettings(BaseModel):
    """When the pipeline runs, where its tasks run, and how patient Airflow is with them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schedule: str = Field("0 2 * * *", description="Cron of the reindex, in UTC; empty for none.")
    runner: Runner = Field("process", description="Where tasks run.")
    python: Path = Field(
        REPOSITORY / ".venv" / "tasks" / "bin" / "python",
        description="Interpreter of the tasks' environment; relative to the repository.",
    )
    connection: str = Field(
        "", description="Airflow connection (aws) to an s3:// lake; empty for the environment's."
    )
    image: str = Field(
        "image-search/{image}:latest",
        description="Name of the task images; {image} is data, model, vectorize or search.",
    )
    docker: DockerSettings = DockerSettings()
    kubernetes: KubernetesSettings = KubernetesSettings()
    tasks: dict[TaskName, TaskSettings] = Field({}, description="What single tasks need.")
    retries: int = Field(2, ge=0, description="Further attempts of a task that failed.")
    retry_delay_seconds: float = Field(
        30, gt=0, description="Wait before the first further attempt; doubles from one to the next."
    )
    task_timeout_minutes: float = Field(180, gt=0, description="Longest a single task may take.")
    max_parallel_shards: int = Field(2, ge=1, description="Shards in the same stage at once.")

    @model_validator(mode="after")
    def _pods_get_no_secret_in_their_spec(self) -> Self:
        if self.connection and any(self.task(name).runner == "kubernetes" for name in TASK_NAMES):
            raise ValueError(
                "a pod shows its variables to whoever may read pods, so `connection` cannot be "
                "handed to one; empty it, and give tasks a `service_account` or `secrets`"
            )
        return self

    def task(self, name: str) -> TaskSettings:
        """Returns what a task runs in: what is set for it, else the defaults."""
        return task_settings(name, self.runner, self.image, self.tasks)

    def default_args(self) -> dict[str, Any]:
        """Returns what every task of a DAG has in common, for `DAG(default_args=…)`."""
        return {
            "retries": self.retries,
            "retry_delay": timedelta(seconds=self.retry_delay_seconds),
            "retry_exponential_backoff": 2,
            "max_retry_delay": timedelta(minutes=30),
            "execution_timeout": timedelta(minutes=self.task_timeout_minutes),
        }


class PageSettings(BaseModel):
    """The Image Search page: how its worker is started, and what may be sent to it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    command: tuple[str, ...] = Field(
        (), description="How to start the worker; empty: `python -m tasks page` of [airflow]."
    )
    idle_minutes: float = Field(10, gt=0, description="After which the worker is ended.")
    upload_max_bytes: int = Field(16 * 2**20, ge=1, description="Largest upload, in bytes.")


class VectorDatabaseSettings(BaseModel):
    """Whether there is a vector database to load; the rest of it is for the tasks."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    uri: str = Field("", description="Of the database; empty for none.")


class Settings(BaseSettings):
    """The part of the settings that Airflow reads; the rest is for the tasks and passed over.

    Raises:
        ValueError: a value or a name is wrong; one line, as Airflow shows it where a DAG should be.
    """

    model_config = SettingsConfigDict(
        env_prefix="IMAGE_SEARCH_", env_nested_delimiter="__", extra="ignore", frozen=True
    )

    lake: str = Field("", description="Root of the lake: file:///path or s3://bucket/prefix.")
    catalogue: str = Field("", description="Where the original images are; default <lake>/master.")
    query_prefixes: tuple[str, ...] = Field((), description="Where query images may come from.")
    airflow: AirflowSettings = AirflowSettings()
    page: PageSettings = PageSettings()
    vector_database: VectorDatabaseSettings = VectorDatabaseSettings()

    def __init__(self, **given: Any) -> None:
        try:
            super().__init__(**given)
        except ValidationError as error:
            problems = "; ".join(map(_problem, error.errors()))
            where = f"{config_file()} or IMAGE_SEARCH_…"
            raise ValueError(f"wrong setting in {where}: {problems}") from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, the environment over the file."""
        file = TomlConfigSettingsSource(settings_cls, toml_file=config_file())
        return init_settings, env_settings, file


def _problem(error: ErrorDetails) -> str:
    """Returns what is wrong with one setting, without its value: it may be a secret."""
    return f"{'.'.join(map(str, error['loc']))}: {error['msg']}"


def config_file() -> Path:
    """Returns the settings file in force: `IMAGE_SEARCH_CONFIG`, or the one of the repository.

    Raises:
        FileNotFoundError: `IMAGE_SEARCH_CONFIG` names a file that does not exist.
    """
    named = os.environ.get("IMAGE_SEARCH_CONFIG")
    if named and not Path(named).is_file():
        raise FileNotFoundError(f"IMAGE_SEARCH_CONFIG names {named}, which does not exist")
    return Path(named or DEFAULT_CONFIG)
