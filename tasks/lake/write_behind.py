"""Writing to what is slow, such as a store far away, while the next bytes are being made."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from tasks.lake.store import ByteSink

# What is smaller, such as a line, is put together; an object of less needs no thread.
_PIECE = 2**20


class WriteBehind:
    """Passes bytes on to a sink, in order, by a thread of its own.

    All is written when the block ends without an exception; after one, nothing is any more, and
    what is still waiting is dropped.

    Args:
        sink: where the bytes go.
        most: bytes that wait at a time; who writes more waits with them.
    """

    def __init__(self, sink: ByteSink, most: int) -> None:
        self._sink, self._most = sink, most
        self._piece = bytearray()
        self._waiting: deque[tuple[int, Future[None]]] = deque()
        self._error: BaseException | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="write-behind")

    def write(self, data: bytes | memoryview, /) -> int:
        """Takes all of `data` and returns its length in bytes.

        Raises:
            Exception: whatever the sink raised, for this data or earlier.
        """
        self._require_sound()
        self._piece += data
        if len(self._piece) >= _PIECE:
            piece, self._piece = self._piece, bytearray()
            while self._waiting and self._held + len(piece) > self._most:
                self._await_first()
            written = self._pool.submit(self._pass_on, piece)
            self._waiting.append((len(piece), written))
        return memoryview(data).nbytes

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Writes what is left.

        Raises:
            Exception: whatever the sink raised, unless the block has failed already.
        """
        try:
            if kind is None:
                while self._waiting:
                    self._await_first()
                self._require_sound()
                self._pass_on(self._piece)
        finally:
            self._pool.shutdown(cancel_futures=True)

    @property
    def failed(self) -> bool:
        """Whether the sink has raised something."""
        return self._error is not None

    @property
    def _held(self) -> int:
        return sum(size for size, _ in self._waiting)

    def _pass_on(self, piece: bytearray) -> None:
        if self.failed:
            return  # a gap would follow, and a store that is down is tried for minutes
        try:
            self._sink.write(memoryview(piece))
        except BaseException as error:
            self._error = error
            raise

    def _require_sound(self) -> None:
        """Raises what the sink did, though somebody may have caught it."""
        if self._error:
            raise self._error

    def _await_first(self) -> None:
        self._waiting.popleft()[1].result()
