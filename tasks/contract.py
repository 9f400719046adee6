"""The contract of every task: log to stderr, one JSON object on stdout, one line on failure."""

import json
import logging
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.disk import is_full
from tasks.lake.store import DamagedError, Store, TransferError

# Where the sidecar of a Kubernetes pod picks up the XCom.
XCOM_FILE = Path("/airflow/xcom/return.json")

# Exit statuses of a task that failed; Airflow tries again only what may pass.
MAY_PASS = 1
NEEDS_A_PERSON = 2

Summary = dict[str, Any]

logger = logging.getLogger(__name__)


def set_up_logging() -> None:
    """Sends the log to stderr, one line an event."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        force=True,
    )
    for chatty in ("aiobotocore", "botocore", "faiss", "fsspec", "s3fs"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


@contextmanager
def timed() -> Iterator[Summary]:
    """Yields a summary to fill in and adds the seconds that the block took."""
    summary: Summary = {}
    started = time.monotonic()
    yield summary
    summary["seconds"] = round(time.monotonic() - started, 3)


def emit(summary: Summary) -> None:
    """Prints a summary as the last line on stdout and leaves it for a pod's sidecar."""
    line = json.dumps(summary)
    print(line, flush=True)
    if XCOM_FILE.parent.is_dir():
        XCOM_FILE.write_text(line, encoding="utf-8")


def parse_outputs(outputs: Sequence[str]) -> dict[str, Path]:
    """Reads `FIELD=PATH` options: which fields of a summary go to which files.

    Raises:
        UserError: one is of another form.
    """
    for output in outputs:
        if not re.fullmatch(r"\w+=.+", output):
            raise UserError(f"--result-file takes FIELD=PATH, not {output!r}")
    pairs = (output.split("=", 1) for output in outputs)
    return {field: Path(path) for field, path in pairs}


def write_outputs(summary: Summary, outputs: Mapping[str, Path]) -> None:
    """Writes fields of a summary to local files: text as it is, anything else as JSON.

    Raises:
        UserError: the summary has no such field.
    """
    for field, path in outputs.items():
        if field not in summary:
            raise UserError(f"the result has no field {field}; it has {', '.join(summary)}")
        value = summary[field]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")


def file_result(lake: Store, run: str, task: str, shard: str | None, summary: Summary) -> None:
    """Leaves a task's summary with the run, for reports."""
    path = layout.task_result(run, task, shard)
    # A task that finds its work done must not hide how long the work took.
    if not (summary.get("already_complete") and lake.exists(path)):
        lake.write_json(path, summary)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the process with one line on stderr if the block fails.

    What a person has to put right is told in its own words, with status 2: trying again does not
    help. So is a store that cannot be reached, a full disk or a machine that is short of memory,
    with status 1: it may pass. Anything else is logged with its traceback first, and ends with
    status 1, too.
    """
    try:
        yield
    except UserError as error:
        _fail(str(error), NEEDS_A_PERSON)
    except PermissionError as error:
        _fail(f"{error}; check the credentials, and what they allow there", NEEDS_A_PERSON)
    except DamagedError as error:
        advice = "`python -m tasks verify` names all damage, and image_reindex repairs it"
        _fail(f"{error}; {advice}", MAY_PASS)
    except TransferError as error:
        _fail(f"{error}; try again later", MAY_PASS)
    except MemoryError as error:
        advice = "give the task more, or lower max_pixels, threads or shard_size"
        _fail(f"memory is short: {error}; {advice}", MAY_PASS)
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        advice = "a file stands where a folder has to be, or the other way round: move it away"
        _fail(f"{error}; {advice}", NEEDS_A_PERSON)
    except OSError as error:
        if not is_full(error):
            _fail_unexpectedly(error)
        advice = "free some; `python -m tasks prune` drops from the lake what nobody needs"
        _fail(f"no space left on {error.filename or 'the disk'}; {advice}", MAY_PASS)
    except Exception as error:  # pylint: disable=broad-exception-caught  # the process's last word
        _fail_unexpectedly(error)


def _fail_unexpectedly(error: Exception) -> NoReturn:
    logger.error("unexpected failure", exc_info=error)
    if isinstance(error, ModuleNotFoundError):
        advice = "use the image of this task; for runtime = keras build it with RUNTIME=keras"
        _fail(f"this image or environment has no package {error.name}; {advice}", NEEDS_A_PERSON)
    _fail(f"{type(error).__name__}: {error}", MAY_PASS)


def _fail(reason: str, status: int) -> NoReturn:
    print("error: " + " ".join(reason.split()), file=sys.stderr, flush=True)
    raise SystemExit(status)
