"""The verdict: what every client was told against the stream, a replay of it, and the ledger.

The stream is read whole and carried out again by a fresh exchange; every entry's hash must come
out the same. Then each client's book must agree with both, report by report and order by order.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from attrs import define, field
from torture_client import ToldOrder, TortureClient
from torture_copy import DropCopyClient

from kalshi_fix.adapters.bus import Bus, Entry
from kalshi_fix.adapters.store import Store
from kalshi_fix.core.exchange import Exchange
from kalshi_fix.fix.decimal_text import quantity_text
from kalshi_fix.fix.outbound import Reports
from kalshi_fix.messages import events as e
from kalshi_fix.messages.batch import EventEntry
from kalshi_fix.messages.events import Execution
from kalshi_fix.processes.core_archive import Archive
from kalshi_fix.processes.core_replica import Replica, merged_payload

READ_COUNT: Final = 500


@define
class ShardTruth:
    """One shard's history, and the exchange after it."""

    shard: str
    exchange: Exchange
    executions: list[Execution] = field(factory=list)
    reports: dict[str, set[str]] = field(factory=dict)  # session -> ExecIDs it must have been told
    copies: dict[str, set[str]] = field(factory=dict)  # firm -> ExecIDs of its drop copy
    commands: int = 0
    events: int = 0
    faults: list[str] = field(factory=list)


