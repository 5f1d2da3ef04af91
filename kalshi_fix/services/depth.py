"""The depth of one market, kept from its numbered public events, and its plain form.

The rule: an event is applied only if it is the next change of its market; a repeat is recognised
by its number and a hole is said, never guessed over. This module must not know FIX, streams or
who reads the depth. Units as in ``kalshi_fix.model``.
"""

from bisect import bisect_left
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, Final

from attrs import define, field

from kalshi_fix.messages import codec
from kalshi_fix.messages.events import (
    DepthPublished,
    LevelChanged,
    MarketChanged,
    MarketEvent,
    OpenInterestChanged,
    TradeBusted,
    Traded,
)
from kalshi_fix.model import MarketStatus, Side

VERSION: Final = 1


class DepthVersionError(ValueError):
    """A snapshot was written by a version this one cannot read."""


class Follow(IntEnum):
    """How an event stands to what a depth already holds."""

    NEXT = 0  # apply it
    REPEAT = 1  # already included
    HOLE = 2  # changes before it are missing


class Action(IntEnum):
    """What happened to a level; the values are those of MDUpdateAction (279)."""

    NEW = 0
    CHANGE = 1
    DELETE = 2


@define(slots=True)
class Level:
    """Everything resting at one price; ``at`` is when it last changed, ns UTC."""

    price: int
    quantity: int
    orders: int
    at: int


@define(slots=True)
class LastTrade:
    """The market's latest trade that stands. ``quantity`` 0 = only the price is known."""

    trade_id: int
    price: int
    quantity: int
    at: int


@define(slots=True)
class LevelMove:
    """One level's change and the place it has (or had, when deleted) from the best, 0 = best."""

    action: Action
    index: int
    level: Level


@define(slots=True)
class Ladder:
    """One side of a book, best level first."""

    side: int
    levels: list[Level] = field(factory=list)
    _ranks: list[int] = field(factory=list, init=False)  # ascending: the price, or minus it

    def __attrs_post_init__(self) -> None:
        self._ranks = [self._rank(level.price) for level in self.levels]
        assert self._ranks == sorted(set(self._ranks)), "levels are best first, each price once"

    def _rank(self, price: int) -> int:
        return price if self.side == Side.SELL else -price

    def set(self, price: int, quantity: int, orders: int, at: int) -> LevelMove | None:
        """Puts the absolute size of a level, 0 = gone; None where nothing was and nothing is."""
        rank = self._rank(price)
        index = bisect_left(self._ranks, rank)
        known = index < len(self._ranks) and self._ranks[index] == rank
        level = Level(price, quantity, orders, at)
        if quantity == 0:
            if not known:
                return None
            del self._ranks[index], self.levels[index]
            return LevelMove(Action.DELETE, index, level)
        if known:
            self.levels[index] = level
            return LevelMove(Action.CHANGE, index, level)
        self._ranks.insert(index, rank)
        self.levels.insert(index, level)
        return LevelMove(Action.NEW, index, level)

    def __iter__(self) -> Iterator[Level]:
        return iter(self.levels)

    def __len__(self) -> int:
        return len(self.levels)


