"""Ports that nobody listens on, for tests and tools.

All lie below the range out of which the kernel gives ports to connections: a port that it has
given and taken back may belong to a stranger's connection before a server binds it. Every search
begins at a random place, so that two runs on one machine do not meet.
"""

import atexit
import secrets
import socket
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import cycle, islice
from typing import Final

_BLOCKS: Final = range(29_500, 32_700, 100)
_OFFSETS: Final = range(2_000, 20_000, 100)
"""Port 9399, the highest of a system, stays below the blocks at the highest offset."""


def free_port() -> int:
    """A port on loopback on which a server can listen."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """So many different ports, out of a block that no other process asks for."""
    return list(islice(filter(_is_free, _own_ports()), count))


def free_offset(ports: Iterable[int]) -> int:
    """A number that added to each of ``ports`` gives ports on which a server can listen."""
    wanted = tuple(ports)
    for offset in _from_anywhere(_OFFSETS):
        if all(_is_free(port + offset) for port in wanted):
            return offset
    raise AssertionError("no free range of ports")


@cache
def _own_ports() -> Iterator[int]:
    """The ports of this process's block in turn; its first is listened on and so guards it."""
    for block in _from_anywhere(_BLOCKS):
        try:
            guard = socket.create_server(("127.0.0.1", block))
        except OSError:
            continue
        atexit.register(guard.close)
        return cycle(range(block + 1, block + 100))
    raise AssertionError("no free block of ports")


def _from_anywhere(numbers: Sequence[int]) -> list[int]:
    begin = secrets.randbelow(len(numbers))
    return [*numbers[begin:], *numbers[:begin]]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
