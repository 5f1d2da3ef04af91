"""From events to session queues: one shard's events, rendered and delivered in order.

Also keeps the sessions' views up to date, because what is rendered depends on the flags of the
Logon in force at that event. Knows no stream and no thread; `gateway_reader` feeds it.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from attrs import define, field

from kalshi_fix.adapters.logs import Log
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.messages.batch import EventEntry
from kalshi_fix.processes.gateway_acks import AckTimes
from kalshi_fix.processes.gateway_link import Link, apply_change, apply_definition
from kalshi_fix.processes.gateway_metrics import GatewayMetrics
from kalshi_fix.processes.gateway_news import tell_of_maintenance
from kalshi_fix.processes.gateway_outgoing import Outgoing
from kalshi_fix.processes.gateway_recovery import AlreadySent
from kalshi_fix.processes.gateway_state import LaneState, Opening
from kalshi_fix.services.service import Service

Rendered = Sequence[tuple[str, FixMessage]]


@define(slots=True, eq=False)
class Desk:
    """A service of the lane as the shell calls it. ``lock`` where it serves one thread only.

    ``kinds`` of events it hears; None = all.
    """

    service: Service
    on_event: Callable[[e.Event, int], Rendered]
    lock: AbstractContextManager[Any] = field(factory=nullcontext)
    kinds: frozenset[type[Any]] | None = None


@define(slots=True, eq=False)
class Router:
    """One shard's events to the lane's sessions."""

    shard_index: int
    shard: str
    links: Mapping[str, Link]
    desks: Sequence[Desk]
    firms: frozenset[str]
    state: LaneState
    position: Callable[[], int]  # of this shard, as last recorded
    on_session_changed: Callable[[int, e.SessionChanged], None]
    log_out: Callable[[str, str], None]
    set_numbers: Callable[[str, int, int], None]  # incoming, outgoing; 0 = leave it
    on_answered: Callable[[int, e.AdminAnswered], None]  # the outcome of an operator's command
    learn_markets: Callable[[list[e.MarketEvent], int], None]
    acks: AckTimes
    metrics: GatewayMetrics
    log: Log
    recovery: AlreadySent | None = None  # while events may have been rendered before
    newest: int = 0  # number of the last event whose delivery has begun
    read_at: float = 0.0  # when what is being delivered came from the store, monotonic seconds
    told_again_until: int = 0  # events that an earlier process has carried out, told again
    has_defined: bool = False  # a market, in the entry that is being taken
    is_doubtful: bool = False  # while nobody knows which of them were: they say so (97=Y)
    _own: dict[type[Any], Callable[[Any], None]] = field(init=False)
    _desks_of: dict[type[Any], tuple[Desk, ...]] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self._own = {
            e.SessionChanged: self._session_changed,
            e.SessionDefined: self._session_defined,
            e.SessionManaged: self._session_managed,
            e.AdminAnswered: self._answered,
            e.MaintenanceChanged: self._maintenance_changed,
            e.OrderRejected: self._order_rejected,
        }

    def take(self, payload: bytes) -> int:
        """Delivers one entry of ``evt``; returns the number of its last event."""
        return self.take_entry(EventEntry.unpack(payload))

    def take_entry(self, entry: EventEntry) -> int:
        """The same, of one that is unpacked."""
        if any(not firm or firm in self.firms for firm, _ in entry.firms):
            for event in entry.events(self.firms):
                self._take_event(event)
        if self.has_defined:
            self.has_defined = False
            self.learn_markets(entry.market_events(), self.shard_index)
        return entry.last

    def _take_event(self, event: e.Event) -> None:
        self.newest = event.number
        kind = type(event)
        own = self._own.get(kind)
        if own is not None:
            own(event)
        desks = self._desks_of.get(kind)
        if desks is None:
            hearing = [desk for desk in self.desks if desk.kinds is None or kind in desk.kinds]
            desks = self._desks_of[kind] = tuple(hearing)
        for desk in desks:
            with desk.lock:
                for session, message in self._render(desk, event):
                    self._deliver(session, message, event)

    def _render(self, desk: Desk, event: e.Event) -> Rendered:
        try:
            return desk.on_event(event, self.shard_index)
        except Exception:  # one event never stops the lane
            self.metrics.translation_errors(type(event).__name__).inc()
            self.log.exception("event_not_rendered", number=event.number)
            return ()

    def _deliver(self, session: str, message: FixMessage, event: e.Event) -> None:
        link = self.links.get(session)
        if link is None:
            return
        if link.in_doubt_below < 0 and link.engine.keeps_sequence:
            link.reported_ids.add(message.get(11))
        if self.recovery is not None and self.recovery.was_sent(session, message, event.number):
            self.metrics.already_sent.inc()
            return
        item = Outgoing(message, self.shard_index, event.number)
        if self.is_doubtful or (self.recovery and self.recovery.is_again(session, event.number)):
            item.may_be_repeat()
        request = self.acks.answered(session, event)
        if request is not None:
            request.read_at = self.read_at
            item.request = request
        link.outbox.put(item)
        link.outbox.make_room()

    def _answered(self, event: e.AdminAnswered) -> None:
        if event.command == c.DefineMarket.__name__ and not event.reason:
            self.has_defined = True
        self.on_answered(self.shard_index, event)

    def _order_rejected(self, event: e.OrderRejected) -> None:
        if event.session in self.links:
            self.metrics.rejects.add(("order", event.reason))

    def _maintenance_changed(self, event: e.MaintenanceChanged) -> None:
        if not self.shard_index and self.recovery is None:
            tell_of_maintenance(self.links, event)

    def _session_changed(self, event: e.SessionChanged) -> None:
        link = self.links.get(event.session)
        if link is None:
            return
        if not event.reason:
            if event.is_open:
                self._opened(link, event)
            apply_change(link.view, event)
            if not event.is_open and link.outbox.is_here:
                self._lost(link, event)
        self.on_session_changed(self.shard_index, event)

    def _opened(self, link: Link, event: e.SessionChanged) -> None:
        """Before anything after it is delivered: the flags in force, and whether history ends."""
        before = self.state.at(self.shard, link.name, event.number - 1)
        is_reset = event.epoch != (before.epoch if before else 0)
        if is_reset and event.replay:
            link.outbox.say_again(self.shard_index, event.number)
        elif is_reset:
            link.outbox.forget(self.shard_index)
        opening = Opening.of(event, is_reset=is_reset)
        self.state.add(self.shard, link.name, opening, self.position())

    def _lost(self, link: Link, event: e.SessionChanged) -> None:
        """The core gave the session up while its client is still here: it must log on again."""
        if event.connection == link.outbox.connection:
            self.log.warning("session_lost_in_core", session=link.name)
            self.log_out(link.name, "SESSION_LOST")

    def _session_managed(self, event: e.SessionManaged) -> None:
        """What an operator ordered, once: by the first shard's word, before any later opening."""
        link = self.links.get(event.session)
        latest = self.state.latest(self.shard, event.session)
        if link is None or self.shard_index or (latest and latest.number > event.number):
            return
        if event.number <= self.told_again_until:
            return
        self.log.info("session_managed", session=link.name, action=event.action)
        if event.action == "logout":
            if link.outbox.is_here:
                self.log_out(link.name, event.text or "LOGGED_OUT_BY_OPERATOR")
        elif not link.outbox.is_here:
            if link.replays is not None:
                link.replays.numbers_changed()
            self.metrics.resets("out").inc()
            self.set_numbers(
                link.name,
                event.next_incoming or (1 if event.action == "reset" else 0),
                event.next_outgoing or (1 if event.action == "reset" else 0),
            )

    def _session_defined(self, event: e.SessionDefined) -> None:
        link = self.links.get(event.name)
        if link is None:
            return
        was_enabled = link.view.enabled
        apply_definition(link.view, event)
        if was_enabled and not event.enabled and link.outbox.is_here:
            self.log_out(link.name, "SESSION_DISABLED")
