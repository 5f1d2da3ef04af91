"""The engine's questions answered: who may log on, what a Logon and a Logout set off.

Only the edge may bring a Logon; it has decided already. Nothing here waits for the exchange.
"""

import hmac
import time
from collections.abc import Callable, Mapping
from typing import Final

from attrs import define

from kalshi_fix.adapters.audit.recorder import UNRECORDED, Recorder
from kalshi_fix.adapters.audit.records import Kind
from kalshi_fix.adapters.control import CONNECTION_TAG, SECRET_TAG, VERDICT_TAG
from kalshi_fix.adapters.engine_numbers import Arrivals
from kalshi_fix.adapters.logs import Log
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.session_rules import SessionFault, is_gap_fill, resend_count
from kalshi_fix.model import Reason
from kalshi_fix.processes.gateway_guard import SessionGuard
from kalshi_fix.processes.gateway_intake import Intake
from kalshi_fix.processes.gateway_link import Link
from kalshi_fix.processes.gateway_metrics import GatewayMetrics

_REFUSED: Final = "Logon refused"
# what is asked for later after a Logon was not missed before it
_GAP_SECONDS: Final = 10.0


@define(slots=True, eq=False, kw_only=True)
class Shell:
    """`EngineEvents` of a lane."""

    links: Mapping[str, Link]
    intake: Intake
    guard: SessionGuard
    secret: str
    lost: Callable[[Link, str], None]
    arrived: Callable[[Link | None, str], None]  # a Logon, whose session if it may go on
    arrivals: Arrivals
    metrics: GatewayMetrics
    log: Log
    audit: Recorder = UNRECORDED

    # --- Logon and Logout

    def logon_refusal(self, session: str, logon: FixMessage) -> str:
        """Only the edge may bring a Logon; it has decided, the engine only says so."""
        self.metrics.messages.add(("in", "A"))
        if not self._is_of_edge(logon):
            self.metrics.logons("bad_secret").inc()
            self.log.error("logon_without_secret", session=session)
            return _REFUSED
        verdict = logon.get(VERDICT_TAG)
        if verdict:
            self.metrics.logons("refused").inc()
            self.arrived(None, logon.get(CONNECTION_TAG))
            return verdict
        if not self.links[session].outbox.claim(logon.get(CONNECTION_TAG), time.monotonic()):
            self.metrics.logons("too_late").inc()
            return Reason.EXCHANGE_UNAVAILABLE
        self.arrived(self.links[session], logon.get(CONNECTION_TAG))
        self.links[session].logged_on(int(logon.get(34)))
        self.metrics.logons("ok").inc()
        if logon.get(141) == "Y" and self.links[session].engine.keeps_sequence:
            self.metrics.resets("in").inc()
        return ""

    def _is_of_edge(self, message: FixMessage) -> bool:
        return hmac.compare_digest(message.get(SECRET_TAG).encode(), self.secret.encode())

    def on_logon(self, session: str) -> None:
        """Reports may go out."""
        link = self.links[session]
        link.is_asked = link.ends_itself = False
        link.outbox.open()
        link.logged_on_at, link.heard_at = time.monotonic(), time.time()
        self.log.info("session_up", session=session, connection=link.outbox.connection)
        facts = {"epochs": list(link.progress.epochs)}
        self.audit.record(Kind.CONNECTED, session, link.outbox.connection, facts)

    def on_logout(self, session: str) -> None:
        """The core must know; the engine's lock is held, so nothing here waits."""
        link = self.links[session]
        # otherwise it found the client gone; a client that does not answer is left by the engine
        looks_again = link.ends_itself or link.is_asked
        was_ours = link.outbox.close(engine_looks_again=looks_again)
        self.arrivals.gone(session)
        if was_ours:
            if link.said_logout and link.replays is not None:
                link.replays.logged_out()
            cause = "logout" if link.saw_logout else "socket"
            self.lost(link, cause)
            self.log.info("session_down", session=session, cause=cause)
            self.audit.record(Kind.ENDED, session, link.outbox.connection, {"cause": cause})

    def admin_fault(
        self, session: str, message: FixMessage, expected: int, next_outgoing: int
    ) -> SessionFault | None:
        """What the engine would let pass."""
        fault = self.guard.administrative(self.links[session], message, expected, next_outgoing)
        if fault is not None:
            self.metrics.messages.add(("in", message.msg_type))
        elif message.msg_type == "2":
            self._asked_again(session, resend_count(message, next_outgoing))
        return fault

    def _asked_again(self, session: str, messages: int) -> None:
        self.metrics.resend_requests("in", session).inc()
        self.metrics.resent(session).inc(messages)
        if time.monotonic() - self.links[session].logged_on_at > _GAP_SECONDS:
            self.metrics.gaps("out").inc()

    def on_admin(self, session: str, message: FixMessage) -> str:
        """The engine deals with these. A Logout of the edge carries the text that ends it."""
        link = self.links[session]
        link.is_asked = False
        link.heard_at = time.time()
        if message.msg_type == "4" and not is_gap_fill(message):
            self.metrics.resets("in").inc()
        if message.msg_type != "A":
            self.metrics.messages.add(("in", message.msg_type))
        link.outbox.is_resending = message.msg_type == "2"
        if message.msg_type == "5":
            link.saw_logout = link.ends_itself = True
            self.arrivals.go(session)  # the engine answers it and closes the connection
            if self._is_of_edge(message):
                return message.get(VERDICT_TAG)
            link.said_logout = True
        return ""

    def on_admin_sent(self, session: str, msg_type: str, *, ends: bool = False) -> None:
        """The engine's own messages, counted."""
        self.metrics.messages.add(("out", msg_type))
        link = self.links[session]
        if msg_type == "3":
            self.metrics.rejects.add(("session", "engine"))
        elif msg_type == "2":
            self.metrics.resend_requests("out", session).inc()
            if time.monotonic() - link.logged_on_at > _GAP_SECONDS:
                self.metrics.gaps("in").inc()
        elif msg_type == "1":
            link.is_asked = True
        elif msg_type == "5":
            link.saw_logout = True
            if ends and not link.ends_itself:
                link.ends_itself = True
                self.arrivals.go(session)

    def on_application(self, session: str, text: str) -> None:
        """One message of the client, for the services."""
        link = self.links[session]
        link.is_asked = False
        link.outbox.is_resending = False
        link.heard_at = time.time()
        self.intake.take(link, text)
