"""A task in a Docker container: started, listened to, and removed with all it used."""

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

from airflow.sdk.exceptions import AirflowException
from docker import APIClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from requests.exceptions import RequestException

# Airflow itself kills an operator that is not done with `on_kill` after five seconds.
GRACE_SECONDS = 3

# How a shell, and Docker after it, writes that a signal ended a process.
_SIGNALLED = 128
_SIGTERM = 15


class Container:
    """A container of its own for one command.

    Args:
        client: the engine.
        options: those of `APIClient.create_container`.
        labels: what marks containers of the same task instance. What is left of an earlier attempt,
            whose Airflow worker died, is ended first.
        pull: whether an image that the engine lacks is pulled.

    Raises:
        AirflowException: the engine does not answer, or cannot run the container.
    """

    def __init__(
        self,
        client: APIClient,
        options: Mapping[str, Any],
        labels: Mapping[str, str],
        *,
        pull: bool = True,
    ) -> None:
        self._client = client
        with engine_errors():
            self._end_earlier(labels)
            self._id = self._create(options, labels, pull=pull)
            try:
                # Attached before the start, so that no line is missed.
                self._stderr = client.attach(self._id, stdout=False, stderr=True, stream=True)
                client.start(self._id)
            except (DockerException, RequestException):
                self.stop()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stderr_lines(self) -> Iterator[str]:
        """Yields each line of standard error as it is written, until the command has ended."""
        with engine_errors():
            yield from _lines(self._stderr)

    def wait(self) -> int:
        """Waits for the end; returns the exit status, negative for the signal that caused it."""
        with engine_errors():
            try:
                status = int(self._client.wait(self._id, timeout=None)["StatusCode"])
            except NotFound:
                return -_SIGTERM  # `stop` has removed it
        return _SIGNALLED - status if status > _SIGNALLED else status

    def last_stdout_line(self) -> str:
        """Returns the last line of standard output that is not blank, or the empty string."""
        with engine_errors():
            printed = self._client.logs(self._id, stdout=True, stderr=False)
        lines = printed.decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def ran_out_of_memory(self) -> bool:
        """Tells whether the system killed a process of the container at its memory limit."""
        with suppress(DockerException, RequestException):
            return bool(self._client.inspect_container(self._id)["State"]["OOMKilled"])
        return False

    def stop(self) -> None:
        """Ends the command and all it started: politely, then for certain; removes what is left."""
        with suppress(DockerException, RequestException):
            self._client.stop(self._id, timeout=GRACE_SECONDS)
        with suppress(DockerException, RequestException):
            self._client.remove_container(self._id, v=True, force=True)

    def _end_earlier(self, labels: Mapping[str, str]) -> None:
        marks = [f"{name}={value}" for name, value in labels.items()]
        for left in self._client.containers(all=True, filters={"label": marks}) if marks else ():
            with suppress(NotFound):
                self._client.remove_container(left["Id"], v=True, force=True)

    def _create(self, options: Mapping[str, Any], labels: Mapping[str, str], *, pull: bool) -> str:
        try:
            return str(self._client.create_container(**options, labels=dict(labels))["Id"])
        except ImageNotFound:
            if not pull:
                raise _missing(options["image"], "and is not to pull it") from None
        self._pull(options["image"])
        return str(self._client.create_container(**options, labels=dict(labels))["Id"])

    def _pull(self, image: str) -> None:
        try:
            for event in self._client.pull(image, stream=True, decode=True):
                if "error" in event:
                    raise _missing(image, f"and cannot pull it: {event['error']}")
        except APIError as error:
            raise _missing(image, f"and cannot pull it: {error.explanation}") from None


@contextmanager
def engine_errors(host: str = "") -> Iterator[None]:
    """Turns whatever goes wrong with an engine into one line that says what to do."""
    try:
        yield
    except APIError as error:
        reason = " ".join(str(error.explanation).split())
        raise AirflowException(f"the Docker engine refuses to run the task: {reason}") from error
    except (DockerException, RequestException, OSError) as error:
        where = f" at {host}" if host else ""
        reason = " ".join(str(error).split())[:300]
        raise AirflowException(
            f"the Docker engine{where} does not answer; start it, or correct `host` under "
            f"[airflow.docker] ({reason})"
        ) from error


def _missing(image: str, reason: str) -> AirflowException:
    reason = " ".join(reason.split())
    return AirflowException(
        f"the Docker engine has no image {image} {reason}; build it (`make images`), or correct "
        "`image` under [airflow]"
    )


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yields lines as they are complete; a progress bar's carriage return ends one, too."""
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    rest = ""
    for chunk in chunks:
        *complete, rest = re.split(r"\r?\n|\r", rest + decode(chunk))
        yield from (line.rstrip() for line in complete)
    if rest:
        yield rest.rstrip()
