"""May this session send this message now? Role, permissions, throttle; nothing else.

Everything that needs order, audit or replay is the core's to judge. Pure: time is an argument.
"""

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from kalshi_fix.fix import tables
from kalshi_fix.fix.inbound import text_fault
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.outbound_answers import news
from kalshi_fix.fix.refusal import business
from kalshi_fix.fix.refusals import business_reject, render
from kalshi_fix.messages.entitlement import covered_by_all
from kalshi_fix.model import Reason, Role
from kalshi_fix.services.service import SessionView
from kalshi_fix.services.throttle import Throttle
from kalshi_fix.services.throttle_report import throttle_report

ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    Role.NR: tables.ORDER_ENTRY_MESSAGES | {tables.THROTTLE_REQUEST},
    Role.RT: tables.ORDER_ENTRY_MESSAGES | {tables.THROTTLE_REQUEST},
    Role.MD: tables.MARKET_DATA_MESSAGES | {tables.THROTTLE_REQUEST},
    Role.DC: frozenset({tables.REPLAY_REQUEST}),
    Role.PT: frozenset(),
}
# Messages judged by the markets they name; a cancel is never refused for its market.
_OF_MARKETS: Final = frozenset({"D", "G", "V", "x", "e"})
_SYMBOL: Final = 55
THROTTLE_WARNING: Final = "THROTTLE_80_PERCENT"


@frozen(slots=True)
class Judgement:
    """``refusal`` None = admitted. ``notice`` is for the client's operators; ``logout`` ends it.

    A session that asks for its throttle has the answer as ``refusal``: nothing else follows.
    """

    refusal: FixMessage | None = None
    notice: FixMessage | None = None
    logout: str = ""


_ADMITTED: Final = Judgement()
_WARNED: Final = Judgement(notice=news(THROTTLE_WARNING))


class Policy:
    """Judges every application message before it is translated."""

    def __init__(self, throttle: Throttle) -> None:
        """One throttle for all sessions of the gateway."""
        self.throttle = throttle

    def admit(self, session: SessionView, message: FixMessage, at: int) -> FixMessage | None:
        """The refusal, or None where the message may go on."""
        return self.judge(session, message, at).refusal

    def judge(self, session: SessionView, message: FixMessage, at: int) -> Judgement:
        """Admits or refuses; the throttle is charged either way."""
        verdict = self.throttle.take(session.name, message.msg_type, at)
        if verdict.retry_after_ms:
            text = f"retry_after_ms={verdict.retry_after_ms}"
            refusal = business_reject(message, business(Reason.THROTTLED, text))
            return Judgement(refusal, None, Reason.THROTTLED if verdict.ends_session else "")
        reason = _not_permitted(session, message)
        if reason is not None:
            return Judgement(business_reject(message, business(reason)))
        if message.msg_type == tables.THROTTLE_REQUEST:
            return Judgement(self._throttle_report(session, message, at))
        return _WARNED if verdict.warns else _ADMITTED

    def _throttle_report(self, session: SessionView, message: FixMessage, at: int) -> FixMessage:
        fault = text_fault(message)
        if fault is not None:
            return render(fault, message, at, microseconds=session.microseconds)
        return throttle_report(message, self.throttle.usage(session.name, at))


def _not_permitted(session: SessionView, message: FixMessage) -> Reason | None:
    msg_type = message.msg_type
    if msg_type not in ALLOWED[session.role]:
        return Reason.MESSAGE_NOT_SUPPORTED
    if (session.listener or session.read_only) and msg_type in tables.CHANGING_MESSAGES:
        return Reason.LISTENER_SESSION
    if session.message_types and msg_type not in {*session.message_types, tables.THROTTLE_REQUEST}:
        return Reason.NOT_ENTITLED
    if session.markets and msg_type in _OF_MARKETS:
        named = (value for tag, value in message.fields if tag == _SYMBOL and value)
        if not all(covered_by_all(session.markets, symbol) for symbol in named):
            return Reason.NOT_ENTITLED
    return None
