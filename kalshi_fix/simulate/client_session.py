"""A client's end of a FIX session: numbers, gaps, resends and repeats, as a correct stock engine.

Numbers and sent messages survive its connections. Asked to resend, it sends application messages
again with 43=Y and fills the rest. What arrives is checked as a strict counterparty would: a number
that goes back, or a repeat that says something else than the first time, is a violation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import define, field

from kalshi_fix.adapters.fix_store import content
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.time_text import utc_text
from kalshi_fix.fix.wire import frame, split_frames, unframe
from kalshi_fix.model import NANOS
from kalshi_fix.simulate.engine_session import ADMIN
from kalshi_fix.simulate.errors import Violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from kalshi_fix.simulate.machine import Machine
    from kalshi_fix.simulate.network import Connection

_DEAD_TENTHS: Final = 24
_DULL: Final = frozenset({34, 49, 56, 52, 60, 122, 136, 137, 138, 139, 75, 6, 30, 1, 527, 851})


@define(eq=False)
class ClientSession:
    """One FIX identity. ``deliver`` gets application messages in order, each number once."""

    machine: Machine
    sender: str
    target: str
    keeps_numbers: bool
    deliver: Callable[[FixMessage], None]
    ended: Callable[[], None]
    next_out: int = 1
    next_in: int = 1
    must_reset: bool = True  # at the next Logon: 141=Y
    connection: Connection | None = None
    is_logged_on: bool = False
    wants_replay: bool = False  # with that reset: 20902=Y
    is_logout_open: bool = False  # nobody knows what the last Logout cut off
    resets: int = 0
    interval: int = 5 * NANOS
    sent: dict[int, tuple[FixMessage, str]] = field(factory=dict)
    received: dict[int, str] = field(factory=dict)
    _held: dict[int, FixMessage] = field(factory=dict)
    _buffer: bytes = b""
    _asked_until: int = 0  # a ResendRequest is open for the numbers below
    _sent_at: int = 0
    _received_at: int = 0

    @property
    def is_in_gap(self) -> bool:
        """Whether earlier messages are still to come."""
        return bool(self._held)

    # --- connections

    def logon(self, *flags: tuple[int, str]) -> FixMessage:
        """The Logon of a new connection; 34 and 52 come with it."""
        if not self.keeps_numbers:
            self.must_reset = True
        if self.must_reset:
            self.next_out = self.next_in = 1
            self.sent.clear()
            self.received.clear()
            self.resets += 1
        self._held.clear()
        self._asked_until = 0
        fields = [(98, "0"), (108, str(self.interval // NANOS)), *flags]
        if self.must_reset:
            fields.append((141, "Y"))
            fields += [(20902, "Y")] if self.wants_replay else []
        number, self.next_out = self.next_out, self.next_out + 1
        return FixMessage("A", [(34, str(number)), (52, utc_text(self.machine.now)), *fields])

    def connected(self, connection: Connection) -> None:
        """The Logon is on its way on this connection."""
        self.connection = connection
        self._buffer = b""
        self._sent_at = self._received_at = self.machine.now
        connection.on_data = self._arrived
        connection.on_end = lambda: self._ended(connection)

    def drop(self) -> None:
        """Closes the connection."""
        connection, self.connection = self.connection, None
        self.is_logged_on = False
        if connection is not None:
            connection.close_client_side()
            connection.on_data = lambda _data: None
            connection.on_end = lambda: None
            self.ended()

    def log_out(self) -> None:
        """Asks for the end; whatever comes, the connection is not used any more."""
        self.send(FixMessage("5", []))
        self.is_logged_on = False
        self.is_logout_open = True

    def _ended(self, connection: Connection) -> None:
        if self.connection is connection:
            self.drop()

    def tick(self) -> None:
        """Heartbeats and their absence; once a second."""
        now = self.machine.now
        if self.connection is None:
            return
        if (now - self._received_at) * 10 > self.interval * _DEAD_TENTHS:
            self.drop()
        elif self.is_logged_on and now - self._sent_at >= self.interval:
            self.send(FixMessage("1", [(112, "T")]))

    # --- out

    def send(self, message: FixMessage) -> int:
        """Sends with the next number, or keeps it for a resend if the connection is gone."""
        number, self.next_out = self.next_out, self.next_out + 1
        now = utc_text(self.machine.now)
        if message.msg_type not in ADMIN:
            self.sent[number] = (message, now)
        self._put(message, number, now)
        return number

    def _put(self, message: FixMessage, number: int, sent_at: str) -> None:
        if self.connection is not None:
            self._sent_at = self.machine.now
            data = frame(message, self.sender, self.target, number, sent_at)
            self.connection.to_engine.push(data)
            self._tell("->", message, number)

    def _resend(self, begin: int, end: int) -> None:
        last = self.next_out - 1
        end = last if not end or end > last else end
        now = utc_text(self.machine.now)
        gap = 0
        for number in range(begin, end + 1):
            kept = self.sent.get(number)
            if kept is None:
                gap = gap or number
                continue
            if gap:
                self._fill(gap, number, now)
                gap = 0
            message, first_sent = kept
            body = [part for part in message.fields if part[0] not in {43, 122}]
            again = FixMessage(message.msg_type, [(43, "Y"), (122, first_sent), *body])
            self._put(again, number, now)
        if gap:
            self._fill(gap, end + 1, now)

    def _fill(self, begin: int, until: int, now: str) -> None:
        fields = [(43, "Y"), (122, now), (123, "Y"), (36, str(until))]
        self._put(FixMessage("4", fields), begin, now)

    def _tell(self, arrow: str, message: FixMessage, number: int) -> None:
        if self.machine.tells:
            body = [f"{tag}={value}" for tag, value in message.fields if tag not in _DULL]
            self.machine.note(
                self.sender, f"{arrow} {number} 35={message.msg_type} {'|'.join(body)}"
            )

    # --- in

    def _arrived(self, data: bytes) -> None:
        frames, self._buffer = split_frames(self._buffer + data)
        for part in frames:
            if self.connection is not None:
                self._received_at = self.machine.now
                self._take(unframe(part))

    def _take(self, message: FixMessage) -> None:
        number = int(message.get(34))
        kind = message.msg_type
        self._tell("<-", message, number)
        if kind == "A" and message.get(141) == "Y":
            self.next_in = number
            self.must_reset = self.wants_replay = False
        elif kind == "A":
            self.must_reset = False
        elif kind == "5" and self.must_reset:
            self.drop()  # a refusal of a Logon that would have reset the numbers
            return
        if self.is_logged_on and number == self.next_in and not self._held:
            self.is_logout_open = False  # whatever came before is here
        if number < self.next_in:
            self._take_repeat(message, number)
        elif number > self.next_in:
            self._take_early(message, number)
        else:
            self._process(message, number)
            while (held := self._held.pop(self.next_in, None)) is not None:
                self._process(held, self.next_in)
            for passed in [early for early in self._held if early < self.next_in]:
                del self._held[passed]  # a gap fill said that it is nothing

    def _take_repeat(self, message: FixMessage, number: int) -> None:
        if message.get(43) != "Y":
            raise Violation(
                f"{self.sender}: the server went back to number {number}, expected {self.next_in}"
            )
        first = self.received.get(number)
        if first is not None and message.msg_type != "4" and content(message) != first:
            raise Violation(f"{self.sender}: number {number} says something else when resent")

    def _take_early(self, message: FixMessage, number: int) -> None:
        if message.msg_type == "A":
            self.is_logged_on = True
        if message.msg_type == "5":
            self.drop()
            return
        if message.msg_type == "2":
            self._resend(int(message.get(7)), int(message.get(16)))
            message = FixMessage("0", [])  # dealt with; only its number counts later
        self._held[number] = message
        if self.next_in > self._asked_until:
            self.send(FixMessage("2", [(7, str(self.next_in)), (16, "0")]))
            self._asked_until = number

    def _process(self, message: FixMessage, number: int) -> None:
        kind = message.msg_type
        self.next_in = number + 1
        if kind == "4":
            self.next_in = max(self.next_in, int(message.get(36)))
        elif kind == "A":
            self.is_logged_on = True
        elif kind == "1":
            self.send(FixMessage("0", [(112, message.get(112))]))
        elif kind == "2":
            self._resend(int(message.get(7)), int(message.get(16)))
        elif kind == "5":
            self.is_logout_open = False
            if self.is_logged_on:
                self.send(FixMessage("5", []))
            self.drop()
        elif kind not in ADMIN:
            self.received[number] = content(message)
            self.deliver(message)
