"""A client's FIX session on a socket that may break at any time; its numbers survive that.

What a correct client does, and nothing more: asks for what it misses, sends again what is asked
for (43=Y), keeps everything it has sent. One thread; knows no order.
"""

import contextlib
import select
import socket
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.wire import frame, split_frames, unframe

Field = tuple[int, str]
RECEIVE_BYTES: Final = 262_144
FRAME_BYTES_MAX: Final = 1_048_576
HEARTBEAT_SECONDS: Final = 5
SILENCE_SECONDS: Final = 8.0  # then the connection counts as dead
LOGON_SECONDS: Final = 6.0
SENT_KEPT: Final = 5_000


def utc_now() -> str:
    """A UTCTimestamp of now."""
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:21]


class SessionFaultError(Exception):
    """The venue broke the session's rules."""


class TortureSession:
    """One identity. ``poll`` returns what arrived for the application, in order, once."""

    def __init__(self, port: int, sender: str, target: str) -> None:
        self.sender, self.target = sender, target
        self._address = ("127.0.0.1", port)
        self._next_out = self._next_in = 1
        self._sent: dict[int, tuple[str, str, Sequence[Field]]] = {}
        self._socket: socket.socket | None = None
        self._buffer = b""
        self._asked = 0  # the ResendRequest under way began here
        self._is_fresh = True
        self.is_logged_on = False
        self._received_at = self._sent_at = 0.0
        self.logons = self.resent = 0
        self.last_refusal = ""

    # --- connection

    def connect(self) -> None:
        """Connects and sends a Logon; `poll` sees the answer. Numbers start at 1 only once."""
        self.drop()
        try:
            self._socket = socket.create_connection(self._address, 2)
        except OSError:
            return
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(2)
        self._received_at = time.monotonic()
        reset = [(141, "Y")] if self._is_fresh else []
        if self._is_fresh:
            self._next_out = self._next_in = 1
            self._sent = {}
        self._send("A", [(98, "0"), (108, str(HEARTBEAT_SECONDS)), *reset])

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection, logged on or not."""
        return self._socket is not None

    def drop(self) -> None:
        """Breaks the connection."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._buffer = b""
        self._asked = 0
        self.is_logged_on = False

    def send(self, msg_type: str, fields: Sequence[Field]) -> int:
        """Sends an application message; a broken connection sends it again after the Logon.

        Returns its number.
        """
        return self._send(msg_type, fields)

    def _send(self, msg_type: str, fields: Sequence[Field]) -> int:
        number = self._next_out
        self._next_out += 1
        at = utc_now()
        if msg_type not in "A0125":
            self._sent[number] = (msg_type, at, fields)
            self._sent.pop(number - SENT_KEPT, None)
        self._write(frame(FixMessage(msg_type, fields), self.sender, self.target, number, at))
        return number

    def _write(self, data: bytes) -> None:
        if self._socket is None:
            return
        self._sent_at = time.monotonic()
        try:
            self._socket.sendall(data)
        except OSError:
            self.drop()

    # --- what comes

    def poll(self, seconds: float) -> list[FixMessage]:
        """Waits a little; returns the application messages there are, and 3.

        Raises:
            SessionFaultError: numbers went backwards, or a Logout says that they are wrong.
        """
        found: list[FixMessage] = []
        if self._socket is None:
            return found
        readable, _, _ = select.select([self._socket], [], [], seconds)
        now = time.monotonic()
        if readable:
            self._read(found, now)
        elif now - self._received_at > (SILENCE_SECONDS if self.is_logged_on else LOGON_SECONDS):
            self.drop()
        if self.is_logged_on and now - self._sent_at > HEARTBEAT_SECONDS / 2:
            self._send("0", [])
        return found

    def _read(self, found: list[FixMessage], now: float) -> None:
        assert self._socket is not None
        data = b""
        with contextlib.suppress(OSError):
            data = self._socket.recv(RECEIVE_BYTES)
        if not data:
            self.drop()
            return
        self._received_at = now
        frames, self._buffer = split_frames(self._buffer + data, FRAME_BYTES_MAX)
        for each in frames:
            if self.is_connected:
                self._take(unframe(each), found)

    def _take(self, message: FixMessage, found: list[FixMessage]) -> None:
        kind, number = message.msg_type, int(message.get(34))
        if kind == "4" and message.get(123) != "Y":
            raise SessionFaultError(f"{self.sender}: a reset by {message}")
        if number > self._next_in:
            self._gap(message)
            return
        if number < self._next_in:
            if message.get(43) != "Y" and kind != "5":
                raise SessionFaultError(f"{self.sender}: {number} again, {self._next_in} is next")
            if kind == "5":
                self._logged_out(message)
            return
        self._next_in += 1
        self._in_order(message, found)

    def _in_order(self, message: FixMessage, found: list[FixMessage]) -> None:
        kind = message.msg_type
        if self._asked and message.get(43) != "Y":
            self._asked = 0
        if kind == "4":
            self._next_in = int(message.get(36))
        elif kind == "A":
            self._logged_on()
        elif kind == "5":
            self._logged_out(message)
        elif kind == "2":
            self._resend(int(message.get(7)))
        elif kind == "1":
            self._send("0", [(112, message.get(112))])
        elif kind != "0":
            found.append(message)

    def _gap(self, message: FixMessage) -> None:
        """Numbers are missing: ask for them once; what came is sent again as well."""
        if message.msg_type == "A":
            self._logged_on()
        elif message.msg_type == "2":
            self._resend(int(message.get(7)))
        elif message.msg_type == "5":
            self._logged_out(message)
            return
        if self._asked != self._next_in:
            self._asked = self._next_in
            self._send("2", [(7, str(self._next_in)), (16, "0")])

    def _logged_on(self) -> None:
        self.is_logged_on = True
        self._is_fresh = False
        self.logons += 1

    def _logged_out(self, message: FixMessage) -> None:
        self.last_refusal = message.get(58)
        if "MsgSeqNum too low" in self.last_refusal or "MsgSeqNum gap" in self.last_refusal:
            raise SessionFaultError(f"{self.sender}: {self.last_refusal}")
        self.drop()

    def _resend(self, begin: int) -> None:
        """Application messages again, gap fills for the rest."""
        until, number = self._next_out, begin
        while number < until:
            kept = self._sent.get(number)
            following = number + 1
            if kept is None:
                while following < until and following not in self._sent:
                    following += 1
                fields: Sequence[Field] = [
                    (43, "Y"), (122, utc_now()), (123, "Y"), (36, str(following))
                ]  # fmt: skip
                kind = "4"
            else:
                kind, at, body = kept
                fields = [(43, "Y"), (122, at), *body]
                self.resent += 1
            again = FixMessage(kind, fields)
            self._write(frame(again, self.sender, self.target, number, utc_now()))
            number = following
