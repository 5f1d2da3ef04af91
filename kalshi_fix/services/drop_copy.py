"""Drop copy (DC): every ExecutionReport the core made for the firm, from any session, as it is.

Same ExecID as on order entry, and rejects included; answers to status questions are no reports
and stay out. A U1 is judged here; the history it asks for is read by whoever can, and comes back
through `DropCopy.copy`, so a report again is what it was.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from kalshi_fix.fix.inbound import form_fault
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.outbound import Dialect, Reports
from kalshi_fix.fix.refusals import render
from kalshi_fix.fix.replays import read_request, rejected
from kalshi_fix.messages.events import Event, Execution, OrderRejected
from kalshi_fix.model import NANOS_PER_MS, Reason, Role
from kalshi_fix.services.audience import SESSION_EVENTS, Audience
from kalshi_fix.services.policy import Policy
from kalshi_fix.services.service import Reaction, SessionView

COPIED_KINDS: Final = SESSION_EVENTS | {Execution, OrderRejected}  # what `DropCopy` hears


class DropCopy:
    """The service of DC sessions."""

    def __init__(
        self,
        sessions: Mapping[str, SessionView],
        policy: Policy,
        reports: Sequence[Reports] = (),
    ) -> None:
        """``reports`` renders, one per shard; services of one gateway may share them."""
        self._audience = Audience(sessions, lambda view: view.role == Role.DC)
        self._policy = policy
        self._reports = tuple(reports) or (Reports(),)
        # of their own: another thread renders history, and old orders do not belong in the cache
        self._history = tuple(Reports(shard) for shard in range(len(self._reports)))

    def on_message(self, session: SessionView, message: FixMessage, at: int) -> Reaction:
        """An EventResendRequest (U1); anything else is not supported here."""
        judgement = self._policy.judge(session, message, at)
        if judgement.refusal is not None:
            return Reaction([judgement.refusal], [], judgement.logout)
        fault = form_fault(message)
        if fault is not None:
            return Reaction([render(fault, message, at, microseconds=session.microseconds)])
        asked = read_request(message, len(self._reports))
        if isinstance(asked, Reason):
            return Reaction([rejected(message, asked)])
        return Reaction(replay=asked)

    def on_event(self, event: Event, shard: int = 0) -> list[tuple[str, FixMessage]]:
        """Executions and rejects to the firm's DC sessions."""
        kind = type(event)
        if kind is not Execution and kind is not OrderRejected:
            if kind in SESSION_EVENTS:
                self._audience.changed()
            return []
        assert isinstance(event, Execution | OrderRejected)
        return [
            (view.name, _rendered(self._reports[shard], event, view))
            for view in self._audience.of(event.firm)
        ]

    def copy(self, event: Event, session: SessionView, shard: int) -> FixMessage | None:
        """The report of an event of long ago; None where it is no report of the session's firm."""
        if not isinstance(event, Execution | OrderRejected) or event.firm != session.firm:
            return None
        return _rendered(self._history[shard], event, session)

    def is_report(self, event: Event, at_ms: int) -> bool:
        """Whether an event has an ExecID that names this time."""
        return isinstance(event, Execution | OrderRejected) and event.at // NANOS_PER_MS == at_ms


def _rendered(
    reports: Reports, event: Execution | OrderRejected, session: SessionView
) -> FixMessage:
    dialect = Dialect(session.venue_tags, session.microseconds)
    if isinstance(event, Execution):
        return reports.execution(event, dialect)
    return reports.rejection(event, dialect)
