"""The client end of a FIX 4.4 session, without a socket: bytes in, messages out, bytes to send.

The rule: everything that decides about sequence numbers, heartbeats and gaps lives here, and time
is an argument (ns UTC). Asked to resend, it fills the gap: an order is never sent a second time by
itself. It must not know what an application message means.
"""

from enum import Enum, auto
from typing import Final

from attrs import define, field, frozen

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.time_text import utc_text
from kalshi_fix.fix.wire import WireError, frame, split_frames, unframe
from kalshi_fix.model import NANOS

FRAME_BYTES_MAX: Final = 1_048_576
HELD_MAX: Final = 10_000  # messages kept while a gap is filled


class SessionError(Exception):
    """The session cannot go on; the message says why."""


@frozen(kw_only=True)
class Identity:
    """Who logs on, and how. ``logon_fields`` are further fields of the Logon, such as 8013=Y."""

    sender_comp_id: str
    target_comp_id: str
    username: str = ""
    password: str = field(default="", repr=False)
    heartbeat_seconds: int = 30
    reset: bool = True
    logon_fields: tuple[tuple[int, str], ...] = ()


class State(Enum):
    """Where the session stands."""

    NEW = auto()
    LOGGING_ON = auto()
    ACTIVE = auto()
    LOGGING_OUT = auto()
    CLOSED = auto()


