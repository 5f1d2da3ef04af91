"""One answer out of many: a request that went to every shard is answered once.

Mass cancels and mass status are added up, positions and collateral put together; an order is
unknown only if every shard says so, and an order group's request refused only if all refuse. What
belongs together the events themselves say, so a gateway that starts anew gathers what the one
before it did; `held` is what it has to be given back of what it will not read again. Pure; knows no
FIX message. What is not complete waits here, bounded.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from attrs import define, field
from msgspec.structs import replace

from kalshi_fix.messages import events as e
from kalshi_fix.model import Reason

Answer = tuple[int, e.Event]  # shard index, event
Key = tuple[type[Any], str, int]  # kind of answer, session, MsgSeqNum of the request
_WAITING_MAX: Final = 10_000


@define(slots=True)
class _Waiting:
    """What has come in for one request. ``tags``: shard -> ``everywhere`` of its answer."""

    tags: dict[int, tuple[int, ...]] = field(factory=dict)
    answers: dict[int, list[e.Event]] = field(factory=dict)
    complete: set[int] = field(factory=set)  # shards whose last has come
    silent: set[int] = field(factory=set)  # shards that carried out later ones and not this
    is_found: bool = False  # an order asked for exists in one of the shards
    is_told: bool = False

    def all(self) -> list[Answer]:
        """By shard."""
        return [(shard, event) for shard in sorted(self.answers) for event in self.answers[shard]]

    def forget(self, shard: int) -> None:
        """Its answer was to another request of that number, before the numbers began anew."""
        del self.tags[shard], self.answers[shard]
        self.complete.discard(shard)
        self.silent.clear()
        self.is_found = self.is_told = False


def _never_told(_session: str, _cl_ord_id: str) -> bool:
    return False


class Gather:
    """Holds the shards' answers to one request until the last has come, and was passed on."""

    def __init__(
        self,
        shards: int,
        waiting_max: int = _WAITING_MAX,
        is_told: Callable[[str, str], bool] = _never_told,
    ) -> None:
        """Holds nothing.

        Args:
            shards: Their number.
            waiting_max: Requests that may wait; beyond it the oldest is given up.
            is_told: Whether a session was told of its q of a ClOrdID before this start.
        """
        self._shards = shards
        self._waiting_max = waiting_max
        self._is_told = is_told
        self._waiting: dict[Key, _Waiting] = {}
        self._epochs: dict[str, dict[int, int]] = {}  # session -> shard -> its latest

    def take(self, event: e.Event, shard: int) -> list[Answer]:
        """What can be said now that this event is here; most events pass straight through."""
        if isinstance(event, e.SessionChanged):
            return self._opened(event, shard) if self._shards > 1 else []
        tag: tuple[int, ...] = getattr(event, "everywhere", ())
        if not tag or self._shards == 1:
            return [(shard, event)]
        answer: Any = event
        waiting = self._entry((type(event), answer.session, tag[0]))
        if not _fits(waiting, tag) or waiting.is_told:
            return []
        known = waiting.answers.setdefault(shard, [])
        if any(one.number == event.number for one in known):
            return []  # read again
        known.append(event)
        waiting.tags[shard] = tag
        is_line = isinstance(event, e.StatusReported) and event.mass
        if not is_line or answer.last:
            waiting.complete.add(shard)
        if isinstance(event, e.StatusReported) and not event.mass:
            return self._order(waiting, event, shard)
        return self._tell(waiting) if self._is_complete(waiting) else []

    def held(self) -> list[Answer]:
        """What a gateway that starts anew must be given back (`restore`)."""
        return [answer for waiting in self._waiting.values() for answer in waiting.all()]

    def release(self, positions: Sequence[int]) -> None:
        """Lets go of what was told and will not be read again below these event numbers."""
        self._drop(
            key
            for key, waiting in self._waiting.items()
            if waiting.is_told
            and all(event.number <= positions[shard] for shard, event in waiting.all())
        )

    def restore(self, held: Iterable[Answer], positions: Sequence[int]) -> None:
        """Takes back what was held when everything up to these numbers had been passed on."""
        for shard, event in held:
            if event.number <= positions[shard]:
                self.take(event, shard)
        self._drop(key for key, waiting in self._waiting.items() if waiting.is_told)

    # --- inside

    def _entry(self, key: Key) -> _Waiting:
        found = self._waiting.get(key)
        if found is None:
            if len(self._waiting) >= self._waiting_max:
                del self._waiting[next(iter(self._waiting))]
            found = self._waiting[key] = _Waiting()
        return found

    def _drop(self, keys: Iterable[Key]) -> None:
        for key in list(keys):
            del self._waiting[key]

    def _is_complete(self, waiting: _Waiting) -> bool:
        return len(waiting.complete | waiting.silent) == self._shards

    def _tell(self, waiting: _Waiting) -> list[Answer]:
        waiting.is_told = True
        answers = waiting.all()
        return _MERGES[type(answers[0][1])](answers)

    def _order(self, waiting: _Waiting, event: e.StatusReported, shard: int) -> list[Answer]:
        """An order found is told at once; that it is unknown, only when nobody knows it."""
        waiting.is_told = self._is_complete(waiting)
        if event.terms is not None:
            waiting.is_found = True
            return [(shard, event)]
        return [(shard, event)] if waiting.is_told and not waiting.is_found else []

    def _opened(self, event: e.SessionChanged, shard: int) -> list[Answer]:
        """A Logon: shows which requests a shard has passed without them, and which are history.

        A mass cancel or an order group's request that one shard has never had is answered with what
        the others did; questions are asked again by whoever still wants to know.
        """
        if not event.is_open or event.reason:
            return []
        epochs = self._epochs.setdefault(event.session, {})
        epochs[shard] = event.epoch
        found: list[Answer] = []
        for key, waiting in list(self._waiting.items()):
            tag = next(iter(waiting.tags.values()))
            if key[1] != event.session or waiting.is_told:
                continue
            if all(epochs.get(each, 0) > tag[1 + each] for each in range(self._shards)):
                del self._waiting[key]
            elif event.epoch == tag[1 + shard] and event.high_water >= tag[0]:
                waiting.silent |= {shard} - waiting.complete
                if self._is_complete(waiting):
                    found += self._give_up(waiting)
        return found

    def _give_up(self, waiting: _Waiting) -> list[Answer]:
        waiting.is_told = True
        answers = waiting.all()
        kind = type(answers[0][1])
        if kind not in _CHANGES:
            return []
        first: Any = answers[0][1]
        is_told = kind is e.MassCanceled and self._is_told(first.session, first.cl_ord_id)
        return [] if is_told else _MERGES[kind](answers)


