"""Drop copy (DC): every ExecutionReport the core made for the firm, from any session, as it is.

Same ExecID as on order entry, and rejects included; answers to status questions are no reports
and stay out. Replay on request (U1) is answered as not supported.
"""

from collections.abc import Mapping, Sequence

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.outbound import Dialect, Reports
from kalshi_fix.messages.events import Event, Execution, OrderRejected
from kalshi_fix.model import Role
from kalshi_fix.services.policy import Policy
from kalshi_fix.services.service import Reaction, SessionView


class DropCopy:
    """The service of DC sessions."""

    def __init__(
        self,
        sessions: Mapping[str, SessionView],
        policy: Policy,
        reports: Sequence[Reports] = (),
    ) -> None:
        """``reports`` renders, one per shard; services of one gateway may share them."""
        self._sessions = sessions
        self._policy = policy
        self._reports = tuple(reports) or (Reports(),)

    def on_message(self, session: SessionView, message: FixMessage, at: int) -> Reaction:
        """Nothing a client may send is supported here; the policy says so."""
        judgement = self._policy.judge(session, message, at)
        replies = [judgement.refusal] if judgement.refusal is not None else []
        return Reaction(replies, [], judgement.logout)

    def on_event(self, event: Event, shard: int = 0) -> list[tuple[str, FixMessage]]:
        """Executions and rejects to the firm's DC sessions."""
        kind = type(event)
        if kind is not Execution and kind is not OrderRejected:
            return []
        assert isinstance(event, Execution | OrderRejected)
        reports = self._reports[shard]
        found: list[tuple[str, FixMessage]] = []
        for view in self._sessions.values():
            if view.role == Role.DC and view.firm == event.firm:
                dialect = Dialect(view.venue_tags, view.microseconds)
                if isinstance(event, Execution):
                    found.append((view.name, reports.execution(event, dialect)))
                else:
                    found.append((view.name, reports.rejection(event, dialect)))
        return found