@define
class Verdict:
    """Counts that must be zero are named for what would be wrong."""

    orders: int = 0
    reports: int = 0
    lost: int = 0  # acknowledged, and the stream or the ledger does not know it
    twice: int = 0  # accepted or executed more than once
    untold: int = 0  # in the stream, never told although logged on and quiet
    invented: int = 0  # told, not in the stream
    compared: int = 0  # reports of drop copy with those of order entry
    differs: int = 0  # last 39/14/151 is not the ledger's
    refused_but_taken: int = 0
    unanswered: int = 0  # requests without any answer that are not in the stream
    unavailable: int = 0
    possibly_resent: int = 0
    faults: list[str] = field(factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, doubled, invented or different."""
        wrong = (self.lost, self.twice, self.untold, self.invented, self.differs)
        return not (any(wrong) or self.refused_but_taken or self.faults)


def judge(
    store: Store,
    shards: list[str],
    archives: list[Archive],
    clients: list[TortureClient],
    copies: list[DropCopyClient],
) -> Verdict:
    """Everything agrees, or what does not."""
    truths = [
        truth_of(store.bus(shard), archives[index], index) for index, shard in enumerate(shards)
    ]
    verdict = Verdict()
    for truth in truths:
        verdict.faults += truth.faults
        accepted = Counter(
            (event.firm, event.cl_ord_id) for event in truth.executions if event.exec_type == "0"
        )
        verdict.twice += sum(times - 1 for times in accepted.values())
    for client in clients:
        _judge_client(client, truths, verdict)
    for copy, client in zip(copies, clients, strict=True):
        _judge_copy(copy, truths, verdict)
        _compare(copy, client, verdict)
    return verdict


def truth_of(bus: Bus, archive: Archive, index: int) -> ShardTruth:
    """Replays a shard from its first command and compares with what was written then."""
    replica = Replica(Exchange(index))
    exchange = replica.machine
    assert isinstance(exchange, Exchange)
    truth = ShardTruth(bus.shard, exchange)
    written = _events(bus, archive)
    entry: EventEntry | None = None
    end = bus.state().offset.entry_id
    for command in _commands(bus, archive, end):
        applied = replica.apply(command)
        truth.commands += applied.commands
        for piece in applied.pieces:
            if entry is None or entry.last < piece.last:
                entry = next(written, None)
            if entry is None or entry.last < piece.last:
                truth.faults.append(f"{bus.shard}: event {piece.last} is not in the stream")
                return truth
            if entry.last == piece.last and entry.state_hash != piece.state_hash:
                truth.faults.append(f"{bus.shard}: event {piece.last} replays differently")
                return truth
            for event in EventEntry.unpack(merged_payload([piece])).events():
                _note(truth, event, Reports(index))
            truth.events = piece.last
    if (extra := next(written, None)) is not None:
        truth.faults.append(f"{bus.shard}: event {extra.first} has no command")
    exchange.check()
    bus.close()
    return truth


def _commands(bus: Bus, archive: Archive, end: str) -> Iterator[Entry]:
    """Archived ones first, then the stream's up to what is committed."""
    after = "0-0"
    for entry in archive.commands.read():
        after = entry.id
        yield entry
    while after != end and (entries := bus.read_commands(after, READ_COUNT, 0)):
        for entry in entries:
            after = entry.id
            yield entry
            if after == end:
                return


def _events(bus: Bus, archive: Archive) -> Iterator[EventEntry]:
    after = 0
    for entry in archive.events.read():
        unpacked = EventEntry.unpack(entry.payload)
        after = unpacked.last
        yield unpacked
    while entries := bus.read_events(after, READ_COUNT, 0):
        for entry in entries:
            unpacked = EventEntry.unpack(entry.payload)
            after = unpacked.last
            yield unpacked


def _note(truth: ShardTruth, event: object, reports: Reports) -> None:
    if isinstance(event, Execution):
        truth.executions.append(event)
        session = event.terms.session
    elif isinstance(event, e.OrderRejected):
        session = event.session
    else:
        return
    exec_id = reports.exec_id(event.at, event.number)
    truth.reports.setdefault(session, set()).add(exec_id)
    truth.copies.setdefault(event.firm, set()).add(exec_id)


def _judge_client(client: TortureClient, truths: list[ShardTruth], verdict: Verdict) -> None:
    told, session = client.told, client.session.sender
    verdict.faults += told.faults
    verdict.possibly_resent += told.possibly_resent
    verdict.unavailable += len(told.unavailable)
    in_stream: set[str] = set()
    for truth in truths:
        in_stream |= truth.reports.get(session, set())
    heard = {exec_id for exec_id in told.exec_ids if not exec_id.startswith("R;")}
    verdict.reports += len(heard)
    verdict.untold += _count(in_stream - heard, f"{session} was never told", verdict)
    verdict.invented += _count(heard - in_stream, f"{session} was told what never was", verdict)
    known = {
        event.cl_ord_id for truth in truths for event in truth.executions if event.firm == session
    }
    taken = told.unavailable & known
    verdict.refused_but_taken += _count(taken, f"{session}: refused 380=4 and taken", verdict)
    silent = set(told.pending)
    verdict.unanswered += len(silent)
    verdict.untold += _count(silent & known, f"{session}: taken and never answered", verdict)
    for order in {id(order): order for order in told.orders.values()}.values():
        verdict.orders += 1
        if order.status:
            _judge_order(order, session, truths, verdict)


def _judge_order(order: ToldOrder, firm: str, truths: list[ShardTruth], verdict: Verdict) -> None:
    """The last a client was told of an order against the replayed ledger."""
    for truth in truths:
        kept = truth.exchange.state.firms[firm].ids.get(order.cl_ord_id)
        if kept is not None and str(kept.order_id) == order.order_id:
            break
    else:
        verdict.lost += 1
        verdict.faults.append(f"{firm}: {order.cl_ord_id} was acknowledged and is lost")
        return
    ledger = (kept.status, quantity_text(kept.cum), quantity_text(kept.leaves))
    if ledger != (order.status, order.cum, order.leaves):
        verdict.differs += 1
        verdict.faults.append(
            f"{firm}: {order.cl_ord_id} was told as {order.status} {order.cum} {order.leaves}, "
            f"the ledger says {ledger}"
        )


def _judge_copy(copy: DropCopyClient, truths: list[ShardTruth], verdict: Verdict) -> None:
    verdict.faults += copy.told.faults
    verdict.possibly_resent += copy.told.possibly_resent
    name = copy.session.sender
    firm = name.removesuffix("-DC")
    in_stream: set[str] = set()
    for truth in truths:
        in_stream |= truth.copies.get(firm, set())
    verdict.untold += _count(in_stream - copy.told.exec_ids, f"{name} was never told", verdict)
    verdict.invented += _count(copy.told.exec_ids - in_stream, f"{name} was told too much", verdict)


def _compare(copy: DropCopyClient, client: TortureClient, verdict: Verdict) -> None:
    """Report by report, field by field: drop copy says what order entry said."""
    copied, told = copy.told.contents, client.told.contents
    for exec_id in copied.keys() & told.keys():
        verdict.compared += 1
        if copied[exec_id] != told[exec_id]:
            verdict.differs += 1
            verdict.faults.append(
                f"{copy.session.sender}: {exec_id} differs from {client.session.sender}'s"
            )


def _count(wrong: set[str], what: str, verdict: Verdict) -> int:
    if wrong:
        verdict.faults.append(f"{what}: {len(wrong)}, such as {sorted(wrong)[:3]}")
    return len(wrong)
