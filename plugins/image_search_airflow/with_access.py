"""Runs a command with the access to the lake that Airflow's tasks get.

`python -m image_search_airflow.with_access COMMAND …`. Without a `connection` in the settings that
is the environment as it is. What a connection says reaches the command by its environment alone.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from image_search_airflow.settings import Settings


def environment_with_access() -> Mapping[str, str]:
    """Returns the environment with what the connection of the settings says.

    Raises:
        AirflowFailException: there is no such connection, or it cannot be handed to a task.
    """
    connection = Settings().airflow.connection
    if not connection:
        return os.environ
    # Airflow takes seconds to import, which most need not wait for.
    from image_search_airflow.s3_access import s3_variables, with_variables

    return with_variables(os.environ, s3_variables(connection))


@contextmanager
def _stdout_kept_clean() -> Iterator[None]:
    """Sends what Airflow logs to stderr: stdout belongs to the command."""
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def main() -> None:
    """Becomes the command; if there is no access, ends with one line and status 2."""
    command = sys.argv[1:]
    try:
        with _stdout_kept_clean():
            environment = environment_with_access()
    except Exception as error:  # pylint: disable=broad-exception-caught  # Airflow's or botocore's
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        raise SystemExit(2) from None
    os.execvpe(command[0], command, dict(environment))  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    main()
