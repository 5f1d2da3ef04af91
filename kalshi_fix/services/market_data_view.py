"""What an MD client holds of one market, and the entries that take it from there to now.

The rule: a client that applies the entries of its snapshot and every entry after it, in order,
holds exactly the best N levels (or all) of the true book. Entries are made from one event, or as
the difference of two views for a client that missed some. This module must not know messages.
"""

from typing import Final

from attrs import frozen

from kalshi_fix.messages.market_events import LevelChanged, MarketEvent, TradeBusted, Traded
from kalshi_fix.model import Side
from kalshi_fix.services.depth import Action, Depth, Ladder, LastTrade, Level, LevelMove

BID: Final = "0"
OFFER: Final = "1"
TRADE: Final = "2"
VOLUME: Final = "B"
OPEN_INTEREST: Final = "C"
ENTRY_TYPES: Final = frozenset({BID, OFFER, TRADE, VOLUME, OPEN_INTEREST})
ABSENT: Final = -1
Totals = tuple[int, int]  # volume, open interest


@frozen(slots=True)
class Interest:
    """What of a market is wanted: the best ``levels`` (0 = all) and which MDEntryTypes (269)."""

    levels: int
    types: frozenset[str]


@frozen(slots=True)
class Entry:
    """One market-data entry; ``ABSENT`` and "" where the entry has no such value."""

    action: Action
    entry_type: str
    at: int
    price: int = ABSENT
    quantity: int = ABSENT
    orders: int = ABSENT
    entry_id: str = ""


@frozen(slots=True)
class View:
    """What a client with an interest holds of a market."""

    bids: tuple[Level, ...]
    offers: tuple[Level, ...]
    volume: int
    open_interest: int
    last_trade: LastTrade | None
    at: int

    @property
    def totals(self) -> Totals:
        """Volume and open interest."""
        return self.volume, self.open_interest

    @classmethod
    def of(cls, depth: Depth, interest: Interest) -> "View":
        """The view of a depth as it is now."""
        types = interest.types
        return cls(
            _best(depth.bids, interest.levels) if BID in types else (),
            _best(depth.offers, interest.levels) if OFFER in types else (),
            depth.volume,
            depth.open_interest,
            depth.last_trade if TRADE in types else None,
            depth.at,
        )


def totals_of(depth: Depth) -> Totals:
    """Volume and open interest of a depth."""
    return depth.volume, depth.open_interest


def _best(ladder: Ladder, count: int) -> tuple[Level, ...]:
    return tuple(ladder.levels[:count] if count else ladder.levels)


def snapshot(view: View, interest: Interest) -> list[Entry]:
    """The entries of a full refresh: levels best first, last trade, totals."""
    found = [_level(Action.NEW, BID, level) for level in view.bids]
    found += [_level(Action.NEW, OFFER, level) for level in view.offers]
    if view.last_trade is not None:
        found.append(_trade(Action.NEW, view.last_trade))
    if VOLUME in interest.types:
        found.append(Entry(Action.NEW, VOLUME, view.at, quantity=view.volume))
    if OPEN_INTEREST in interest.types:
        found.append(Entry(Action.NEW, OPEN_INTEREST, view.at, quantity=view.open_interest))
    return found


def difference(before: View, after: View, interest: Interest) -> list[Entry]:
    """What takes a client from one view to a later one; of trades in between, the last."""
    found = _level_difference(BID, before.bids, after.bids, after.at)
    found += _level_difference(OFFER, before.offers, after.offers, after.at)
    last = after.last_trade
    if last is not None and last != before.last_trade:
        found.append(_trade(Action.NEW, last))
    return found + _totals(before.totals, after.totals, after.at, interest)


def event_entries(
    depth: Depth,
    event: MarketEvent,
    move: LevelMove | None,
    totals_before: Totals,
    interest: Interest,
) -> list[Entry]:
    """The entries of one event that has just been applied to ``depth``."""
    if isinstance(event, LevelChanged):
        return [] if move is None else _moved(depth, event.side, move, interest)
    found: list[Entry] = []
    if TRADE in interest.types and isinstance(event, Traded | TradeBusted):
        action = Action.NEW if isinstance(event, Traded) else Action.DELETE
        trade = LastTrade(event.trade_id, event.price, event.quantity, event.at)
        found.append(_trade(action, trade))
    return found + _totals(totals_before, totals_of(depth), event.at, interest)


def _moved(depth: Depth, side: int, move: LevelMove, interest: Interest) -> list[Entry]:
    """A level's move as seen through the best N: one level may leave or enter at the far end."""
    entry_type, ladder = (BID, depth.bids) if side == Side.BUY else (OFFER, depth.offers)
    count = interest.levels
    if entry_type not in interest.types or (count and move.index >= count):
        return []
    found = [_level(move.action, entry_type, move.level)]
    if not count:
        return found
    at = move.level.at
    if move.action is Action.NEW and len(ladder) > count:
        left = ladder.levels[count]
        found.insert(0, _gone(entry_type, left.price, at))
    elif move.action is Action.DELETE and len(ladder) >= count:
        found.append(_level(Action.NEW, entry_type, ladder.levels[count - 1]))
    return found


def _level_difference(
    entry_type: str, before: tuple[Level, ...], after: tuple[Level, ...], at: int
) -> list[Entry]:
    if before == after:
        return []
    old = {level.price: level for level in before}
    new = {level.price for level in after}
    found = [_gone(entry_type, price, at) for price in old if price not in new]
    for level in after:
        known = old.get(level.price)
        if known is None:
            found.append(_level(Action.NEW, entry_type, level))
        elif (known.quantity, known.orders) != (level.quantity, level.orders):
            found.append(_level(Action.CHANGE, entry_type, level))
    return found


def _totals(before: Totals, after: Totals, at: int, interest: Interest) -> list[Entry]:
    return [
        Entry(Action.CHANGE, entry_type, at, quantity=new)
        for entry_type, old, new in zip((VOLUME, OPEN_INTEREST), before, after, strict=True)
        if old != new and entry_type in interest.types
    ]


def _level(action: Action, entry_type: str, level: Level) -> Entry:
    return Entry(action, entry_type, level.at, level.price, level.quantity, level.orders)


def _gone(entry_type: str, price: int, at: int) -> Entry:
    return Entry(Action.DELETE, entry_type, at, price, 0, 0)


def _trade(action: Action, trade: LastTrade) -> Entry:
    quantity = trade.quantity or ABSENT
    entry_id = str(trade.trade_id) if trade.trade_id else ""
    return Entry(action, TRADE, trade.at, trade.price, quantity, entry_id=entry_id)
