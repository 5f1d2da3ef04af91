"""The truth about one shard, worked out independently from what the store took in.

Replays every durable command on an exchange of its own as soon as a core claims to have carried it
out, and compares what the core wrote, event by event. On the way it checks what must hold after
each step: the ledger, the book against the published depth, one answer per command, no order
twice, one leader. Knows commands and events, no gateway and no client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from kalshi_fix.core.exchange import Exchange
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.messages.batch import EventEntry
from kalshi_fix.model import NANOS_PER_MS, ExecType
from kalshi_fix.processes.core_recovery import parse_id
from kalshi_fix.processes.core_replica import PoisonError, Replica
from kalshi_fix.simulate.errors import Violation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kalshi_fix.adapters.bus import Entry, Offset, ShardState
    from kalshi_fix.simulate.book import State

_CLIENT: Final = (
    c.NewOrder,
    c.CancelOrder,
    c.ReplaceOrder,
    c.MassCancel,
    c.QueryOrder,
    c.QueryOrders,
)
_MAY_BE_SILENT: Final = (c.NewOrder, c.CancelOrder, c.ReplaceOrder)  # a repeat already answered
Identity = tuple[str, int, int]


@define(eq=False)
class Shard:
    """One shard's truth. ``reports``: what its sessions must have been told, in order."""

    name: str
    index: int
    replica: Replica = field(init=False)
    exchange: Exchange = field(init=False)
    reports: list[e.Execution | e.OrderRejected] = field(factory=list)
    orders: dict[tuple[str, str], int] = field(factory=dict)  # (firm, ClOrdID) -> order
    states: dict[int, State] = field(factory=dict)
    epochs: dict[str, tuple[int, int]] = field(factory=dict)  # session -> epoch, its first event
    rejected: dict[tuple[str, str], None] = field(factory=dict)
    executed: dict[Identity, None] = field(factory=dict)
    depth: dict[tuple[str, int, int], tuple[int, int]] = field(factory=dict)
    leaders: int = 0
    commands: int = 0
    entries: list[Entry] = field(factory=list)
    _applied: int = 0
    _produced: list[e.Event] = field(factory=list)
    _token: str = ""
    _is_changed: bool = False
    _offset: tuple[tuple[int, int], int] = ((0, 0), 0)

    def __attrs_post_init__(self) -> None:
        self.exchange = Exchange(self.index)
        self.replica = Replica(self)  # type: ignore[arg-type]  # itself the watched machine

    # --- what the store tells

    def appended(self, entry: Entry) -> None:
        """A batch of commands is durable."""
        self.entries.append(entry)

    def acquired(self, state: ShardState) -> None:
        """A core took the lead: from now on only it may write."""
        self._token = state.token
        self.leaders += 1

    def committed(self, token: str, after: Offset, entries: Sequence[Entry]) -> None:
        """A commit was carried out: it must be the leader's, and say what is true."""
        if token != self._token:
            raise Violation(f"{self.name}: a core that was succeeded has committed ({token})")
        offset = (parse_id(after.entry_id), after.chunk)
        if offset <= self._offset:
            raise Violation(f"{self.name}: the offset went from {self._offset} to {offset}")
        self._offset = offset
        for entry in entries:
            self._compare(EventEntry.unpack(entry.payload))
        while self._applied < len(self.entries) and (
            parse_id(self.entries[self._applied].id) <= offset[0]
        ):
            self._apply_next()
        if not after.chunk and self._produced:
            raise Violation(f"{self.name}: {len(self._produced)} events were never written")
        if self._is_changed:
            self._is_changed = False
            self.check_state()

    @property
    def is_settled(self) -> bool:
        """Whether everything durable is carried out."""
        return self._applied == len(self.entries)

    # --- inside

    def _apply_next(self) -> None:
        try:
            self.replica.apply(self.entries[self._applied])
        except PoisonError as error:
            raise error.__cause__ or error from None
        self._applied += 1

    def _compare(self, entry: EventEntry) -> None:
        found: list[Any] = sorted([*entry.events(), *entry.market_events()], key=lambda x: x.number)
        while len(self._produced) < len(found) and self._applied < len(self.entries):
            self._apply_next()
        expected, self._produced = self._produced[: len(found)], self._produced[len(found) :]
        if found != expected:
            wrong = next(
                (pair for pair in zip(found, expected, strict=False) if pair[0] != pair[1]),
                (found[-1], None),
            )
            raise Violation(f"{self.name}: event {wrong[0]} was written, {wrong[1]} is true")
        for event in found:
            self._note(event)
        self._is_changed = True

    def _note(self, event: e.Event) -> None:
        """What the events say about orders and depth, and no more than they say."""
        if isinstance(event, e.Execution):
            self.reports.append(event)
            terms = event.terms
            if event.exec_type == ExecType.NEW:
                key = (event.firm, event.cl_ord_id)
                if key in self.orders:
                    raise Violation(f"{self.name}: {event.cl_ord_id} was accepted twice")
                self.orders[key] = terms.order_id
            self.states[terms.order_id] = (
                str(event.ord_status),
                _quantity(event.cum_qty),
                _quantity(event.leaves_qty),
            )
        elif isinstance(event, e.OrderRejected):
            self.reports.append(event)
            self.rejected[event.firm, event.cl_ord_id] = None
        elif isinstance(event, e.SessionChanged):
            if event.is_open and event.epoch != self.epochs.get(event.session, (0, 0))[0]:
                _, begun = self.epochs.get(event.session, (0, 0))
                first = begun if event.replay else event.number
                self.epochs[event.session] = (event.epoch, first)
        elif isinstance(event, e.LevelChanged):
            place = (event.symbol, event.side, event.price)
            if event.orders:
                self.depth[place] = (event.quantity, event.orders)
            else:
                self.depth.pop(place, None)

    def check_state(self) -> None:
        """The ledger from scratch, and the book against the depth that was published."""
        self.exchange.check()
        book: dict[tuple[str, int, int], tuple[int, int]] = {}
        for market in self.exchange.state.markets.values():
            for side, levels in ((1, market.bids.levels), (2, market.offers.levels)):
                for level in levels:
                    if level is not None and level.orders:
                        book[market.symbol, side, level.price] = (level.quantity, level.orders)
        if not self._produced and book != self.depth:
            raise Violation(f"{self.name}: the book is {book}, published is {self.depth}")

    # --- the watched machine, as `core_replica.Machine`

    def apply(self, command: c.Command) -> list[e.Event]:
        """Carries a command out and judges what came of it."""
        events = self.exchange.apply(command)
        self.commands += 1
        if isinstance(command, _CLIENT):
            self._judge(command, events)
        self._produced.extend(events)
        return events

    def confirm(self, session: str, epoch: int, seq: int) -> None:
        """As the exchange."""
        self.exchange.confirm(session, epoch, seq)

    def snapshot(self) -> Any:
        """As the exchange."""
        return self.exchange.snapshot()

    def _judge(self, command: Any, events: list[e.Event]) -> None:
        """A command is carried out once, and answered once when it is."""
        identity = (command.session, command.epoch, command.seq)
        kind = type(command).__name__
        answers = [event for event in events if _answers(command, event)]
        if identity in self.executed:
            if events:
                raise Violation(f"{self.name}: {kind} {identity} was carried out twice")
            return
        session = self.exchange.state.sessions.get(command.session)
        if session is None or session.epoch != command.epoch:
            if events:
                raise Violation(f"{self.name}: {kind} {identity} is of a past epoch")
            return
        self.executed[identity] = None
        silent = isinstance(command, _MAY_BE_SILENT) and command.repeat and not events
        if len(answers) != 1 and not silent:
            raise Violation(f"{self.name}: {kind} {identity} has {len(answers)} answers")


