"""One session of the simulated engine: the real engine's rules for numbers, gaps and resends.

Follows QuickFIX 1.16 step by step where it matters to what is lost or doubled: a message is stored
before it is sent, an incoming number is stored after the application had the message, a refused
Logon uses an outgoing number and no incoming one, a repeat below the expected number is dropped.
No dictionary here: what clients of a simulation send is well formed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import define, field

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.time_text import utc_text
from kalshi_fix.fix.wire import SOH, decode, frame
from kalshi_fix.model import NANOS
from kalshi_fix.simulate.engine_store import EngineStore
from kalshi_fix.simulate.machine import RLock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kalshi_fix.adapters.engine import EngineEvents, EngineSession
    from kalshi_fix.simulate.machine import Machine
    from kalshi_fix.simulate.network import Connection

ADMIN: Final = frozenset({"0", "1", "2", "3", "4", "5", "A"})
_SENT_UNLOGGED: Final = frozenset({"A", "5", "2", "4"})
_HEADER: Final = frozenset({34, 43, 49, 52, 56, 122})
_LOGOUT_NANOS: Final = 2 * NANOS
_TEST_TENTHS: Final = 12  # of the interval: a TestRequest
_DEAD_TENTHS: Final = 24  # of the interval: the end


@define(eq=False)
class SimulatedSession:
    """See the module. Public methods are those of the engine's Session."""

    machine: Machine
    settings: EngineSession
    events: EngineEvents
    store: EngineStore
    mutex: RLock
    connection: Connection | None = None
    owner: Connection | None = None  # whose task serves the session, until that task ends
    is_enabled: bool = True
    logout_text: str = ""
    _received_logon: bool = False
    _sent_logon: bool = False
    _sent_logout_at: int = 0
    _held: dict[int, FixMessage] = field(factory=dict)
    _asked: tuple[int, int] = (0, 0)  # by the ResendRequest that is open
    _interval: int = 30 * NANOS
    _received_at: int = 0
    _sent_at: int = 0
    _tests: int = 0

    @classmethod
    def load(
        cls, machine: Machine, settings: EngineSession, directory: Path, events: EngineEvents
    ) -> SimulatedSession:
        """From its files."""
        store = EngineStore.load(directory, settings.store_name)
        return cls(machine, settings, events, store, RLock(machine))

    @staticmethod
    def named_by(
        data: bytes, sessions: Mapping[tuple[str, str], SimulatedSession]
    ) -> SimulatedSession | None:
        """Whose first message this is."""
        message = decode(data.decode("latin-1"))
        found = sessions.get((message.get(56), message.get(49)))
        return found if message.msg_type == "A" else None

    @property
    def is_logged_on(self) -> bool:
        """Both Logons were exchanged."""
        return self._received_logon and self._sent_logon

    def connect(self, connection: Connection) -> None:
        """A connection was accepted for this session."""
        self.connection = connection
        self._received_at = self._sent_at = self.machine.now

    def disconnect(self, connection: Connection | None = None) -> None:
        """Ends the connection (the one named, if it still is the session's)."""
        with self.mutex:
            if connection is not None and self.connection not in {connection, None}:
                return
            mine, self.connection = self.connection, None
            if mine is not None:
                mine.close_engine_side()
            if self._received_logon or self._sent_logon:
                self._received_logon = self._sent_logon = False
                self.is_enabled = True
                self.events.on_logout(self.settings.name)
            self._sent_logout_at = 0
            self._held.clear()
            self._asked = (0, 0)

    def log_out(self, text: str) -> None:
        """A Logout at the next turn."""
        self.is_enabled = False
        self.logout_text = text

    # --- out

    def send(self, message: FixMessage) -> None:
        """Numbers, stores, sends if there is anybody."""
        with self.mutex:
            number = self.store.outgoing
            data = self._framed(message, number)
            if self.settings.keeps_sequence:
                self.store.keep(number, data.decode("latin-1"))
            self.machine.breathe()  # a crash here leaves a message stored and not counted
            self.store.count_sent()
            self.machine.breathe()
            if message.msg_type in _SENT_UNLOGGED or self.is_logged_on:
                self._put(data)

    def _admin(self, msg_type: str, *fields: tuple[int, str]) -> None:
        """An administrative message of the engine's own."""
        if msg_type == "2" and not self.settings.keeps_sequence:
            msg_type, fields = "0", ()  # as the acceptor does: no history, no question
            self.log_out("MsgSeqNum gap")
        with self.mutex:
            self.events.on_admin_sent(self.settings.name, msg_type)
            self.send(FixMessage(msg_type, [part for part in fields if part[1]]))

    def _framed(self, message: FixMessage, number: int) -> bytes:
        settings = self.settings
        now = utc_text(self.machine.now + self.machine.process.skew)
        return frame(message, settings.sender_comp_id, settings.target_comp_id, number, now)

    def _put(self, data: bytes) -> None:
        if self.connection is not None:
            self._sent_at = self.machine.now
            self.connection.to_client.put(data)

    # --- time

    def turn(self) -> None:
        """Heartbeats, their absence, Logouts that are due; after every message and second."""
        now = self.machine.now
        if not self.is_logged_on:
            return
        if not self.is_enabled and not self._sent_logout_at:
            self._log_out(self.logout_text)
        if self._sent_logout_at and now - self._sent_logout_at > _LOGOUT_NANOS:
            self.disconnect()
            return
        silent = (now - self._received_at) * 10
        if silent > self._interval * _DEAD_TENTHS:
            self.disconnect()
        elif silent > self._interval * _TEST_TENTHS * (self._tests + 1):
            self._tests += 1
            self._admin("1", (112, "TEST"))
        elif now - self._sent_at >= self._interval:
            self._admin("0")

    def _log_out(self, text: str) -> None:
        self._sent_logout_at = self.machine.now
        self._admin("5", (58, text))

    # --- in

    def next(self, text: str) -> None:
        """One message of the client."""
        message = decode(text)
        self._take(message, text)
        while (held := self._held.pop(self.store.incoming, None)) is not None:
            if held.msg_type in {"A", "2"}:
                self.store.expect(self.store.incoming + 1)
            else:
                self._take(held, self._text_of(held))
        self.turn()

    def _text_of(self, message: FixMessage) -> str:
        head = f"8=FIX.4.4{SOH}9=0{SOH}35={message.msg_type}{SOH}"
        return head + "".join(f"{t}={v}{SOH}" for t, v in message.fields) + f"10=000{SOH}"

    def _take(self, message: FixMessage, text: str) -> None:
        kind = message.msg_type
        number = int(message.get(34))
        if kind == "A":
            self._take_logon(message, number)
        elif kind == "2":
            self._take_resend_request(message, number)
        elif kind == "5":
            self._take_logout(message, number)
        elif kind == "4":
            is_fill = message.get(123) == "Y"
            if self._verify(message, number, too_high=is_fill, too_low=is_fill):
                self.store.expect(max(self.store.incoming, int(message.get(36))))
        elif self._verify(message, number):
            if kind not in ADMIN:
                self.machine.breathe()
                self.events.on_application(self.settings.name, text)
                self.machine.breathe()  # a crash here: the application had it, the number stays
            elif kind == "1":
                self._admin("0", (112, message.get(112)))
            self.store.expect(self.store.incoming + 1)

    def _take_logout(self, message: FixMessage, number: int) -> None:
        if self._verify(message, number, too_high=False, too_low=False):
            if not self._sent_logout_at:
                self._log_out("")
            if number == self.store.incoming:  # as the acceptor sees to it
                self.store.expect(number + 1)
            self.disconnect()

    def _verify(
        self, message: FixMessage, number: int, *, too_high: bool = True, too_low: bool = True
    ) -> bool:
        expected = self.store.incoming
        if not self._received_logon and message.msg_type != "A":
            self.disconnect()
            return False
        if too_high and number > expected:
            self._hold(message, number)
            return False
        if too_low and number < expected:
            if message.get(43) != "Y":
                self._log_out(f"MsgSeqNum too low, expecting {expected} but received {number}")
                self.disconnect()
            return False
        if (too_high or too_low) and self._asked != (0, 0) and number >= self._asked[1]:
            self._asked = (0, 0)
        self._received_at = self.machine.now
        self._tests = 0
        if message.msg_type in ADMIN - {"A"}:
            text = self.events.on_admin(self.settings.name, message)
            if text:
                self._log_out(text)
                self.disconnect()
                return False
        return True

    def _hold(self, message: FixMessage, number: int) -> None:
        self._held[number] = message
        if self._asked != (0, 0) and number >= self._asked[0]:
            return
        expected = self.store.incoming
        self._asked = (expected, number - 1)
        self._admin("2", (7, str(expected)), (16, "0"))

    def _take_logon(self, message: FixMessage, number: int) -> None:
        is_reset = message.get(141) == "Y"
        if not self.is_enabled:
            self.disconnect()
            return
        if is_reset:
            self.store.reset()
        if not self._verify(message, number, too_high=False):
            return
        refusal = self.events.logon_refusal(self.settings.name, message)
        if refusal:
            self._log_out(refusal)
            self.disconnect()
            return
        self._received_logon = True
        self._interval = int(message.get(108)) * NANOS
        reset = ((141, "Y"),) if is_reset else ()
        self._admin("A", (98, "0"), (108, message.get(108)), *reset)
        self._sent_logon = True
        if number > self.store.incoming and not is_reset:
            self._hold(message, number)
        else:
            self.store.expect(self.store.incoming + 1)
        if self.is_logged_on:
            self.events.on_logon(self.settings.name)

    def _take_resend_request(self, message: FixMessage, number: int) -> None:
        if not self._verify(message, number, too_high=False, too_low=False):
            return
        with self.mutex:
            begin, end = int(message.get(7)), int(message.get(16))
            last = self.store.outgoing - 1
            end = last if not end or end > last else end
            self._resend(begin, end)
        if number == self.store.incoming:
            self.store.expect(number + 1)

    def _resend(self, begin: int, end: int) -> None:
        """Application messages again, administrative ones as gaps."""
        gap = 0
        for number in range(begin, end + 1):
            text = self.store.sent.get(number)
            message = decode(text) if text else None
            if message is None or message.msg_type in ADMIN:
                gap = gap or number
                continue
            if gap:
                self._fill(gap, number)
                gap = 0
            fields = [(43, "Y"), (122, message.get(52))]
            fields += [part for part in message.fields if part[0] not in _HEADER]
            self._put(self._framed(FixMessage(message.msg_type, fields), number))
        if gap:
            self._fill(gap, end + 1)

    def _fill(self, begin: int, until: int) -> None:
        self.events.on_admin_sent(self.settings.name, "4")
        now = utc_text(self.machine.now + self.machine.process.skew)
        fields = [(43, "Y"), (122, now), (123, "Y"), (36, str(until))]
        self._put(self._framed(FixMessage("4", fields), begin))
