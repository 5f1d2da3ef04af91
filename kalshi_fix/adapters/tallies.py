"""Counting that costs a hot path next to nothing: one append now, the sum later.

Whoever is in a hurry appends to a deque, which any thread may; `drain` counts what has come, in one
go, when somebody has time or asks. The number of label values is bounded, what comes after is
counted as other. Knows no metrics library.
"""

import threading
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from attrs import define, field

VALUES_MAX: Final = 500
OTHER: Final = "other"

Values = tuple[str, ...]  # of a metric's labels
Row = TypeVar("Row")


class _Rows(Generic[Row]):
    """What was counted, by label values; beyond VALUES_MAX of them in the row of the others."""

    def __init__(self, labels: int, fresh: Callable[[], Row]) -> None:
        self.rows: dict[Values, Row] = {}
        self._others = (OTHER,) * labels
        self._fresh = fresh

    def of(self, values: Values) -> Row:
        """The row of these values, made where it is missing."""
        row = self.rows.get(values)
        if row is None:
            if len(self.rows) >= VALUES_MAX:
                values = self._others
            row = self.rows.setdefault(values, self._fresh())
        return row


class Kept(Generic[Row]):
    """Things to be counted when somebody has time. ``add(thing)`` from any thread."""

    def __init__(self, action: Callable[[list[Row]], None]) -> None:
        self._pending: deque[Row] = deque()
        self._action = action
        self._lock = threading.Lock()
        self.add = self._pending.append

    def turn(self) -> None:
        """Hands over what has come."""
        with self._lock:
            pending = self._pending
            if pending:
                self._action([pending.popleft() for _ in range(len(pending))])


@define(slots=True)
class _Count:
    total: float = 0


class CountTally:
    """Counts events by label values. ``add(("in", "D"))`` from any thread."""

    def __init__(self, labels: int) -> None:
        self._pending: deque[Values] = deque()
        self._rows = _Rows(labels, _Count)
        self._lock = threading.Lock()
        self.add = self._pending.append

    def add_many(self, values: Values, amount: float) -> None:
        """Counts several at once, at the full price."""
        with self._lock:
            self._rows.of(values).total += amount

    def drain(self) -> dict[Values, float]:
        """Counts what has come; returns all totals."""
        pending = self._pending
        with self._lock:
            # only what is there now: others go on adding
            for values, times in Counter(pending.popleft() for _ in range(len(pending))).items():
                self._rows.of(values).total += times
            return {values: row.total for values, row in self._rows.rows.items()}


@define(slots=True)
class Sizes:
    """How many values were at most each bound, not cumulated, and their sum."""

    counts: list[int]
    total: float = 0.0


@define(slots=True, eq=False)
class SizeTally:
    """Counts values by size and label values. ``add((("D",), 0.001))`` from any thread."""

    labels: int
    bounds: Sequence[float]
    add: Callable[[tuple[Values, float]], None] = field(init=False)
    _pending: deque[tuple[Values, float]] = field(init=False, factory=deque)
    _rows: "_Rows[Sizes]" = field(init=False)
    _lock: threading.Lock = field(init=False, factory=threading.Lock)

    def __attrs_post_init__(self) -> None:
        """The rest follows from the bounds."""
        self._rows = _Rows(self.labels, lambda: Sizes([0] * (len(self.bounds) + 1)))
        self.add = self._pending.append

    def observe(self, values: Values, amount: float) -> None:
        """As ``add`` where nobody is in a hurry."""
        self.add((values, amount))

    def count(self, values: Values, amounts: Sequence[float]) -> None:
        """Counts many of the same label values at once, which is cheaper each."""
        bounds = self.bounds
        with self._lock:
            row = self._rows.of(values)
            counts = row.counts
            for amount in amounts:
                counts[bisect_left(bounds, amount)] += 1
            row.total += sum(amounts)

    def drain(self) -> dict[Values, Sizes]:
        """Counts what has come; returns everything."""
        pending, bounds = self._pending, self.bounds
        with self._lock:
            for _ in range(len(pending)):
                values, amount = pending.popleft()
                row = self._rows.of(values)
                row.counts[bisect_left(bounds, amount)] += 1
                row.total += amount
            return {
                values: Sizes(row.counts.copy(), row.total)
                for values, row in self._rows.rows.items()
            }
