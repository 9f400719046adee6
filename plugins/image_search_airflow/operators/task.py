"""What the operators that run a task have in common: the contract, from arguments to result."""

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Protocol

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException

from image_search_airflow.contract import task_arguments, task_failure, task_result
from image_search_airflow.s3_access import blot_out, mask_secrets


class RunningTask(Protocol):
    """A task at work, wherever that is."""

    def stderr_lines(self) -> Iterator[str]:
        """Yields each line of standard error as it is written, until the task has ended."""

    def wait(self) -> int:
        """Waits for the end; returns the exit status, negative for the signal that caused it."""

    def last_stdout_line(self) -> str:
        """Returns the last line of standard output that is not blank, or the empty string."""

    def stop(self) -> None:
        """Ends the task and all it started."""


class TaskOperator(BaseOperator):
    """Runs a task and returns the JSON object that it prints; subclasses say where.

    Args:
        task_name: the task to run.
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
        lake: str,
        arguments: Mapping[str, Any] | None = None,
        map_label: str | None = None,
        connection: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.task_name = task_name
        self.lake = lake
        self.arguments = arguments or {}
        self.map_label = map_label
        self.connection = connection
        self._running: RunningTask | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Runs the task to its end; its log lines appear in this task's log as they are written.

        Raises:
            AirflowException: the task failed, or broke the contract.
        """
        options = task_arguments(
            self.task_name, lake=self.lake, run_id=context["run_id"], arguments=self.arguments
        )
        # Airflow lets Ctrl-C end this process on the spot, and the task would go on without it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        last_line = ""
        environment = self.environment()
        mask_secrets(environment)
        with self.start(options, environment, context) as running:
            self._running = running
            for line in running.stderr_lines():
                line = blot_out(line, environment)
                self.log.info("%s", line)
                last_line = line or last_line
            status = running.wait()
            if status:
                raise self.failure(running, status, last_line)
            return task_result(self.task_name, running.last_stdout_line())

    def on_kill(self) -> None:
        """Ends the task and all it started, when Airflow stops this one or its time is up."""
        if self._running:
            self._running.stop()

    def environment(self) -> Mapping[str, str]:
        """Returns the environment variables of the task, secrets among them."""
        raise NotImplementedError

    def start(
        self, options: Sequence[str], environment: Mapping[str, str], context: Context
    ) -> AbstractContextManager[RunningTask]:
        """Starts the task; leaving the context ends what is left of it.

        Args:
            options: what follows `python -m tasks`.
            environment: all its environment variables.
            context: Airflow's, of this attempt.
        """
        raise NotImplementedError

    def failure(self, running: RunningTask, status: int, last_line: str) -> AirflowException:
        """Returns the exception for a task that failed, see `task_failure`."""
        # pylint: disable=unused-argument  # subclasses ask the task
        return task_failure(self.task_name, status, last_line)
