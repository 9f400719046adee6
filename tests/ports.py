"""Ports for the servers of tests.

Below those that the kernel gives to who asks for any (32,768 and above on Linux): one of those is
anybody's between being found free and being listened on, and each connection takes one.
"""

import random
import socket

_FIRST, _LAST, _TRIES = 20_000, 32_768, 1_000
_given: set[int] = set()

# Hypothesis gives all workers the same numbers at random.
_random = random.SystemRandom()


def free_ports(count: int) -> range:
    """Returns successive ports that nobody listens on, and that this process has not been given.

    Raises:
        RuntimeError: there are none.
    """
    for _ in range(_TRIES):
        first = _random.randrange(_FIRST, _LAST - count)
        ports = range(first, first + count)
        if _given.isdisjoint(ports) and all(map(_is_free, ports)):
            _given.update(ports)
            return ports
    raise RuntimeError(f"no {count} free ports between {_FIRST} and {_LAST}")


def free_port() -> int:
    """Returns one; see `free_ports`."""
    return free_ports(1)[0]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
