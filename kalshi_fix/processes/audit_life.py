"""One order's whole life, put together from the wire, the commands and the events.

Edge and gateways say when a message came and went, the store when a command was durable, the core
what it made of it. They are joined by session, epoch and MsgSeqNum on the way in and by ExecID on
the way out. Nothing is judged here.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from attrs import define, field, frozen

from kalshi_fix.adapters.audit.records import Kind, Record
from kalshi_fix.adapters.audit.search import find
from kalshi_fix.adapters.audit.wire import fields_of, messages_in
from kalshi_fix.fix.outbound import Reports
from kalshi_fix.messages import events as e
from kalshi_fix.model import NANOS_PER_MS, ExecType
from kalshi_fix.processes.audit_history import Happened, History, Ordered
from kalshi_fix.processes.audit_words import (
    checks_passed,
    command_text,
    event_text,
    outcome_text,
)

ROUNDS_MAX: Final = 50  # replaces whose ids lead to further ids
EDGE: Final = "edge"


@frozen(kw_only=True)
class Step:
    """Something that happened to the order, or was said about it. ``at`` in ns UTC."""

    at: int
    where: str
    what: str
    session: str = ""
    fix: str = ""  # the message, where there was one
    number: int = 0  # of the event
    rank: int = 0  # what comes first of things at the same time


@frozen(kw_only=True)
class Fill:
    """A trade of the order, and who was on the other side."""

    trade_id: int
    at: int
    event: e.Execution
    other: e.Execution | None


@define
class Life:
    """What there is to know of one order, oldest first."""

    cl_ord_id: str
    firm: str
    ids: set[str]  # every ClOrdID it ever had
    orders: set[str] = field(factory=set)  # OrderIDs: one, or none where it was refused
    session: str = ""
    terms: e.OrderTerms | None = None
    outcome: str = ""
    steps: list[Step] = field(factory=list)
    fills: list[Fill] = field(factory=list)


class Biographer:
    """Finds lives. One object per question: it keeps what it has read."""

    def __init__(self, histories: list[History], wires: list[Path], firms: dict[str, str]) -> None:
        """``firms`` by session."""
        self._histories = histories
        self._wires = wires
        self._firms = firms
        self._reports = {history.shard: Reports(index) for index, history in enumerate(histories)}

    def lives(self, cl_ord_id: str) -> list[Life]:
        """Of every order that ever had this ClOrdID, one per firm."""
        found = [item for history in self._histories for item in history.events([cl_ord_id])]
        firms = {
            str(getattr(item.event, "firm", ""))
            for item in found
            if cl_ord_id in _ids_of(item.event)
        }
        told = list(self._wire([cl_ord_id]))
        firms |= {
            self._firms.get(record.session, "") for record, text in told if _has_id(text, cl_ord_id)
        }
        return [self._life(cl_ord_id, firm) for firm in sorted(firms - {""})]

    def _life(self, cl_ord_id: str, firm: str) -> Life:
        life = Life(cl_ord_id, firm, {cl_ord_id})
        happened = self._follow(life)
        self._tell_events(life, happened)
        self._tell_commands(life)
        self._tell_wire(life)
        self._tell_others(life, happened)
        life.steps.sort(key=lambda step: (step.at, step.rank, step.number))
        return life

    def _follow(self, life: Life) -> list[Happened]:
        """Every event of the order, over all the ids that replaces gave it."""
        happened: list[Happened] = []
        for _ in range(ROUNDS_MAX):
            names = life.ids | life.orders
            happened = [
                item
                for history in self._histories
                for item in history.events(names)
                if _is_of(item.event, life)
            ]
            for item in happened:
                if isinstance(item.event, e.Execution):
                    life.orders.add(str(item.event.terms.order_id))
                    life.ids.update(filter(None, _ids_of(item.event)))
            if life.ids | life.orders == names:
                break
        return happened

    def _tell_events(self, life: Life, happened: Iterable[Happened]) -> None:
        for item in happened:
            event = item.event
            where = f"core {item.shard}"
            life.session = life.session or _session_of(event)
            for text in _texts(event):
                life.steps.append(
                    Step(at=event.at, where=where, what=text, number=event.number, rank=3)
                )
            if isinstance(event, e.Execution):
                life.terms, life.outcome = event.terms, outcome_text(event)
                if event.exec_type == ExecType.TRADE:
                    other = next(iter(item.others), None)
                    life.fills.append(
                        Fill(trade_id=event.trade_id, at=event.at, event=event, other=other)
                    )
            elif isinstance(event, e.OrderRejected) and not life.terms:
                life.outcome = f"rejected ({event.reason})"

    def _tell_commands(self, life: Life) -> None:
        seen: set[tuple[Any, ...]] = set()
        for history in self._histories:
            for ordered in history.commands(life.ids | life.orders):
                session = str(getattr(ordered.command, "session", ""))
                if session and self._firms.get(session, life.firm) != life.firm:
                    continue
                life.steps.append(_durable(ordered, seen))

    def _tell_wire(self, life: Life) -> None:
        for record, text in self._wire(life.ids | life.orders):
            fields = fields_of(text)
            order_id = fields.get(37, "")
            of_order = order_id in life.orders
            of_firm = self._firms.get(record.session) == life.firm
            if of_order or (of_firm and order_id in {"", "NONE"} | life.orders):
                life.steps.append(_told(record, text, fields))

    def _tell_others(self, life: Life, happened: Iterable[Happened]) -> None:
        """What the other side of each trade was told."""
        wanted = {
            self._reports[item.shard].exec_id(other.at, other.number): other
            for item in happened
            for other in item.others
        }
        orders = {str(other.terms.order_id) for other in wanted.values()}
        for record, text in self._wire(orders - life.orders):
            fields = fields_of(text)
            if fields.get(17) in wanted and record.chain == EDGE:
                life.steps.append(_told(record, text, fields))

    def _wire(self, names: Iterable[str]) -> Iterator[tuple[Record, str]]:
        wanted = set(names)
        for directory in self._wires if wanted else ():
            for record in find(directory, wanted):
                for text in messages_in(record.data):
                    if any(_has_id(text, name) for name in wanted):
                        yield record, text


def _has_id(text: str, name: str) -> bool:
    return any(f"\x01{tag}={name}\x01" in text for tag in (11, 41, 37))


def _ids_of(event: e.Event) -> tuple[str, str]:
    return getattr(event, "cl_ord_id", ""), getattr(event, "orig_cl_ord_id", "")


def _session_of(event: e.Event) -> str:
    terms = getattr(event, "terms", None)
    return terms.session if terms is not None else str(getattr(event, "session", ""))


def _is_of(event: e.Event, life: Life) -> bool:
    if getattr(event, "firm", "") != life.firm:
        return False
    terms = getattr(event, "terms", None)
    order_id = terms.order_id if terms is not None else getattr(event, "order_id", 0)
    if order_id and life.orders:
        return str(order_id) in life.orders or bool(set(_ids_of(event)) & life.ids - {""})
    return bool(set(_ids_of(event)) & life.ids)


def _texts(event: e.Event) -> Iterator[str]:
    """What happened, one line each; before an acceptance, what it passed."""
    if isinstance(event, e.Execution) and event.exec_type == ExecType.NEW:
        passed, _ = checks_passed("")
        yield f"passed {', '.join(passed)}"
    yield event_text(event)


def _durable(ordered: Ordered, seen: set[tuple[Any, ...]]) -> Step:
    command = ordered.command
    name = tuple(getattr(command, part, None) for part in ("session", "epoch", "seq", "request_id"))
    again = ", sent again: the exchange has it already" if name in seen else ""
    seen.add(name)
    seq = getattr(command, "seq", None)
    identity = f" (epoch {getattr(command, 'epoch', 0)}, MsgSeqNum {seq})" if seq else ""
    return Step(
        at=getattr(command, "at", ordered.durable_ms * NANOS_PER_MS),
        where=f"store {ordered.shard}",
        what=f"{command_text(command)}{identity}, durable as {ordered.entry_id}{again}",
        session=str(getattr(command, "session", "")),
        rank=2,
    )


def _told(record: Record, text: str, fields: dict[int, str]) -> Step:
    """A message on its way in or out."""
    edge = record.chain == EDGE
    where = EDGE if edge else record.chain.replace("-", " ", 1)
    number = f" (34={fields[34]})" if 34 in fields else ""
    if record.kind == Kind.IN:
        what = f"received from {record.session}{number}" if edge else "in sequence and well formed"
        return Step(at=record.at, where=where, what=what, session=record.session, fix=text)
    shard, event = record.more if isinstance(record.more, tuple) else (-1, 0)
    if edge:
        what, rank = f"told {record.session}{number}", 9
    elif shard >= 0:
        away = "" if record.connection else ", which was away: stored"
        what, rank = f"report of event {event} for {record.session}{away}", 8
    else:
        what, rank = f"answered {record.session} itself", 8
    return Step(at=record.at, where=where, what=what, session=record.session, fix=text, rank=rank)
