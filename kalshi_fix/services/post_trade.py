"""Post trade (PT): settlements, unsolicited, as they happen. The client has nothing to ask here.

A settlement is a PositionReport (AP), or the venue's own MarketSettlementReport (UMS) on a session
that asked for it at Logon (20127=Y). Pure; knows no order.
"""

from collections.abc import Mapping

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.outbound_answers import settlement, settlement_report
from kalshi_fix.messages.events import Event, PositionSettled
from kalshi_fix.model import Role
from kalshi_fix.services.policy import Policy
from kalshi_fix.services.service import Reaction, SessionView


def may_see(session: SessionView, event: PositionSettled) -> bool:
    """Whether a session may know of an account's settlement: its firm's, and one of its own.

    A session without accounts of its own sees all of its firm.
    """
    if session.firm != event.firm:
        return False
    return not session.accounts or event.account in session.accounts


class PostTrade:
    """The service of PT sessions."""

    def __init__(self, sessions: Mapping[str, SessionView], policy: Policy) -> None:
        """``sessions`` by name; the gateway keeps it up to date."""
        self._sessions = sessions
        self._policy = policy

    def on_message(self, session: SessionView, message: FixMessage, at: int) -> Reaction:
        """Nothing a client may send is supported here; the policy says so."""
        judgement = self._policy.judge(session, message, at)
        replies = [judgement.refusal] if judgement.refusal is not None else []
        return Reaction(replies, [], judgement.logout)

    def on_event(self, event: Event, shard: int = 0) -> list[tuple[str, FixMessage]]:
        """Settlements to the PT sessions of the firm that may see the account."""
        if type(event) is not PositionSettled:
            return []
        suffix = f";{shard}" if shard else ""
        return [
            (view.name, _message(view, event, suffix))
            for view in self._sessions.values()
            if view.role == Role.PT and may_see(view, event)
        ]


def _message(session: SessionView, event: PositionSettled, suffix: str) -> FixMessage:
    if session.settlement_reports:
        return settlement_report(event, suffix)
    return settlement(event, suffix)
