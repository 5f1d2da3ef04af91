"""One blocking connection to Redis or Valkey; the only file that knows hiredis.

A request is sent once. When no answer comes, the exception says whether it may have been carried
out; what that means for the bus is `redis_bus`'s business.
"""

import socket
import ssl
import struct
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import hiredis

from kalshi_fix.adapters.bus import BusDownError, BusError, OutcomeUnknownError
from kalshi_fix.adapters.redis_url import Address, StoreUrl

_RECEIVE_BYTES: Final = 262_144
Argument = str | bytes | int
_pack: Any = hiredis.pack_command  # its stub wants tuples of one element


class ServerError(BusError):
    """An error reply: the server understood and refused. ``code`` is its first word.

    ``carried_out``: requests sent with it, before it, that were answered without an error.
    """

    def __init__(self, reply: Exception, carried_out: int) -> None:
        super().__init__(str(reply))
        self.code = str(reply).partition(" ")[0]
        self.carried_out = carried_out


class Connection:
    """Blocking request and answer over one socket. Any failure closes it for good."""

    def __init__(self, address: Address, url: StoreUrl, connect_ms: int, socket_ms: int) -> None:
        """Connects, authenticates and selects the database.

        Raises:
            BusDownError: the server cannot be reached or refuses.
        """
        self.address = address
        self._reader: Any = hiredis.Reader()
        try:
            self._socket = _open_socket(address, tls=url.tls, connect_ms=connect_ms)
            # kernel timeouts: settimeout() would cost a poll() per call
            seconds, rest = divmod(socket_ms, 1000)
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                timeval = struct.pack("ll", seconds, rest * 1000)
                self._socket.setsockopt(socket.SOL_SOCKET, option, timeval)
        except OSError as error:
            raise BusDownError(f"store {address}: {error.strerror or error}") from error
        try:
            self._introduce(url)
        except BusError as error:
            self.close()
            raise BusDownError(f"store {address}: {error}") from error

    def _introduce(self, url: StoreUrl) -> None:
        if url.password:
            user = (url.username,) if url.username else ()
            self.call("AUTH", *user, url.password)
        if url.database:
            self.call("SELECT", url.database)

    def call(self, *arguments: Argument, writes: bool = False) -> Any:
        """One request, one answer.

        Raises:
            ServerError: the server's error reply; nothing was written unless the command says so.
            BusDownError: no answer, and certainly nothing was written.
            OutcomeUnknownError: no answer, and it may have been written.
        """
        return self.call_many([arguments], writes=writes)[0]

    def call_many(
        self, requests: Sequence[Sequence[Argument]], *, writes: bool = False
    ) -> list[Any]:
        """Several requests in one write; the first error reply is raised after reading all.

        Raises:
            ServerError, BusDownError, OutcomeUnknownError: as `call`.
        """
        data = b"".join([_pack(tuple(request)) for request in requests])
        self._send(data, writes=writes)
        answers = [self._receive(writes=writes) for _ in requests]
        for place, answer in enumerate(answers):
            if isinstance(answer, hiredis.ReplyError):
                raise ServerError(answer, carried_out=place)
        return answers

    def _send(self, data: bytes, *, writes: bool) -> None:
        sent = 0
        try:
            while sent < len(data):
                sent += self._socket.send(data[sent:] if sent else data)
        except OSError as error:
            # with no byte taken by the kernel the server cannot have seen the request
            self._fail(error.strerror or str(error), writes=writes and sent > 0)

    def _receive(self, *, writes: bool) -> Any:
        reader = self._reader
        answer = reader.gets()
        while answer is False:
            try:
                data = self._socket.recv(_RECEIVE_BYTES)
            except BlockingIOError:
                self._fail("no answer in time", writes=writes)
            except OSError as error:
                self._fail(error.strerror or str(error), writes=writes)
            if not data:
                self._fail("connection closed", writes=writes)
            reader.feed(data)
            answer = reader.gets()
        return answer

    def _fail(self, why: str, *, writes: bool) -> NoReturn:
        self.close()
        error = OutcomeUnknownError if writes else BusDownError
        raise error(f"store {self.address}: {why}")

    def wake(self) -> None:
        """From another thread: ends a blocked call."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # already gone, which is what was asked for

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()


def _open_socket(address: Address, *, tls: bool, connect_ms: int) -> socket.socket:
    if address.path:
        plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        plain.settimeout(connect_ms / 1000)
        try:
            plain.connect(address.path)
        except OSError:
            plain.close()
            raise
    else:
        plain = socket.create_connection((address.host, address.port), connect_ms / 1000)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls:
        plain = ssl.create_default_context().wrap_socket(plain, server_hostname=address.host)
    plain.settimeout(None)
    return plain
