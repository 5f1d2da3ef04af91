"""The life cycle of a market up to its close, and the timers that move it.

initialized -> active <-> paused -> closed. Operators move a market, and so do its opening and
closing time and the end of a volatility halt. What follows the close is ``settlement``.
"""

from __future__ import annotations

from heapq import heappush
from typing import TYPE_CHECKING, Final

from kalshi_fix.core import ending, plain
from kalshi_fix.core.answers import DONE, AdminReason, Answer
from kalshi_fix.messages.market_events import MarketChanged
from kalshi_fix.model import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kalshi_fix.core.market import Market
    from kalshi_fix.core.order import Order
    from kalshi_fix.core.state import State
    from kalshi_fix.messages.commands import SetMarketStatus

TRANSITIONS: Final = frozenset(
    {
        (plain.INITIALIZED, plain.ACTIVE),
        (plain.INITIALIZED, plain.CLOSED),
        (plain.ACTIVE, plain.PAUSED),
        (plain.ACTIVE, plain.CLOSED),
        (plain.PAUSED, plain.ACTIVE),
        (plain.PAUSED, plain.CLOSED),
    }
)


def set_market_status(state: State, command: SetMarketStatus) -> Answer:
    """Carries out SetMarketStatus: an operator's transition."""
    market = state.markets.get(command.symbol)
    if market is None:
        return AdminReason.UNKNOWN_NAME, f"market {command.symbol}"
    if (market.status, command.status) not in TRANSITIONS:
        return AdminReason.WRONG_STATE, f"{market.status} -> {command.status}"
    market.halt_until = 0
    change_status(state, market, str(command.status), command.why)
    return DONE


def change_status(state: State, market: Market, status: str, why: str) -> None:
    """Puts a market into a state; orders that do not survive it are cancelled and reported."""
    market.status = status
    market.refresh_refusal(state.standstill)
    report(state, market, why)
    if status == plain.PAUSED:
        cancel_on_pause(state, market)
    elif status == plain.CLOSED:
        ending.cancel_many(state, list(resting(market)), Reason.MARKET_CLOSED.value)


def cancel_on_pause(state: State, market: Market) -> None:
    """Cancels the orders of a market that asked for it."""
    wanted = [order for order in resting(market) if order.terms.cancel_on_pause]
    ending.cancel_many(state, wanted, Reason.CANCEL_ON_PAUSE.value)


def resting(market: Market) -> Iterator[Order]:
    """Every order in the book."""
    for side in (market.bids, market.offers):
        for level in side.occupied():
            yield from level.queue()


def report(state: State, market: Market, why: str) -> None:
    """Publishes a market as it is now."""
    market.change += 1
    state.out.append(
        MarketChanged(
            state.next_number(),
            state.at,
            market.symbol,
            market.change,
            market.status,
            market.event_ticker,
            market.series.name,
            market.title,
            market.ladder.ranges,
            market.open_at,
            market.close_at,
            market.expected_expiry_at,
            market.value,
            market.source,
            why,
            market.excluded,
            market.settlement_timer,
            market.position_limit,
            market.price_band,
            market.halt_band,
            market.halt_window,
            market.halt_time,
            market.settle_at,
        )
    )


# --- timers ---------------------------------------------------------------------------------------


def next_deadline(market: Market) -> int:
    """The next instant at which the clock moves this market, 0 = none."""
    pending = []
    if market.status == plain.INITIALIZED and market.open_at:
        pending.append(market.open_at)
    if market.is_tradable and market.close_at:
        pending.append(market.close_at)
    if market.halt_until:
        pending.append(market.halt_until)
    if market.settle_at:
        pending.append(market.settle_at)
    return min(pending, default=0)


def set_timer(state: State, market: Market) -> None:
    """Makes ``AdvanceTime`` look at the market when it is due; an outdated entry is harmless."""
    deadline = next_deadline(market)
    if deadline:
        heappush(state.timers, (deadline, market.symbol))
