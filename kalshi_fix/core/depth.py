"""Full depth of a market, for a publisher that lost its place. Uses no change number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kalshi_fix.core import sessions
from kalshi_fix.messages.market_events import DepthPublished

if TYPE_CHECKING:
    from kalshi_fix.core.book import BookSide
    from kalshi_fix.core.state import State
    from kalshi_fix.messages.commands import PublishDepth


def publish(state: State, command: PublishDepth) -> None:
    """Carries out PublishDepth; an unknown symbol has no depth."""
    if not sessions.is_fresh(state, command):
        return
    symbols = [command.symbol] if command.symbol else sorted(state.markets)
    for symbol in symbols:
        market = state.markets.get(symbol)
        if market is None:
            continue
        state.out.append(
            DepthPublished(
                state.next_number(),
                state.at,
                symbol,
                market.change,
                market.status,
                _rows(market.bids),
                _rows(market.offers),
                market.volume,
                market.open_interest,
                market.last_price,
                market.event_ticker,
                market.series.name,
                market.title,
                market.ladder.ranges,
                market.open_at,
                market.close_at,
                market.expected_expiry_at,
            )
        )


def _rows(side: BookSide) -> tuple[tuple[int, int, int], ...]:
    return tuple((level.price, level.quantity, level.orders) for level in side.occupied())
