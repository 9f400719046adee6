"""The task contract, the same for every runner: an argument list in, one JSON object out."""

import json
import re
import signal
from collections.abc import Mapping
from typing import Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException

Argument = str | int | float | bool | None

# How the command line of a task says that the call itself is wrong: trying again cannot help.
USAGE_ERROR = 2


def run_slug(run_id: str) -> str:
    """Returns the name under which the lake keeps a run: its Airflow run id in `[A-Za-z0-9._-]`.

    Airflow's run ids hold times (`manual__2026-01-31T02:00:00+00:00`), and not every store bears
    their `:` and `+`.
    """
    slug = re.sub(r"[^A-Za-z0-9._-]", "-", run_id)
    # With a dot in front it would be hidden or lead out of its folder, with a dash be an option.
    return slug if slug[:1].isalnum() else f"run{slug}"


def task_arguments(
    task: str, *, lake: str, run_id: str, arguments: Mapping[str, Argument]
) -> list[str]:
    """Builds what follows `python -m tasks` to run one task.

    Args:
        task: name of the task, the sub-command.
        lake: root of the lake, a URI.
        run_id: Airflow's id of the DAG run.
        arguments: further options by name, underscores for dashes. True stands for a bare flag;
            None, False and the empty string leave the option out.

    Returns:
        The argument list; no shell ever sees it.
    """
    command = [task]
    for name, value in {"lake": lake, "run": run_slug(run_id), **arguments}.items():
        option = "--" + name.replace("_", "-")
        if value is True:
            command.append(option)
        elif value is not None and value is not False and value != "":
            command += [option, str(value)]
    return command


def task_result(task: str, last_line: str) -> dict[str, Any]:
    """Reads the JSON object that a task prints as its last line on stdout.

    Raises:
        AirflowException: the line is not a JSON object.
    """
    try:
        result = json.loads(last_line)
    except json.JSONDecodeError:
        result = None
    if not isinstance(result, dict):
        raise AirflowException(
            f"{task} must print one JSON object as its last line on stdout, "
            f"but printed {last_line[:200]!r}"
        )
    return result


def out_of_memory(task: str, limit: str) -> AirflowException:
    """Returns the exception for a task that the system killed at its memory limit."""
    return AirflowException(
        f"{task} ran out of memory and was killed at its limit of {limit}; raise `memory` under "
        f"[airflow.tasks.{task}]"
    )


def task_failure(task: str, status: int, last_line: str) -> AirflowException:
    """Returns the exception for a task that failed.

    Args:
        task: name of the task.
        status: its exit status, negative for the signal that ended it.
        last_line: the last line it wrote to stderr, by contract the reason.

    Returns:
        An exception that Airflow answers with another attempt, unless none could succeed.
    """
    reason = last_line.removeprefix("error: ") or "it gave no reason"
    if status == USAGE_ERROR:
        return AirflowFailException(f"{task} cannot run: {reason}")
    if status >= 0:
        return AirflowException(f"{task} failed with exit status {status}: {reason}")
    ended_by = signal.Signals(-status)
    hint = ", most likely because memory ran out" if ended_by == signal.SIGKILL else ""
    return AirflowException(f"{task} was ended by {ended_by.name}{hint}; its last words: {reason}")