def _answers(command: Any, event: e.Event) -> bool:
    """Whether an event is the one answer to a command."""
    if isinstance(command, c.MassCancel):
        return isinstance(event, e.MassCanceled)
    if isinstance(event, e.StatusReported):
        return True
    if isinstance(command, c.QueryOrder | c.QueryOrders):
        return False
    if isinstance(event, e.Execution):
        is_request = bool(event.orig_cl_ord_id) or event.exec_type == ExecType.NEW
        return is_request and event.cl_ord_id == command.cl_ord_id
    return isinstance(event, e.OrderRejected | e.CancelRejected)


def _quantity(value: int) -> str:
    return f"{value // 100}.{value % 100:02d}"


def exec_id(event: e.Execution | e.OrderRejected, shard: int) -> str:
    """17 of a report, as the rules of engagement say."""
    suffix = f";{shard}" if shard else ""
    return f"{event.at // NANOS_PER_MS};{event.number}{suffix}"


@define(eq=False)
class Auditor:
    """All shards; the store's witness."""

    shards: dict[str, Shard]

    def appended(self, shard: str, entry: Entry) -> None:
        """See `store.Witness`."""
        self.shards[shard].appended(entry)

    def committed(self, shard: str, token: str, after: Offset, entries: list[Entry]) -> None:
        """See `store.Witness`."""
        self.shards[shard].committed(token, after, entries)

    def acquired(self, shard: str, state: ShardState) -> None:
        """See `store.Witness`."""
        self.shards[shard].acquired(state)

    @property
    def is_settled(self) -> bool:
        """Whether everything durable is carried out."""
        return all(shard.is_settled for shard in self.shards.values())

    def order(self, firm: str, cl_ord_id: str) -> State | None:
        """The last state of the order a D made; None if there is none."""
        for shard in self.shards.values():
            order_id = shard.orders.get((firm, cl_ord_id))
            if order_id is not None:
                return shard.states[order_id]
        return None

    def is_rejected(self, firm: str, cl_ord_id: str) -> bool:
        """Whether a D was refused by the exchange."""
        return any((firm, cl_ord_id) in shard.rejected for shard in self.shards.values())
