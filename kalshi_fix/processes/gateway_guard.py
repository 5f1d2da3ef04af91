"""Session-layer faults the engine lets pass, found before a message takes effect.

The rules are `fix.session_rules`; here is what a session has used up of its limits. Called on the
session's own thread only. How a fault is said is the engine's business or the intake's.
"""

import time
from typing import Final

from attrs import define

from kalshi_fix.adapters.control import FAULT_TAG, read_fault_mark
from kalshi_fix.adapters.logs import Log
from kalshi_fix.fix import tables
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.refusal import malformed
from kalshi_fix.fix.session_rules import SessionFault, admin_fault, message_fault, resend_cost
from kalshi_fix.processes.gateway_link import Link

RESEND_LIMIT: Final = "RESEND_LIMIT too many messages asked for again"
FAULT_LIMIT: Final = "FAULT_LIMIT too many faulty administrative messages"


@define(slots=True, eq=False, kw_only=True)
class SessionGuard:
    """Judges the messages of every session of a lane."""

    secret: str
    log: Log

    def application(self, link: Link, message: FixMessage) -> SessionFault | None:
        """The fault of an application message, its number as expected."""
        mark = message.first().get(FAULT_TAG)
        if mark is not None:
            code, tag = read_fault_mark(mark, self.secret) or (
                tables.INVALID_TAG_NUMBER,
                FAULT_TAG,
            )
            return SessionFault(malformed(tag, code))
        return message_fault(message, link.settings.sender_comp_id, link.settings.target_comp_id)

    def administrative(
        self, link: Link, message: FixMessage, expected: int, next_outgoing: int
    ) -> SessionFault | None:
        """The fault of an administrative message, or that there have been too many."""
        fault = self.application(link, message)
        if fault is None:
            refusal = admin_fault(message, expected, next_outgoing)
            fault = SessionFault(refusal) if refusal is not None else None
        if fault is not None:
            if not link.fault_budget.spend(1, time.monotonic_ns()):
                return self._ended(link, FAULT_LIMIT)
            return fault
        if message.msg_type == "2":
            cost = resend_cost(message, next_outgoing)
            if not link.resend_budget.spend(cost, time.monotonic_ns()):
                return self._ended(link, RESEND_LIMIT)
        return None

    def _ended(self, link: Link, text: str) -> SessionFault:
        self.log.warning("session_ended_by_limit", session=link.name, limit=text)
        return SessionFault(None, text)
