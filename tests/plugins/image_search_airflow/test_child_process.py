"""A child process and everything it starts."""

import signal
import sys
from pathlib import Path

import pytest

from image_search_airflow.child_process import ChildProcess
from tests.plugins.processes import ended

# Says who it is, then waits for longer than any test.
WAIT = "import os, sys, time; print(os.getpid(), file=sys.stderr, flush=True); time.sleep(600)"


def child(program: str) -> ChildProcess:
    return ChildProcess([sys.executable, "-c", program], cwd=Path.cwd())


def test_lines_come_in_order_and_the_status_after_them() -> None:
    program = (
        "import sys; print('one', file=sys.stderr); print('two', file=sys.stderr); sys.exit(7)"
    )
    with child(program) as process:
        assert list(process.stderr_lines()) == ["one", "two"]
        assert process.wait() == 7


def test_a_progress_bar_comes_line_by_line() -> None:
    with child(r"import sys; sys.stderr.write('10 %\r20 %\rdone')") as process:
        assert list(process.stderr_lines()) == ["10 %", "20 %", "done"]


def test_the_last_line_on_stdout_is_found_before_blank_ones() -> None:
    with child(r"print('first\nlast\n\n')") as process:
        process.wait()
        assert process.last_stdout_line() == "last"


def test_a_silent_child_has_an_empty_last_line() -> None:
    with child("pass") as process:
        process.wait()
        assert process.last_stdout_line() == ""


def test_more_output_than_a_pipe_holds_blocks_nobody() -> None:
    program = "import sys; print('x' * 1_000_000); print('y' * 1_000_000, file=sys.stderr)"
    with child(program) as process:
        assert sum(map(len, process.stderr_lines())) == 1_000_000
        assert process.wait() == 0
        assert len(process.last_stdout_line()) == 1_000_000


def test_bytes_that_are_not_text_stop_nothing() -> None:
    with child(r"import sys; sys.stderr.buffer.write(b'\xff\n')") as process:
        assert list(process.stderr_lines()) == ["\N{REPLACEMENT CHARACTER}"]


def test_what_a_child_leaves_behind_is_ended_with_it() -> None:
    # The one left behind holds stderr open, and yet the lines come to an end.
    leaves = "import subprocess, sys; left = subprocess.Popen(['sleep', '600'])"
    with child(f"{leaves}; print(left.pid, file=sys.stderr)") as process:
        (left,) = process.stderr_lines()
        assert process.wait() == 0
    assert ended(int(left))


@pytest.mark.parametrize("in_the_way", ["", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"])
def test_stopping_ends_children_of_the_child_even_stubborn_ones(in_the_way: str) -> None:
    stubborn = f"import signal; {in_the_way}\n{WAIT}"
    starts_one = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {stubborn!r}])"
    with child(f"{starts_one}\n{stubborn}") as process:
        lines = process.stderr_lines()
        pids = [int(next(lines)), int(next(lines))]
        process.stop(grace_seconds=0.5)
        assert process.wait() in (-signal.SIGTERM, -signal.SIGKILL)
    assert len(set(pids)) == 2
    assert all(ended(pid) for pid in pids)


def test_leaving_the_block_with_an_error_stops_the_child() -> None:
    with pytest.raises(KeyboardInterrupt), child(WAIT) as process:
        pid = int(next(process.stderr_lines()))
        raise KeyboardInterrupt
    assert ended(pid)


def test_stopping_a_child_that_has_ended_does_nothing() -> None:
    with child("pass") as process:
        assert process.wait() == 0
        process.stop()
        assert process.wait() == 0


def test_a_child_has_the_environment_it_is_given_and_no_other() -> None:
    program = "import os, sys; print(*os.environ, file=sys.stderr)"
    environment = {"ONLY": "this", "LC_ALL": "C.UTF-8"}
    with ChildProcess([sys.executable, "-c", program], Path.cwd(), environment) as process:
        (names,) = process.stderr_lines()
    assert set(names.split()) == set(environment)


def test_a_command_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        ChildProcess(["/no/such/command"], cwd=Path.cwd())
