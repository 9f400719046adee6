"""Runs a task as a child process, in the tasks' own virtual environment on this machine."""

import os
import shlex
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException

from image_search_airflow.child_process import ChildProcess
from image_search_airflow.contract import task_arguments, task_failure, task_result
from image_search_airflow.s3_access import blot_out, mask_secrets, s3_variables, with_variables
from image_search_airflow.settings import REPOSITORY


class ProcessOperator(BaseOperator):
    """Runs `python -m tasks <task> …` and returns the JSON object that the task prints.

    Args:
        task_name: the task to run.
        python: interpreter of the tasks' environment, absolute or relative to the repository.
        lake: root of the lake, a URI.
        arguments: the task's own options, see `task_arguments`.
        map_label: what a mapped task is called in the UI, with the `map_index_template`
            `{{ task.map_label }}`.
        connection: id of the Airflow connection to an `s3://` lake; empty if the environment says
            how to reach it.
        **kwargs: those of every Airflow operator.
    """

    template_fields: Sequence[str] = ("lake", "arguments", "map_label")
    template_fields_renderers: ClassVar[dict[str, str]] = {"arguments": "json"}
    ui_color = "#e8f1fa"

    def __init__(
        self,
        *,
        task_name: str,
        python: Path,
        lake: str,
        arguments: Mapping[str, Any] | None = None,
        map_label: str | None = None,
        connection: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.task_name = task_name
        self.python = python
        self.lake = lake
        self.arguments = arguments or {}
        self.map_label = map_label
        self.connection = connection
        self._child: ChildProcess | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Runs the task to its end; its log lines appear in this task's log as they are written.

        Raises:
            AirflowException: the task failed, or broke the contract.
        """
        options = task_arguments(
            self.task_name, lake=self.lake, run_id=context["run_id"], arguments=self.arguments
        )
        command = [str(self.python), "-m", "tasks", *options]
        self.log.info("%s", shlex.join(command))
        # Airflow lets Ctrl-C end this process on the spot, and the child would go on without it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        last_line = ""
        environment = self._environment()
        with self._start(command, environment) as self._child:
            for line in self._child.stderr_lines():
                line = blot_out(line, environment)
                self.log.info("%s", line)
                last_line = line or last_line
            status = self._child.wait()
            if status:
                raise task_failure(self.task_name, status, last_line)
            return task_result(self.task_name, self._child.last_stdout_line())

    def on_kill(self) -> None:
        """Ends the process and all it started, when Airflow stops this task or its time is up."""
        if self._child:
            self._child.stop()

    def _environment(self) -> Mapping[str, str]:
        variables = s3_variables(self.connection) if self.connection else {}
        environment = with_variables(os.environ, variables)
        mask_secrets(environment)
        return environment

    def _start(self, command: Sequence[str], environment: Mapping[str, str]) -> ChildProcess:
        try:
            return ChildProcess(command, cwd=REPOSITORY, environment=environment)
        except FileNotFoundError as error:
            raise AirflowFailException(
                f"{self.python} does not exist; install the tasks' environment (`make install`) "
                "or set `python` under [airflow]"
            ) from error