@define(slots=True)
class Depth:
    """One market: definition, state, both sides, totals, last trade.

    ``change`` is the last change included (0 = none yet), ``number`` the number of the last event,
    ``status_at`` when the market entered its state (0 = not known).
    """

    symbol: str
    change: int = 0
    number: int = 0
    at: int = 0
    status: str = MarketStatus.INITIALIZED
    status_at: int = 0
    volume: int = 0
    open_interest: int = 0
    bids: Ladder = field(factory=lambda: Ladder(Side.BUY))
    offers: Ladder = field(factory=lambda: Ladder(Side.SELL))
    last_trade: LastTrade | None = None
    definition: MarketChanged | None = None

    def follow(self, event: MarketEvent) -> Follow:
        """Whether an event of this market is the next one, a repeat, or comes after a hole."""
        ahead = event.change - self.change
        if ahead == 1:
            return Follow.NEXT
        if isinstance(event, DepthPublished):
            return Follow.NEXT if ahead >= 0 else Follow.REPEAT
        return Follow.REPEAT if ahead <= 0 else Follow.HOLE

    def apply(self, event: MarketEvent) -> LevelMove | None:
        """Takes the next event; the move it made, if it made a level move."""
        assert self.follow(event) is Follow.NEXT, "only the next change may be applied"
        self.change = event.change
        self.number = event.number
        self.at = event.at
        if isinstance(event, LevelChanged):
            ladder = self.bids if event.side == Side.BUY else self.offers
            return ladder.set(event.price, event.quantity, event.orders, event.at)
        if isinstance(event, MarketChanged):
            self._define(event)
        elif isinstance(event, DepthPublished):
            self._replace(event)
        else:
            self._total(event)
        return None

    def _define(self, event: MarketChanged) -> None:
        if event.status != self.status or not self.status_at:
            self.status_at = event.at
        self.status = event.status
        self.definition = event

    def _total(self, event: Traded | TradeBusted | OpenInterestChanged) -> None:
        self.volume = event.volume
        self.open_interest = event.open_interest
        if isinstance(event, Traded):
            self.last_trade = LastTrade(event.trade_id, event.price, event.quantity, event.at)
        elif isinstance(event, TradeBusted):
            self._busted(event)

    def _busted(self, event: TradeBusted) -> None:
        last = self.last_trade
        if event.last_price > 0:
            self.last_trade = LastTrade(
                event.last_trade_id, event.last_price, event.last_quantity, event.last_at
            )
        elif event.last_price == 0 or (last is not None and last.trade_id == event.trade_id):
            self.last_trade = None

    def _replace(self, event: DepthPublished) -> None:
        """Takes a whole book. Times of levels that did not change are kept."""
        if event.status != self.status:
            self.status_at = event.at
        self.status = event.status
        self.volume = event.volume
        self.open_interest = event.open_interest
        self.bids = _ladder(Side.BUY, event.bids, self.bids, event.at)
        self.offers = _ladder(Side.SELL, event.offers, self.offers, event.at)
        last_price = self.last_trade.price if self.last_trade is not None else 0
        if event.last_price != last_price:
            known = event.last_price > 0
            self.last_trade = LastTrade(0, event.last_price, 0, event.at) if known else None
        if self.definition is None and event.event_ticker:
            self.definition = _definition(event)

    def to_plain(self) -> list[Any]:
        """Plain, packable form; see ``from_plain``."""
        last = self.last_trade
        return [
            VERSION,
            self.symbol,
            self.change,
            self.number,
            self.at,
            self.status,
            self.status_at,
            self.volume,
            self.open_interest,
            [[level.price, level.quantity, level.orders, level.at] for level in self.bids],
            [[level.price, level.quantity, level.orders, level.at] for level in self.offers],
            None if last is None else [last.trade_id, last.price, last.quantity, last.at],
            None if self.definition is None else list(codec.to_row(self.definition)),
        ]

    @classmethod
    def from_plain(cls, plain: list[Any]) -> "Depth":
        """The depth a plain form stands for.

        Raises:
            DepthVersionError: written by another version.
        """
        if plain[0] != VERSION:
            raise DepthVersionError(f"book of version {plain[0]}, this is {VERSION}")
        bids, offers, last, definition = plain[9:13]
        market = None if definition is None else codec.from_row(definition)
        assert market is None or isinstance(market, MarketChanged), "a definition and nothing else"
        depth = cls(*plain[1:9])
        depth.bids = Ladder(Side.BUY, [Level(*row) for row in bids])
        depth.offers = Ladder(Side.SELL, [Level(*row) for row in offers])
        depth.last_trade = None if last is None else LastTrade(*last)
        depth.definition = market
        return depth


def _ladder(side: Side, rows: tuple[tuple[int, int, int], ...], before: Ladder, at: int) -> Ladder:
    times = {(level.price, level.quantity, level.orders): level.at for level in before}
    return Ladder(side, [Level(*row, times.get(row, at)) for row in rows])


def _definition(event: DepthPublished) -> MarketChanged:
    """The definition a published depth carries, for who has lost the market's own event."""
    return MarketChanged(
        event.number,
        event.at,
        event.symbol,
        event.change,
        event.status,
        event.event_ticker,
        event.series,
        event.title,
        event.price_ranges,
        event.open_at,
        event.close_at,
        event.expected_expiry_at,
        value=-1,
        source="",
        why="",
        jurisdictions_excluded=(),
    )
