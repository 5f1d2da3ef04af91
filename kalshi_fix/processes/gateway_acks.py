"""Requests between their arrival and their answer: how long it takes, stage by stage.

Bounded: where too many are open, further ones are not measured. Requests for orders count as
unacknowledged until they are answered; questions are only timed. Knows no message and no clock.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from attrs import define

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.messages import events as e

Key = tuple[str, str]  # session, and the id its answer has
ORDERS: Final = frozenset({"D", "F", "G"})
# what the exchange answers -> the tags of which the first that is there comes back
_ANSWERED_BY: Final[dict[str, tuple[int, ...]]] = {
    **dict.fromkeys(("D", "F", "G", "q"), (11,)),
    "H": (790, 11),
    "AF": (584,),
    "AN": (710,),
    "BB": (909,),
    "UOG": (34,),
}
UNANSWERED_SECONDS: Final = 600.0  # then nobody waits any more, and it counts as our error

_cl_ord_id: Final = attrgetter("cl_ord_id")
_request_id: Final = attrgetter("request_id")
_ORDER_ANSWERS: Final = frozenset({e.Execution, e.OrderRejected, e.CancelRejected})
_REFUSALS: Final = frozenset({e.OrderRejected, e.CancelRejected})
_ID_OF: Final[dict[type, Callable[[Any], str]]] = {
    e.Execution: _cl_ord_id,
    e.OrderRejected: _cl_ord_id,
    e.CancelRejected: _cl_ord_id,
    e.MassCanceled: _cl_ord_id,
    e.StatusReported: lambda event: event.request_id or event.cl_ord_id,
    e.OrderGroupChanged: lambda event: str(event.seq),
    e.PositionsReported: _request_id,
    e.CollateralReported: _request_id,
}


@define(slots=True, eq=False)
class Request:
    """One application message and when what happened to it; monotonic seconds, 0 = not yet."""

    msg_type: str
    received_at: float  # from the engine
    submitted_at: float = 0.0  # to the writer, translated and checked
    durable_at: float = 0.0  # in the store
    read_at: float = 0.0  # its answer, from the store
    answered_at: float = 0.0  # handed to the engine
    reason: str = ""  # of its refusal


def identity_of(message: FixMessage) -> str:
    """What the first answer to a request will have; empty where none is timed."""
    for tag in _ANSWERED_BY.get(message.msg_type, ()):
        found = message.get(tag)
        if found:
            return found
    return ""


class AckTimes:
    """Requests taken and not yet reported on."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._orders: dict[Key, Request] = {}  # oldest first
        self._questions: dict[Key, Request] = {}

    def received(self, session: str, identity: str, request: Request) -> None:
        """It was taken and goes to the exchange; ``identity`` is what its answer will have."""
        found = self._orders if request.msg_type in ORDERS else self._questions
        if identity and len(found) < self._most:
            found[session, identity] = request

    def forget(self, session: str, identity: str) -> None:
        """It was refused here after all."""
        self._orders.pop((session, identity), None)

    def answered(self, session: str, event: e.Event) -> Request | None:
        """The request that an event is the first answer to."""
        kind = type(event)
        identity_of = _ID_OF.get(kind)
        if identity_of is None:
            return None
        found = self._orders if kind in _ORDER_ANSWERS else self._questions
        request = found.pop((session, identity_of(event)), None)
        if request is not None and kind in _REFUSALS:
            refusal: Any = event
            request.reason = refusal.reason
        return request

    def oldest_seconds(self, now: float) -> float:
        """Age of the oldest order request without an answer, 0 where there is none."""
        oldest = _first(self._orders)
        return max(0.0, now - oldest[1].received_at) if oldest else 0.0

    def give_up(self, now: float) -> int:
        """Forgets requests nobody can be waiting for any more; returns how many were orders."""
        _drop_old(self._questions, now)
        return _drop_old(self._orders, now)

    def __len__(self) -> int:
        return len(self._orders)


def _first(found: dict[Key, Request]) -> tuple[Key, Request] | None:
    """The oldest; others add and take away meanwhile."""
    while True:
        try:
            return next(iter(found.items()), None)
        except RuntimeError:
            continue


def _drop_old(found: dict[Key, Request], now: float) -> int:
    dropped = 0
    while (oldest := _first(found)) and now - oldest[1].received_at > UNANSWERED_SECONDS:
        dropped += found.pop(oldest[0], None) is not None
    return dropped
