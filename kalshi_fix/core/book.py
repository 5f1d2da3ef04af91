"""The order book of one market: price levels, queues, and which level is best.

A side is an array of levels by rank (the better the price the higher the rank) and a bit mask of
the levels that have orders; a level is a linked list of orders in time order. So adding, removing
and finding the next best level never depend on how many orders rest. A book knows orders and
prices, not money, firms or sessions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import Factory, define

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kalshi_fix.core.market import Market
    from kalshi_fix.core.order import Order


@define(slots=True, eq=False, weakref_slot=False)
class Ladder:
    """The prices a market allows, ascending, shared by all markets with the same ranges."""

    ranges: tuple[tuple[int, int, int], ...]
    prices: tuple[int, ...]
    index: dict[int, int]
    bit: tuple[int, ...]  # bit[n] = 1 << n, made once

    @property
    def lowest(self) -> int:
        """The lowest price allowed."""
        return self.prices[0]

    @property
    def highest(self) -> int:
        """The highest price allowed."""
        return self.prices[-1]


def make_ladder(ranges: tuple[tuple[int, int, int], ...]) -> Ladder | None:
    """The ladder of price ranges (start, end, step), both ends inclusive.

    Zero and one dollar may be named as ends; they are not prices. None if the ranges are empty,
    overlap, are not ascending, or a step does not fit.
    """
    prices: list[int] = []
    last = 0
    for start, end, step in ranges:
        if step <= 0 or start < last or end < start or end > 10_000 or (end - start) % step:
            return None
        last = end
        first = start if not prices or start > prices[-1] else start + step
        prices.extend(price for price in range(first, end + 1, step) if 0 < price < 10_000)
    if not prices:
        return None
    return Ladder(
        ranges,
        tuple(prices),
        {price: index for index, price in enumerate(prices)},
        tuple(1 << index for index in range(len(prices))),
    )


@define(slots=True, eq=False, weakref_slot=False)
class Level:
    """One price on one side: its queue, first order first, and its totals."""

    side: BookSide
    rank: int
    price: int
    quantity: int = 0
    orders: int = 0
    market: Market = Factory(lambda self: self.side.market, takes_self=True)
    sign: int = Factory(lambda self: 1 if self.side.is_buy else 2, takes_self=True)  # Side
    head: Order | None = None
    tail: Order | None = None
    touched: bool = False  # changed by the command under way

    def queue(self) -> Iterator[Order]:
        """Its orders in time priority."""
        order = self.head
        while order is not None:
            yield order
            order = order.next


@define(slots=True, eq=False, weakref_slot=False)
class BookSide:
    """All bids or all offers of a market. ``best`` is the best level that has orders."""

    market: Market
    is_buy: bool
    ladder: Ladder
    levels: list[Level | None] = Factory(list)  # by rank; made on first use
    by_price: dict[int, Level] = Factory(dict)  # the same levels, those that were ever used
    mask: int = 0
    best: Level | None = None

    def rank(self, price: int) -> int:
        """A price's place in ``levels``: the higher, the better for the other side."""
        index = self.ladder.index[price]
        return index if self.is_buy else len(self.ladder.prices) - 1 - index

    def level(self, price: int) -> Level:
        """The level of a price of the ladder, made if it was never used."""
        levels = self.levels
        if not levels:
            levels.extend([None] * len(self.ladder.prices))
        rank = self.rank(price)
        found = levels[rank]
        if found is None:
            found = levels[rank] = self.by_price[price] = Level(self, rank, price)
        return found

    def occupied(self) -> Iterator[Level]:
        """Levels that have orders, best first."""
        mask = self.mask
        while mask:
            rank = mask.bit_length() - 1
            level = self.levels[rank]
            assert level is not None, "a set bit stands for a level"
            yield level
            mask ^= self.ladder.bit[rank]


def append(side: BookSide, order: Order) -> Level:
    """Puts an order at the end of its price's queue."""
    level = side.by_price.get(order.price) or side.level(order.price)
    tail = level.tail
    if tail is None:
        level.head = order
        side.mask |= side.ladder.bit[level.rank]
        best = side.best
        if best is None or level.rank > best.rank:
            side.best = level
    else:
        tail.next = order
        order.prev = tail
    level.tail = order
    order.level = level
    level.quantity += order.leaves
    level.orders += 1
    return level


def remove(order: Order, quantity: int) -> Level:
    """Takes an order out of its queue; ``quantity`` is what it still counts for in the level.

    Both links are cleared: a filled order must not keep its former neighbours alive.
    """
    level = order.level
    assert level is not None, "only a resting order can be removed"
    before, after = order.prev, order.next
    if before is None:
        level.head = after
    else:
        before.next = after
    if after is None:
        level.tail = before
    else:
        after.prev = before
    order.prev = order.next = order.level = None
    level.quantity -= quantity
    level.orders -= 1
    if before is None and after is None:
        assert level.quantity == 0, "an empty level has no quantity"
        _empty(level)
    return level


def _empty(level: Level) -> None:
    side = level.side
    side.mask ^= side.ladder.bit[level.rank]
    if side.best is level:
        mask = side.mask
        side.best = side.levels[mask.bit_length() - 1] if mask else None


def regrid(side: BookSide, ladder: Ladder) -> None:
    """Moves a side to another ladder that contains every price with resting orders."""
    kept = list(side.occupied())
    side.ladder = ladder
    side.levels = []
    side.by_price = {level.price: level for level in kept}
    side.mask = 0
    side.best = None
    for level in kept:
        level.rank = side.rank(level.price)
        if not side.levels:
            side.levels.extend([None] * len(ladder.prices))
        side.levels[level.rank] = level
        side.mask |= ladder.bit[level.rank]
        if side.best is None or level.rank > side.best.rank:
            side.best = level
