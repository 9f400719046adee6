"""Runs a task as a child process, in the tasks' own virtual environment on this machine."""

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException

from image_search_airflow.child_process import ChildProcess
from image_search_airflow.operators.task import TaskOperator
from image_search_airflow.runner_settings import REPOSITORY
from image_search_airflow.s3_access import s3_variables, with_variables


class ProcessOperator(TaskOperator):
    """Runs `python -m tasks <task> …` and returns the JSON object that the task prints.

    Args:
        python: interpreter of the tasks' environment, absolute or relative to the repository.
        **kwargs: those of `TaskOperator`.
    """

    def __init__(self, *, python: Path, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.python = python

    def environment(self) -> Mapping[str, str]:
        """Returns what this process has, and the access that the connection gives."""
        variables = s3_variables(self.connection) if self.connection else {}
        return with_variables(os.environ, variables)

    def start(
        self, options: Sequence[str], environment: Mapping[str, str], context: Context
    ) -> ChildProcess:
        """Starts the child process."""
        command = [str(self.python), "-m", "tasks", *options]
        self.log.info("%s", shlex.join(command))
        try:
            return ChildProcess(command, cwd=REPOSITORY, environment=environment)
        except FileNotFoundError as error:
            raise AirflowFailException(
                f"{self.python} does not exist; install the tasks' environment (`make install`) "
                "or set `python` under [airflow]"
            ) from error
