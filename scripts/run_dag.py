"""Runs a DAG once in this terminal, without scheduler or web server, and shows how far it is.

`python scripts/run_dag.py image_search --conf '{"query_image": "cat.jpg"}' --log
var/log/search.log`

Everything that Airflow says goes to the log file. The screen (stderr) gets each task as it starts
and what it says itself; stdout gets one line at the end, the id of the run in the lake.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_STARTING = re.compile(r"\[DAG TEST\] starting task_id=(\S+)")
_COMMAND = re.compile(r" -m tasks \S+ .*--run (\S+)")
_TIME_AND_LEVEL = re.compile(r"^[\d-]+ [\d:,]+ [A-Z]+ ")
_UNREADABLE = "Failed to import"
_OPERATORS = "airflow.task.operators.image_search_airflow"


def events(dag: str, conf: str, log: Path) -> Iterator[dict[str, Any]]:
    """Runs a DAG and yields what Airflow logs, each event with its "logger" and its text, "event".

    Raises:
        subprocess.CalledProcessError: the run failed.
    """
    command = ["airflow", "dags", "test", dag, "--conf", conf]
    environment = {**os.environ, "AIRFLOW__LOGGING__JSON_LOGS": "True"}
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as child,
    ):
        for line in child.stdout or ():
            file.write(line)
            if line.startswith("{"):
                yield json.loads(line)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)


def said_by_task(event: dict[str, Any]) -> str:
    """Returns what a task wrote to its log, without the time in front; empty if a task did not."""
    of_task = event.get("logger", "").startswith(_OPERATORS)
    return _TIME_AND_LEVEL.sub("", event["event"]) if of_task else ""


def reason_of_failure(event: dict[str, Any]) -> str:
    """Returns why a task failed, as its operator says; empty if the event is nothing of the kind.

    A task that could not even be started has said nothing itself.
    """
    raised = event.get("exception") or [{}]
    by_operator = str(raised[0].get("exc_type")).startswith("Airflow")
    unreadable = event["event"].startswith(_UNREADABLE)
    return " ".join(str(raised[0].get("exc_value")).split()) if by_operator or unreadable else ""


def main() -> int:
    """Runs the DAG of the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dag")
    parser.add_argument("--conf", default="{}", help="the Params of the run, a JSON object")
    parser.add_argument("--log", type=Path, required=True, help="file for all that Airflow says")
    parser.add_argument("--quiet", action="store_true", help="show what tasks say only on failure")
    arguments = parser.parse_args()
    run, last_said, reason, unreadable = "", "", "", False
    try:
        for event in events(arguments.dag, arguments.conf, arguments.log):
            if not unreadable:  # what follows from that says less
                reason = reason_of_failure(event) or reason
                unreadable = event["event"].startswith(_UNREADABLE)
            if command := _COMMAND.search(event["event"]):
                run = command.group(1)
            elif starting := _STARTING.match(event["event"]):
                print(f"  {starting.group(1)}", file=sys.stderr, flush=True)
            elif said := said_by_task(event):
                last_said = said
                if not arguments.quiet:
                    print(f"      {said}", file=sys.stderr, flush=True)
    except subprocess.CalledProcessError:
        reason = f"error: {reason}" if reason else last_said or f"{arguments.dag} failed"
        print(f"{reason} (all that Airflow says: {arguments.log})", file=sys.stderr)
        return 1
    print(run)
    return 0


if __name__ == "__main__":
    sys.exit(main())
