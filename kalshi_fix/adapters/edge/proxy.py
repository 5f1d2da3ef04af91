"""PROXY protocol version 2: who is behind a load balancer, in a header before the first byte.

Reads exactly the header and not a byte more, so that TLS may begin right behind it. A sender that
may speak for others is a matter of the configuration, not of this module.
"""

import asyncio
import socket
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED_BYTES: Final = 16
_REST_BYTES_MAX: Final = 1_024
_VERSION: Final = 0x20
_LOCAL: Final = 0
_PROXIED: Final = 1
_TCP4: Final = 0x11
_TCP6: Final = 0x21


class ProxyError(ValueError):
    """The first bytes are no PROXY header of version 2."""


async def read_source(connection: socket.socket) -> str:
    """The address a proxy speaks for; "" where it speaks for itself, as in its health checks.

    Raises:
        ProxyError: no such header.
        OSError: the connection broke.
    """
    length, command, family = parse_fixed(await _exactly(connection, _FIXED_BYTES))
    rest = await _exactly(connection, length)
    return parse_source(command, family, rest)


def parse_fixed(head: bytes) -> tuple[int, int, int]:
    """Bytes that follow, command and address family of the header's fixed part.

    Raises:
        ProxyError: it is not one.
    """
    signature, command, family, length = struct.unpack("!12sBBH", head)
    if signature != SIGNATURE or command & 0xF0 != _VERSION:
        raise ProxyError("no PROXY header of version 2")
    if length > _REST_BYTES_MAX or command & 0x0F not in (_LOCAL, _PROXIED):
        raise ProxyError("a PROXY header that no proxy sends")
    return length, command & 0x0F, family


def parse_source(command: int, family: int, rest: bytes) -> str:
    """The source address in the header's second part; "" where there is none.

    Raises:
        ProxyError: it is shorter than its family needs.
    """
    needed = {_TCP4: 12, _TCP6: 36}.get(family)
    if command == _LOCAL or needed is None:
        return ""
    if len(rest) < needed:
        raise ProxyError("a PROXY header that is too short")
    return str(IPv4Address(rest[:4]) if family == _TCP4 else IPv6Address(rest[:16]))


async def _exactly(connection: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    received = b""
    while len(received) < count:
        part = await loop.sock_recv(connection, count - len(received))
        if not part:
            raise ProxyError("closed inside the PROXY header")
        received += part
    return received
