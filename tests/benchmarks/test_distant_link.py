import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.distant_link import distant

LENGTH = 3_000_000


@contextmanager
def echo() -> Iterator[tuple[str, int]]:
    """A server that sends what comes back, on one connection, until the other side ends it."""

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(2**16):
                connection.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield listener.getsockname()
        thread.join(timeout=30)
        assert not thread.is_alive()


def test_what_a_server_sends_arrives_whole_in_order_and_then_ends() -> None:
    sent = bytes(number % 251 for number in range(LENGTH))
    with (
        echo() as (host, port),
        distant(host, port, seconds=0.01) as near,
        socket.create_connection(("127.0.0.1", near), timeout=30) as connection,
    ):
        writer = threading.Thread(
            target=lambda: (connection.sendall(sent), connection.shutdown(socket.SHUT_WR))
        )
        writer.start()
        with connection.makefile("rb") as stream:
            assert stream.read() == sent
        writer.join()
