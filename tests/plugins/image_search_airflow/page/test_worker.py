import asyncio
import os
import signal
from pathlib import Path

import pytest

from image_search_airflow.page.worker import PageWorker, WorkerError, page_worker
from tests.plugins.conftest import Interpreter
from tests.plugins.processes import ended

ANSWERS = """
import json, os, sys
for line in sys.stdin:
    asked = json.loads(line)
    match asked["ask"]:
        case "pid":
            said = {"answer": {"pid": os.getpid()}}
        case "busy":
            said = {"answer": {"busy": os.path.exists(sys.argv[0] + ".busy")}}
        case "slow" if not os.path.exists(sys.argv[0] + ".begun"):
            open(sys.argv[0] + ".begun", "w").close()
            continue
        case "die":
            print("error: memory ran out", file=sys.stderr)
            sys.exit(1)
        case "refuse":
            said = {"kind": "missing", "error": "no such image"}
        case _:
            said = {"answer": asked["with"]}
    print(json.dumps({"id": asked["id"], **said}), flush=True)
"""


def worker_of(python: Path, idle_seconds: float = 60) -> PageWorker:
    return PageWorker(lambda: [str(python)], lambda: os.environ, idle_seconds)


def test_questions_at_once_get_their_own_answers_from_one_process(interpreter: Interpreter) -> None:
    async def asked() -> None:
        worker = worker_of(interpreter(ANSWERS))
        said = await asyncio.gather(*(worker.ask("echo", number=number) for number in range(50)))
        assert said == [{"number": number} for number in range(50)]
        pids = await asyncio.gather(*(worker.ask("pid") for _ in range(5)))
        assert len({said["pid"] for said in pids}) == 1
        await worker.stop()
        assert ended(pids[0]["pid"])

    asyncio.run(asked())


def test_a_refusal_keeps_its_kind(interpreter: Interpreter) -> None:
    async def asked() -> None:
        worker = worker_of(interpreter(ANSWERS))
        with pytest.raises(WorkerError, match="no such image") as refused:
            await worker.ask("refuse")
        assert refused.value.kind == "missing"
        await worker.stop()

    asyncio.run(asked())


def test_a_worker_that_dies_says_why_and_is_started_again(interpreter: Interpreter) -> None:
    async def asked() -> None:
        worker = worker_of(interpreter(ANSWERS))
        first = await worker.ask("pid")
        with pytest.raises(WorkerError, match="has ended: memory ran out"):
            await worker.ask("die")
        assert (await worker.ask("pid"))["pid"] != first["pid"]
        await worker.stop()

    asyncio.run(asked())


@pytest.mark.parametrize(("question", "again"), [("slow", True), ("upload_add", False)])
def test_what_a_killed_worker_was_asked_is_asked_again_if_nothing_was_lost_with_it(
    interpreter: Interpreter, question: str, again: bool
) -> None:
    python = interpreter(ANSWERS.replace('"slow"', f'"{question}"'))

    async def asked() -> None:
        worker = worker_of(python)
        pid = (await worker.ask("pid"))["pid"]
        slow = asyncio.create_task(worker.ask(question, number=7))
        while not python.with_name("python.begun").exists():
            await asyncio.sleep(0.01)
        os.kill(pid, signal.SIGKILL)
        if again:
            assert await slow == {"number": 7}
        else:
            with pytest.raises(WorkerError, match=r"has ended.*try again"):
                await slow
        await worker.stop()

    asyncio.run(asked())


def test_a_worker_that_nobody_asks_finishes_what_is_under_way_first(
    interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("image_search_airflow.page.worker._BUSY_SECONDS", 0.05)
    python = interpreter(ANSWERS)
    busy = python.with_name("python.busy")
    busy.touch()

    async def asked() -> None:
        worker = worker_of(python, idle_seconds=0.1)
        first = (await worker.ask("pid"))["pid"]
        while (await worker.ask("pid"))["pid"] == first:
            await asyncio.sleep(0.2)
        os.kill(first, 0)  # it is still there
        busy.unlink()
        while not await asyncio.to_thread(ended, first):
            pass
        await worker.stop()

    asyncio.run(asked())


def test_a_worker_that_nobody_asks_is_ended(interpreter: Interpreter) -> None:
    async def asked() -> int:
        worker = worker_of(interpreter(ANSWERS), idle_seconds=0.2)
        pid = (await worker.ask("pid"))["pid"]
        while not await asyncio.to_thread(ended, pid):
            pass
        assert (await worker.ask("echo", still="here")) == {"still": "here"}
        await worker.stop()
        return int(pid)

    assert asyncio.run(asked())


def test_without_access_to_the_lake_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    async def asked() -> None:
        with pytest.raises(WorkerError, match=r"'nowhere'.* does not exist; add it") as refused:
            await page_worker().ask("pid")
        assert refused.value.kind == "user"

    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__CONNECTION", "nowhere")
    asyncio.run(asked())


def test_without_the_tasks_environment_it_says_what_to_do() -> None:
    async def asked() -> None:
        with pytest.raises(WorkerError, match="install the tasks' environment"):
            await worker_of(Path("/nowhere/python")).ask("pid")

    asyncio.run(asked())
