"""Order entry (NR, RT): a client's request to a command, the exchange's events to its reports.

Keeps no order state: an event carries all a report needs. A report goes to the session that owns
the order, to the one that asked (where that is another), and to the firm's listener sessions; an
answer goes to who asked. Pure: time is an argument, nothing is sent here.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Final

from kalshi_fix.fix import outbound_answers as answers
from kalshi_fix.fix import refusals
from kalshi_fix.fix.inbound import to_command
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.outbound import Dialect, Reports
from kalshi_fix.fix.refusal import Refusal
from kalshi_fix.messages import events as e
from kalshi_fix.services.audience import SESSION_EVENTS, Audience
from kalshi_fix.services.gather import Gather
from kalshi_fix.services.policy import Policy
from kalshi_fix.services.post_trade import may_see
from kalshi_fix.services.service import Reaction, SessionView

Delivery = list[tuple[str, FixMessage]]
_DIALECTS: Final = {
    (venue_tags, microseconds): Dialect(venue_tags, microseconds)
    for venue_tags in (False, True)
    for microseconds in (False, True)
}
# Answers to what may have been asked of every shard, and what shows that one will not come.
_ANSWERS: Final = frozenset(
    {
        e.MassCanceled,
        e.StatusReported,
        e.OrderGroupChanged,
        e.PositionsReported,
        e.CollateralReported,
        e.SessionChanged,
    }
)


class OrderEntry:
    """The service of NR and RT sessions.

    With more than one shard its caller lets one thread at a time into `on_event`: answers are
    gathered here, and ``gather`` is the caller's to save and to restore.
    """

    def __init__(  # noqa: PLR0917 - what a gateway has one of
        self,
        sessions: Mapping[str, SessionView],
        policy: Policy,
        gateway: str,
        reports: Sequence[Reports] = (),
        first_reject: int = 1,
        gather: Gather | None = None,
    ) -> None:
        """Builds the service of one gateway.

        Args:
            sessions: By name; the gateway keeps it up to date.
            policy: Shared with the gateway's other services.
            gateway: Its name, for ExecIDs of rejects made here.
            reports: Renders, one per shard; services of one gateway may share them.
            first_reject: Number of the first such ExecID, above those of earlier starts.
            gather: Of as many shards as there are reports.
        """
        self._sessions = sessions
        self._listeners = Audience(sessions, lambda view: view.listener)
        self._policy = policy
        self._gateway = gateway
        self._reports = tuple(reports) or (Reports(),)
        self.gather = gather or Gather(len(self._reports))
        self._reject_numbers = count(first_reject)
        self._routes: dict[type[Any], Callable[[Any, Reports], Delivery]] = {
            e.Execution: self._on_execution,
            e.OrderRejected: self._on_order_rejected,
            e.CancelRejected: self._on_cancel_rejected,
            e.MassCanceled: self._on_mass_canceled,
            e.StatusReported: self._on_status,
            e.OrderGroupChanged: self._on_order_group,
            e.PositionsReported: self._on_positions,
            e.CollateralReported: self._on_collateral,
            e.PositionSettled: self._on_settled,
        }

    @property
    def kinds(self) -> frozenset[type[Any]]:
        """The events it hears."""
        return SESSION_EVENTS | frozenset(self._routes)

    # --- from the client ---

    def on_message(self, session: SessionView, message: FixMessage, at: int) -> Reaction:
        """Admits, translates; the outcome is a command for the core or a refusal from here."""
        judgement = self._policy.judge(session, message, at)
        if judgement.refusal is not None:
            return Reaction([judgement.refusal], [], judgement.logout)
        replies = [judgement.notice] if judgement.notice is not None else []
        command = to_command(message, session, at)
        if isinstance(command, Refusal):
            self._policy.throttle.abandoned(session.name, message.msg_type)
            refused = refusals.render(command, message, at, microseconds=session.microseconds)
            return Reaction([*replies, refused], [])
        return Reaction(replies, [command])

    def on_failure(self, session: SessionView, message: FixMessage, at: int) -> Reaction:
        """The answer where translation itself failed: D 8, F and G 9, anything else j."""
        exec_id = f"R;{self._gateway};{next(self._reject_numbers)}"
        answer = refusals.internal_error(message, exec_id, at, microseconds=session.microseconds)
        return Reaction([answer], [])

    # --- from the exchange ---

    def on_event(self, event: e.Event, shard: int = 0) -> Delivery:
        """(session, message) of every session here that this event concerns, in order."""
        kind = type(event)
        if kind in SESSION_EVENTS:
            self._listeners.changed()
        if kind not in _ANSWERS:
            route = self._routes.get(kind)
            return route(event, self._reports[shard]) if route is not None else []
        found: Delivery = []
        for at_shard, answer in self.gather.take(event, shard):
            found += self._routes[type(answer)](answer, self._reports[at_shard])
        return found

    def _on_execution(self, event: e.Execution, reports: Reports) -> Delivery:
        owner = event.terms.session
        return [
            (view.name, reports.execution(event, _dialect(view)))
            for view in self._audience(event.firm, owner, event.requester)
        ]

    def _on_order_rejected(self, event: e.OrderRejected, reports: Reports) -> Delivery:
        return [
            (view.name, reports.rejection(event, _dialect(view)))
            for view in self._audience(event.firm, event.session, "")
        ]

    def _on_cancel_rejected(self, event: e.CancelRejected, _: Reports) -> Delivery:
        return self._to_asker(event.session, lambda _view: [answers.cancel_reject(event)])

    def _on_mass_canceled(self, event: e.MassCanceled, reports: Reports) -> Delivery:
        return self._to_asker(
            event.session,
            lambda view: [answers.mass_cancel_report(event, _dialect(view), reports.suffix)],
        )

    def _on_status(self, event: e.StatusReported, reports: Reports) -> Delivery:
        if event.mass and event.last:
            self._policy.throttle.answered(event.session)
        return self._to_asker(event.session, lambda view: [reports.status(event, _dialect(view))])

    def _on_order_group(self, event: e.OrderGroupChanged, _: Reports) -> Delivery:
        return self._to_asker(event.session, lambda _view: [answers.order_group_response(event)])

    def _on_positions(self, event: e.PositionsReported, reports: Reports) -> Delivery:
        return self._to_asker(event.session, lambda _view: answers.positions(event, reports.suffix))

    def _on_collateral(self, event: e.CollateralReported, reports: Reports) -> Delivery:
        return self._to_asker(
            event.session, lambda _view: answers.collateral(event, reports.suffix)
        )

    def _on_settled(self, event: e.PositionSettled, reports: Reports) -> Delivery:
        return [
            (view.name, answers.settlement_report(event, reports.suffix))
            for view in self._sessions.values()
            if view.settlement_reports and _enters_orders(view) and may_see(view, event)
        ]

    def _to_asker(
        self, session: str, messages: Callable[[SessionView], list[FixMessage]]
    ) -> Delivery:
        view = self._sessions.get(session)
        if view is None or not _enters_orders(view):
            return []
        return [(session, message) for message in messages(view)]

    def _audience(self, firm: str, owner: str, requester: str) -> list[SessionView]:
        """Owner first, then who asked, then listeners; each once, only sessions of this gateway."""
        names = [owner, requester] if requester and requester != owner else [owner]
        named = [self._sessions[name] for name in names if name in self._sessions]
        listeners = [view for view in self._listeners.of(firm) if view.name not in names]
        return [view for view in (*named, *listeners) if _enters_orders(view)]


def _enters_orders(view: SessionView) -> bool:
    return view.role in {"NR", "RT"}


def _dialect(view: SessionView) -> Dialect:
    return _DIALECTS[view.venue_tags, view.microseconds]
