"""Lives of orders told from a log: which messages belong to one order, and what became of it.

An order is known by ClOrdIDs, each replace or cancel naming the one before (41), and by its OrderID
once the venue has given it one. Copies of a report (drop copy, resent ones) count once, by ExecID.
Pure, and tolerant: a log may begin in the middle.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from attrs import define, field

from kalshi_fix.fix.dictionary import Dictionary
from kalshi_fix.fix.message import FixMessage

_REQUESTS: Final = frozenset({"D", "F", "G"})
_ANSWERS: Final = frozenset({"8", "9"})
_FILLS: Final = frozenset({"F", "1", "2"})  # ExecType
_STATUS_ONLY: Final = frozenset({"I"})
_NONE: Final = frozenset({"", "NONE", "0"})  # an OrderID that is none


@define(slots=True, eq=False)
class Life:
    """One order."""

    ids: list[str] = field(factory=list)  # ClOrdIDs, first one first
    order_id: str = ""
    terms: dict[int, str] = field(factory=dict)  # tag -> last value known
    steps: list[str] = field(factory=list)
    fills: int = 0
    first_at: str = ""
    last_at: str = ""
    pairs: set[tuple[int, str]] = field(factory=set)  # every field seen, for conditions

    def line(self, dictionary: Dictionary) -> str:
        """The life on one line."""
        terms = self.terms
        side = dictionary.meaning(54, terms.get(54, "")) or terms.get(54, "?")
        price = f" @ {terms[44]}" if 44 in terms else ""
        status = dictionary.meaning(39, terms.get(39, "")) or "no answer"
        done = f" filled {terms.get(14, '0')} in {self.fills}" if self.fills else ""
        reason = f" ({terms[58]})" if terms.get(58) else ""
        head = f"{self.first_at} {' > '.join(self.ids)}"
        order = f" #{self.order_id}" if self.order_id else ""
        what = f" {side} {terms.get(38, '?')} {terms.get(55, '?')}{price}"
        path = " ".join(self.steps)
        return f"{head}{order}{what}: {path} => {status}{done}{reason} {self.last_at}".rstrip()


class Lives:
    """Every order of a log."""

    def __init__(self) -> None:
        self._lives: list[Life] = []
        self._by_id: dict[tuple[str, str], Life] = {}  # by client and ClOrdID
        self._by_order: dict[str, Life] = {}
        self._executions: set[str] = set()

    def take(self, message: FixMessage) -> None:
        """One message of the log, in its order."""
        if message.msg_type in _REQUESTS:
            self._request(message)
        elif message.msg_type in _ANSWERS:
            self._answer(message)

    def told(self, wanted: Sequence[tuple[int, str]] = ()) -> Iterator[Life]:
        """All of them, or those in which each of these fields was seen; oldest first."""
        for life in self._lives:
            if all(pair in life.pairs for pair in wanted):
                yield life

    def _request(self, message: FixMessage) -> None:
        if message.get(43) == "Y" and (message.get(49), message.get(11)) in self._by_id:
            return  # sent again
        life = self._find(message, message.get(49))
        names = {"D": "new", "F": "cancel?", "G": "replace?"}
        life.steps.append(names[message.msg_type])
        if message.msg_type != "F":
            self._learn(life, message, (38, 44))
        self._learn(life, message, (54, 55))

    def _answer(self, message: FixMessage) -> None:
        exec_id = message.get(17)
        if exec_id and exec_id in self._executions:
            return
        self._executions.add(exec_id)
        life = self._find(message, message.get(56))
        kind = message.get(150)
        if message.msg_type == "9":
            life.steps.append("refused")
        elif kind in _FILLS:
            life.fills += 1
            life.steps.append(f"fill {message.get(32)}@{message.get(31)}")
        elif kind not in _STATUS_ONLY:
            life.steps.append({"0": "ack", "4": "cancelled", "5": "replaced", "8": "rejected",
                               "C": "expired", "H": "busted"}.get(kind, f"150={kind}"))  # fmt: skip
        if message.msg_type == "8":
            self._learn(life, message, (38, 44, 54, 55, 39, 14, 58))

    def _find(self, message: FixMessage, client: str) -> Life:
        """The order a message is about; a new one where it is the first."""
        own, before, order_id = message.get(11), message.get(41), message.get(37)
        keys = [(client, cl_ord_id) for cl_ord_id in (own, before) if cl_ord_id]
        found = self._by_order.get(order_id) if order_id not in _NONE else None
        for key in keys:
            found = found or self._by_id.get(key)
        if found is None:
            found = Life()
            self._lives.append(found)
        for key in reversed(keys):
            self._by_id.setdefault(key, found)
            if key[1] not in found.ids:
                found.ids.append(key[1])
        if order_id not in _NONE:
            self._by_order[order_id] = found
            found.order_id = order_id
        found.pairs.update(message.fields)
        at = message.get(52)
        found.first_at = found.first_at or at
        found.last_at = at or found.last_at
        return found

    def _learn(self, life: Life, message: FixMessage, tags: tuple[int, ...]) -> None:
        for tag in tags:
            if message.get(tag):
                life.terms[tag] = message.get(tag)
