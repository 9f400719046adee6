"""The worker behind the page: a process that answers questions, one JSON object a line.

    {"id": 7, "ask": "similar", "with": {"version": 0, "name": "cat.jpg", "n": 12}}
    {"id": 7, "answer": {…}}            or {"id": 7, "error": "…", "kind": "missing"}

Answers come as they are ready, not in the order asked. The end of the input ends the process.
"""

import json
import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any

from tasks.errors import UserError
from tasks.lake.store import DamagedError, TransferError
from tasks.page.asks import Asks
from tasks.page.missing import MissingError
from tasks.settings import Settings

_THREADS = 4
# The web server shares this machine, and people wait for it.
_NICENESS = 5

logger = logging.getLogger(__name__)


def serve(lake: str, settings: Settings) -> None:
    """Answers what comes on stdin on stdout, until stdin ends.

    Args:
        lake: URI of the lake.
        settings: of this machine.
    """
    os.nice(_NICENESS)
    answers = _own_stdout()
    lock = threading.Lock()
    asks = Asks(lake, settings)

    def work(line: str) -> None:
        answer = _answer(asks, line)
        with lock:
            answers.write(json.dumps(answer) + "\n")
            answers.flush()

    with ThreadPoolExecutor(_THREADS) as pool:
        for line in sys.stdin:
            pool.submit(work, line)
    logger.info("nobody asks any longer; ending")


def _own_stdout() -> IO[str]:
    """Takes stdout for the answers alone: what any library prints goes to stderr from here on."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def _answer(asks: Asks, line: str) -> dict[str, Any]:
    number = None
    try:
        question = json.loads(line)
        number = question["id"]
        return {"id": number, "answer": asks.find(question["ask"])(**question["with"])}
    except MissingError as error:
        return _refusal(number, "missing", str(error))
    except UserError as error:
        return _refusal(number, "user", str(error))
    except DamagedError as error:
        return _refusal(number, "damaged", f"{error}; image_reindex repairs it")
    except TransferError as error:
        return _refusal(number, "passing", f"{error}; try again later")
    except Exception:  # pylint: disable=broad-exception-caught  # whatever it is, the next question comes
        logger.exception("a question could not be answered")
        reason = "something went wrong; the log of Airflow's API server says what"
        return _refusal(number, "unexpected", reason)


def _refusal(number: Any, kind: str, reason: str) -> dict[str, Any]:
    return {"id": number, "kind": kind, "error": " ".join(reason.split())}
