"""A connection that ends when nothing is asked over it: uvicorn waits for a request for ever."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

# From the start of a connection, or from an answer, to the end of the head of the next request; or
# to take what there is of an answer.
IDLE_SECONDS = 30


class TimedConnection(H11Protocol):
    """A connection of uvicorn that is cut when it waits too long for who asks.

    Uvicorn itself ends it only if nothing at all comes after an answer: whoever sends a byte now
    and then, or never reads, would keep a place.
    """

    idle_seconds: float = IDLE_SECONDS
    _cut: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Ends to wait if the head of a request is complete."""
        before = self.cycle
        super().data_received(data)
        self._end_to_wait_if_not(before)

    def on_response_complete(self) -> None:
        """Waits for the next request, unless it is here already."""
        self._wait()
        before = self.cycle
        super().on_response_complete()
        self._end_to_wait_if_not(before)

    def pause_writing(self) -> None:
        """Waits for an answer to be taken."""
        self._wait()
        super().pause_writing()

    def resume_writing(self) -> None:
        """Ends to wait: most of it has been taken."""
        self._end_to_wait()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no longer."""
        self._end_to_wait()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._end_to_wait()
        self._cut = self.loop.call_later(self.idle_seconds, self.transport.abort)

    def _end_to_wait_if_not(self, before: object) -> None:
        if self.cycle is not before:
            self._end_to_wait()

    def _end_to_wait(self) -> None:
        if self._cut:
            self._cut.cancel()
            self._cut = None