@define(slots=True)
class FixSession:
    """One connection's session. Feed it `receive` and `tick`; send what `take_out` returns."""

    identity: Identity
    next_out: int = 1
    next_in: int = 1
    state: State = field(default=State.NEW, init=False)
    end_text: str = field(default="", init=False)  # of the Logout that ended it
    _buffer: bytes = field(default=b"", init=False)
    _out: bytearray = field(factory=bytearray, init=False)
    _sent_at: int = field(default=0, init=False)
    _received_at: int = field(default=0, init=False)
    _tested_at: int = field(default=0, init=False)  # a TestRequest is unanswered since
    _held: dict[int, FixMessage] = field(factory=dict, init=False)

    # --- what the user of the session does

    def logon(self, at: int) -> None:
        """Starts the session."""
        identity = self.identity
        if identity.reset:
            self.next_out = self.next_in = 1
        fields = [(98, "0"), (108, str(identity.heartbeat_seconds))]
        if identity.reset:
            fields.append((141, "Y"))
        if identity.username:
            fields += [(553, identity.username), (554, identity.password)]
        self.state = State.LOGGING_ON
        self._received_at = at
        self._send(FixMessage("A", [*fields, *identity.logon_fields]), at)

    def send(self, message: FixMessage, at: int) -> int:
        """Sends an application message; returns its MsgSeqNum.

        Raises:
            SessionError: not logged on.
        """
        if self.state is not State.ACTIVE:
            raise SessionError("not logged on")
        return self._send(message, at)

    def logout(self, at: int, text: str = "") -> None:
        """Asks for the end; the session is closed when the other side agrees."""
        if self.state is State.ACTIVE:
            self.state = State.LOGGING_OUT
            self._send(FixMessage("5", [(58, text)] if text else []), at)

    def take_out(self) -> bytes:
        """Bytes to send, once."""
        data = bytes(self._out)
        self._out.clear()
        return data

    # --- what happens to it

    def receive(self, data: bytes, at: int) -> list[FixMessage]:
        """Takes bytes; returns application messages, and A, 3 and 5, in order.

        Raises:
            SessionError: what arrived is not FIX, or numbers went backwards.
        """
        try:
            frames, self._buffer = split_frames(self._buffer + data, FRAME_BYTES_MAX)
            messages = [unframe(part) for part in frames]
        except WireError as error:
            self.state = State.CLOSED
            raise SessionError(f"not FIX: {error}") from error
        found: list[FixMessage] = []
        for message in messages:
            self._received_at, self._tested_at = at, 0
            self._take(message, at, found)
        return found

    def tick(self, at: int) -> None:
        """Heartbeats and their absence; call it about once a second.

        Raises:
            SessionError: the other side is silent.
        """
        if self.state not in {State.ACTIVE, State.LOGGING_OUT}:
            return
        interval = self.identity.heartbeat_seconds * NANOS
        if self._tested_at and at - self._tested_at > interval:
            self.state = State.CLOSED
            raise SessionError("no heartbeat")
        if not self._tested_at and at - self._received_at > interval * 3 // 2:
            self._tested_at = at
            self._send(FixMessage("1", [(112, str(at // NANOS))]), at)
        if at - self._sent_at >= interval:
            self._send(FixMessage("0", []), at)

    # --- inside

    def _send(self, message: FixMessage, at: int) -> int:
        sequence = self.next_out
        self._put(message, sequence, at)
        self.next_out += 1
        return sequence

    def _put(self, message: FixMessage, sequence: int, at: int) -> None:
        identity = self.identity
        sender, target = identity.sender_comp_id, identity.target_comp_id
        self._out += frame(message, sender, target, sequence, utc_text(at))
        self._sent_at = at

    def _take(self, message: FixMessage, at: int, found: list[FixMessage]) -> None:
        sequence = _number(message, 34)
        if message.msg_type == "4" and message.get(123) != "Y":
            self.next_in = _number(message, 36)  # a reset holds whatever its own number
            return
        if message.msg_type == "A" and message.get(141) == "Y":
            self.next_in = sequence
        if sequence < self.next_in:
            if message.msg_type == "5" and self.state is State.LOGGING_ON:
                self._end(message, at, found)  # a refusal without our numbers
            elif message.get(43) != "Y":
                self.state = State.CLOSED
                raise SessionError(f"MsgSeqNum {sequence}, expected {self.next_in}")
            return
        if sequence > self.next_in:
            self._gap(message, sequence, at, found)
            return
        self._process(message, at, found)
        while (held := self._held.pop(self.next_in, None)) is not None:
            self._process(held, at, found)

    def _gap(self, message: FixMessage, sequence: int, at: int, found: list[FixMessage]) -> None:
        """Keeps the message and asks for what is missing; Logon and Logout count at once."""
        if message.msg_type == "5":
            self._end(message, at, found)
            return
        if message.msg_type == "A":
            self.state = State.ACTIVE
        if len(self._held) >= HELD_MAX:
            self.state = State.CLOSED
            raise SessionError(f"more than {HELD_MAX} messages after a gap")
        if not self._held:
            self._send(FixMessage("2", [(7, str(self.next_in)), (16, "0")]), at)
        self._held[sequence] = message

    def _process(self, message: FixMessage, at: int, found: list[FixMessage]) -> None:
        self.next_in += 1
        kind = message.msg_type
        if kind == "4":  # a gap fill: everything up to NewSeqNo is admin, or gone
            self.next_in = max(self.next_in, _number(message, 36))
        elif kind == "1":
            self._send(FixMessage("0", [(112, message.get(112))]), at)
        elif kind == "2":
            self._fill_gap(_number(message, 7), at)
        elif kind == "5":
            self._end(message, at, found)
        elif kind != "0":
            if kind == "A":
                self.state = State.ACTIVE
            found.append(message)

    def _fill_gap(self, begin: int, at: int) -> None:
        fill = [(43, "Y"), (122, utc_text(at)), (123, "Y"), (36, str(self.next_out))]
        self._put(FixMessage("4", fill), begin, at)

    def _end(self, message: FixMessage, at: int, found: list[FixMessage]) -> None:
        if self.state is State.ACTIVE:
            self._send(FixMessage("5", []), at)
        self.state = State.CLOSED
        self.end_text = message.get(58)
        found.append(message)


def _number(message: FixMessage, tag: int) -> int:
    text = message.get(tag)
    if not text.isascii() or not text.isdigit():
        raise SessionError(f"{message.msg_type} without a number in tag {tag}")
    return int(text)
