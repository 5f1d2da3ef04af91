"""A FIX client on a TCP or TLS connection: `FixSession` with a socket and a clock.

One thread receives; any thread may send. A TLS socket is touched under the lock only: its reading
and its writing share state. Knows the session, not what messages mean.
"""

import select
import socket
import ssl
import threading
import time
from typing import Final, Self

from kalshi_fix.adapters.fix_session import FixSession, Identity, SessionError, State
from kalshi_fix.fix.message import FixMessage

_READ_BYTES: Final = 65_536
_TICK_SECONDS: Final = 0.5


class FixClient:
    """One connection. ``open`` connects and logs on; ``receive`` is for one thread."""

    def __init__(self, connection: socket.socket, session: FixSession) -> None:
        self._socket = connection
        self._session = session
        self._lock = threading.Lock()
        self._early: list[FixMessage] = []  # came together with the Logon's answer

    @classmethod
    def open(
        cls,
        host: str,
        port: int,
        identity: Identity,
        timeout_seconds: float = 5.0,
        tls: ssl.SSLContext | None = None,
    ) -> Self:
        """Connects and logs on.

        Raises:
            OSError: nobody listens there, or not whom the certificate should name.
            SessionError: the Logon was refused (with the reason) or not answered in time.
        """
        connection = socket.create_connection((host, port), timeout_seconds)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if tls is not None:
                connection = tls.wrap_socket(connection, server_hostname=host)
            client = cls(connection, FixSession(identity))
            client._log_on(timeout_seconds)
        except BaseException:
            connection.close()
            raise
        return client

    def _log_on(self, timeout_seconds: float) -> None:
        with self._lock:
            self._session.logon(time.time_ns())
            self._flush()
        deadline = time.monotonic() + timeout_seconds
        while self._session.state is State.LOGGING_ON:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise SessionError("the Logon was not answered")
            self._early += self.receive(remaining)
        if self._session.state is not State.ACTIVE:
            text = self._session.end_text or "no reason given"
            raise SessionError(f"the Logon was refused: {text}")

    @property
    def is_active(self) -> bool:
        """Logged on."""
        return self._session.state is State.ACTIVE

    @property
    def is_closed(self) -> bool:
        """The session is over."""
        return self._session.state is State.CLOSED

    @property
    def end_text(self) -> str:
        """Text of the Logout that ended the session, "" if there was none."""
        return self._session.end_text

    def send(self, message: FixMessage) -> int:
        """Sends an application message; returns its MsgSeqNum.

        Raises:
            SessionError: not logged on.
            OSError: the connection is gone.
        """
        with self._lock:
            sequence = self._session.send(message, time.time_ns())
            self._flush()
            return sequence

    def receive(self, timeout_seconds: float) -> list[FixMessage]:
        """Messages that are there, or arrive within the time; also keeps heartbeats going.

        Raises:
            SessionError: the session cannot go on, or the other side closed the connection.
        """
        if self._early:
            early, self._early = self._early, []
            return early
        deadline = time.monotonic() + timeout_seconds
        while True:
            remaining = max(0.0, deadline - time.monotonic())
            data = self._read(min(remaining, _TICK_SECONDS))
            with self._lock:
                at = time.time_ns()
                found = self._session.receive(data, at) if data else []
                self._session.tick(at)
                self._flush()
            if found or remaining == 0 or self._session.state is State.CLOSED:
                return found

    def _read(self, timeout_seconds: float) -> bytes:
        try:
            if not self._is_buffered():
                readable, _, _ = select.select([self._socket], [], [], timeout_seconds)
                if not readable:
                    return b""
            data = self._take()
        except (BlockingIOError, ssl.SSLWantReadError):
            return b""  # a part of a TLS record, or none for us
        except (OSError, ValueError) as error:  # ValueError: closed by another thread
            raise SessionError(f"the connection broke: {error}") from error
        return data or self._closed()

    def _is_buffered(self) -> bool:
        """Whether TLS has read more from the socket than it gave away."""
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def _take(self) -> bytes:
        """What is there, without waiting."""
        with self._lock:
            timeout = self._socket.gettimeout()
            self._socket.setblocking(False)
            try:
                return self._socket.recv(_READ_BYTES)
            finally:
                self._socket.settimeout(timeout)

    def _closed(self) -> bytes:
        """The other side closed the connection: as agreed, or not."""
        before = self._session.state
        self._session.state = State.CLOSED
        if before in {State.LOGGING_OUT, State.CLOSED}:
            return b""
        raise SessionError("the connection was closed without a Logout")

    def _flush(self) -> None:
        data = self._session.take_out()
        if data:
            self._socket.sendall(data)

    def log_out(self) -> None:
        """Asks for the end; go on receiving until `is_closed`."""
        with self._lock:
            self._session.logout(time.time_ns())
            self._flush()

    def wait_closed(self, timeout_seconds: float) -> list[FixMessage]:
        """Receives until the session is closed or the time is over; what came meanwhile."""
        found: list[FixMessage] = []
        deadline = time.monotonic() + timeout_seconds
        while not self.is_closed and (remaining := deadline - time.monotonic()) > 0:
            found += self.receive(remaining)
        return found

    def close(self) -> None:
        """Closes the connection, whatever the session's state."""
        self._socket.close()