def _fits(waiting: _Waiting, tag: tuple[int, ...]) -> bool:
    """Whether an answer belongs to what is there; what is of an earlier epoch makes way for it."""
    for shard, other in list(waiting.tags.items()):
        if other[1 + shard] > tag[1 + shard]:
            return False
        if other[1 + shard] < tag[1 + shard]:
            waiting.forget(shard)
    return True


def _mass_canceled(answers: list[Answer]) -> list[Answer]:
    """One count; refused only where every shard refused."""
    accepted = [answer for answer in answers if not _of(e.MassCanceled, answer).reason]
    if not accepted:
        return answers[:1]
    total = sum(_of(e.MassCanceled, answer).count for answer in accepted)
    shard, event = accepted[0]
    return [(shard, replace(_of(e.MassCanceled, (shard, event)), count=total))]


def _group_changed(answers: list[Answer]) -> list[Answer]:
    """What one shard did; a group that some shard has never had is still one in the others."""
    done = [answer for answer in answers if not _of(e.OrderGroupChanged, answer).reason]
    return (done or answers)[:1]


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
            replace(
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
    return [(answers[0][0], replace(events[0], rows=rows, permitted=permitted))]


def _collateral(answers: list[Answer]) -> list[Answer]:
    """Accounts are funded per shard: what a client owns is the sum."""
    events = [_of(e.CollateralReported, answer) for answer in answers]
    reported = [event for event in events if not event.reason]
    if not reported:
        return answers[:1]
    rows = tuple(_added(row for event in reported for row in event.rows))
    return [(answers[0][0], replace(reported[0], rows=rows))]


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


_CHANGES: Final = frozenset({e.MassCanceled, e.OrderGroupChanged})  # the others only ask
_MERGES: Final[dict[type[Any], Callable[[list[Answer]], list[Answer]]]] = {
    e.MassCanceled: _mass_canceled,
    e.StatusReported: _mass_status,
    e.OrderGroupChanged: _group_changed,
    e.PositionsReported: _positions,
    e.CollateralReported: _collateral,
}
