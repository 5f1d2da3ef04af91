"""One answer out of many: a request that went to every shard is answered once.

Mass cancels and mass status are added up, positions and collateral put together; an order is
unknown only if every shard says so. With one shard there is nothing to gather. Knows no FIX
message; what is not complete waits here, bounded, and is forgotten by a restart, after which the
shards' answers go out one by one.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, Final

from attrs import define, evolve, field

from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.model import Reason

Answer = tuple[int, e.Event]  # shard index, event
_WAITING_MAX: Final = 10_000


@define(slots=True)
class _Waiting:
    """What has come in for one request, and from how many shards the last has come."""

    answers: list[Answer] = field(factory=list)
    complete: int = 0
    is_found: bool = False  # an order asked for exists in one of the shards


def _asked(command: c.Command) -> Hashable | None:
    """The key of a request that goes to every shard; None for one that goes to one."""
    if isinstance(command, c.MassCancel) and not command.symbol:
        return "q", command.session, command.cl_ord_id
    if isinstance(command, c.QueryOrders) and not command.symbol:
        return "AF", command.session, command.request_id
    if isinstance(command, c.QueryPositions) and not command.symbol:
        return "AN", command.session, command.request_id
    if isinstance(command, c.QueryCollateral):
        return "BB", command.session, command.request_id
    if isinstance(command, c.QueryOrder):
        return "H", command.session, command.cl_ord_id, command.request_id
    return None


def _answered(event: e.Event) -> Hashable | None:
    """The key of the request an event answers."""
    if isinstance(event, e.StatusReported):
        if event.mass:
            return "AF", event.session, event.request_id
        return "H", event.session, event.cl_ord_id, event.request_id
    if isinstance(event, e.MassCanceled):
        return "q", event.session, event.cl_ord_id
    if isinstance(event, e.PositionsReported):
        return "AN", event.session, event.request_id
    if isinstance(event, e.CollateralReported):
        return "BB", event.session, event.request_id
    return None


class Gather:
    """Holds the shards' answers to one request until the last has come."""

    def __init__(self, shards: int, waiting_max: int = _WAITING_MAX) -> None:
        """``shards`` is their number."""
        self._shards = shards
        self._waiting_max = waiting_max
        self._waiting: dict[Hashable, _Waiting] = {}

    def asked(self, command: c.Command) -> None:
        """A request is on its way to the shards."""
        key = _asked(command) if self._shards > 1 else None
        if key is None:
            return
        if len(self._waiting) >= self._waiting_max:
            del self._waiting[next(iter(self._waiting))]  # the oldest was never answered
        self._waiting[key] = _Waiting()

    def take(self, event: e.Event, shard: int) -> list[Answer]:
        """What can be said now that this event is here; most events pass straight through."""
        key = _answered(event) if self._waiting else None
        waiting = self._waiting.get(key) if key is not None else None
        if waiting is None:
            return [(shard, event)]
        if isinstance(event, e.StatusReported) and not event.mass:
            return self._order(key, waiting, event, shard)
        waiting.answers.append((shard, event))
        if not isinstance(event, e.StatusReported) or event.last:
            waiting.complete += 1
        if waiting.complete < self._shards:
            return []
        del self._waiting[key]
        return _MERGES[type(event)](sorted(waiting.answers, key=lambda answer: answer[0]))

    def _order(
        self, key: Hashable, waiting: _Waiting, event: e.StatusReported, shard: int
    ) -> list[Answer]:
        """An order found is told at once; that it is unknown, only when nobody knows it."""
        waiting.complete += 1
        if waiting.complete == self._shards:
            del self._waiting[key]
        if event.terms is not None:
            waiting.is_found = True
            return [(shard, event)]
        is_unknown = waiting.complete == self._shards and not waiting.is_found
        return [(shard, event)] if is_unknown else []


def _mass_canceled(answers: list[Answer]) -> list[Answer]:
    """One count; refused only where every shard refused."""
    accepted = [answer for answer in answers if not _of(e.MassCanceled, answer).reason]
    if not accepted:
        return answers[:1]
    total = sum(_of(e.MassCanceled, answer).count for answer in accepted)
    shard, event = accepted[0]
    return [(shard, evolve(_of(e.MassCanceled, (shard, event)), count=total))]


def _mass_status(answers: list[Answer]) -> list[Answer]:
    """The lines of all shards under one total, the last marked; one "none" where all have none."""
    lines = [
        answer
        for answer in answers
        if _of(e.StatusReported, answer).reason != Reason.NO_OPEN_ORDERS
    ]
    if not lines:
        return answers[:1]
    return [
        (
            shard,
            evolve(
                _of(e.StatusReported, (shard, event)),
                total=len(lines),
                last=place + 1 == len(lines),
            ),
        )
        for place, (shard, event) in enumerate(lines)
    ]


def _positions(answers: list[Answer]) -> list[Answer]:
    """All markets in one answer; permitted or not is the same in every shard."""
    events = [_of(e.PositionsReported, answer) for answer in answers]
    rows = tuple(row for event in events for row in event.rows)
    permitted = any(event.permitted for event in events)
    return [(answers[0][0], evolve(events[0], rows=rows, permitted=permitted))]


def _collateral(answers: list[Answer]) -> list[Answer]:
    """Accounts are funded per shard: what a client owns is the sum."""
    events = [_of(e.CollateralReported, answer) for answer in answers]
    reported = [event for event in events if not event.reason]
    if not reported:
        return answers[:1]
    rows = tuple(_added(row for event in reported for row in event.rows))
    return [(answers[0][0], evolve(reported[0], rows=rows))]


def _added(
    rows: Iterable[tuple[str, int, int, int]],
) -> Iterable[tuple[str, int, int, int]]:
    totals: dict[str, tuple[int, int, int]] = {}
    for account, free, held, value in rows:
        before = totals.get(account, (0, 0, 0))
        totals[account] = (before[0] + free, before[1] + held, before[2] + value)
    return ((account, *total) for account, total in totals.items())


def _of(kind: type[Any], answer: Answer) -> Any:
    """The event of an answer, which its key has made sure is of this kind."""
    event = answer[1]
    assert isinstance(event, kind), event
    return event


_MERGES: Final[dict[type[Any], Callable[[list[Answer]], list[Answer]]]] = {
    e.MassCanceled: _mass_canceled,
    e.StatusReported: _mass_status,
    e.PositionsReported: _positions,
    e.CollateralReported: _collateral,
}
