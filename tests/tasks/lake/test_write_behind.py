import io
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.lake.write_behind import WriteBehind

MEBIBYTE = 2**20
PATIENCE = 30.0


class Gate(io.BytesIO):
    """Takes nothing before it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()

    def write(self, data: object, /) -> int:
        assert self.open.wait(PATIENCE)
        return super().write(data)  # type: ignore[arg-type]


class Broken(io.BytesIO):
    """Fails, and counts how often it was asked."""

    asked = 0

    def write(self, data: object, /) -> int:
        self.asked += 1
        raise OSError("the disk is full")


@given(
    sizes=st.lists(st.sampled_from([0, 1, 1000, MEBIBYTE - 1, MEBIBYTE, 3 * MEBIBYTE]), max_size=6),
    most=st.sampled_from([1, MEBIBYTE, 4 * MEBIBYTE]),
)
def test_all_bytes_arrive_in_order(sizes: list[int], most: int) -> None:
    sink, data = io.BytesIO(), [bytes([number]) * size for number, size in enumerate(sizes)]
    with WriteBehind(sink, most) as behind:
        assert [behind.write(memoryview(piece)) for piece in data] == sizes
    assert sink.getvalue() == b"".join(data)


def test_who_writes_does_not_wait_for_a_slow_sink() -> None:
    sink = Gate()
    with WriteBehind(sink, 8 * MEBIBYTE) as behind:
        for _ in range(4):
            behind.write(bytes(2 * MEBIBYTE))
        assert sink.getvalue() == b""
        sink.open.set()
    assert len(sink.getvalue()) == 8 * MEBIBYTE


def test_no_more_waits_than_it_may() -> None:
    pieces, ahead = 6, []
    returned: queue.SimpleQueue[int] = queue.SimpleQueue()

    class Sink(io.BytesIO):
        """Takes a piece once all that may wait with it have been handed over."""

        taken = 0

        def write(self, data: object, /) -> int:
            if self.taken < pieces - 1:
                returned.get(timeout=PATIENCE)
            ahead.append(handed_over - self.taken)
            self.taken += 1
            return MEBIBYTE

    handed_over = 0
    with WriteBehind(Sink(), 2 * MEBIBYTE) as behind:
        for number in range(pieces):
            behind.write(bytes(MEBIBYTE))
            handed_over += 1
            if number:
                returned.put(number)
    assert max(ahead) <= 2


def test_what_was_changed_after_writing_arrives_as_it_was() -> None:
    sink, data = Gate(), bytearray(MEBIBYTE)
    with WriteBehind(sink, 2 * MEBIBYTE) as behind:
        behind.write(memoryview(data))
        data[:] = b"x" * MEBIBYTE
        sink.open.set()
    assert sink.getvalue() == bytes(MEBIBYTE)


@pytest.mark.parametrize("size", [1, MEBIBYTE, 5 * MEBIBYTE])
def test_an_error_of_the_sink_is_heard_and_nothing_follows_it(size: int) -> None:
    sink = Broken()
    with pytest.raises(OSError, match="the disk is full"), WriteBehind(sink, MEBIBYTE) as behind:
        for _ in range(4):
            behind.write(bytes(size))
    assert sink.asked == 1


def test_a_block_that_fails_keeps_its_error_and_what_waits_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sink, shutdown = Gate(), ThreadPoolExecutor.shutdown

    def open_once_the_rest_is_dropped(pool: ThreadPoolExecutor, *, cancel_futures: bool) -> None:
        shutdown(pool, wait=False, cancel_futures=cancel_futures)
        sink.open.set()
        shutdown(pool)

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", open_once_the_rest_is_dropped)
    with pytest.raises(ValueError, match="mine"), WriteBehind(sink, 8 * MEBIBYTE) as behind:
        for _ in range(4):
            behind.write(bytes(MEBIBYTE))
        raise ValueError("mine")
    assert len(sink.getvalue()) <= MEBIBYTE  # what was on its way


def test_nothing_is_taken_as_written_after_an_error_that_was_caught() -> None:
    def write() -> None:
        with WriteBehind(Broken(), 1) as behind:
            for _ in range(3):
                with suppress(OSError):
                    behind.write(bytes(MEBIBYTE))

    with pytest.raises(OSError, match="the disk is full"):
        write()
