"""Volatility halts: a market whose traded price moves too far too fast pauses by itself.

The extremes of the window are kept as two monotonic queues, so that a busy market costs no more
than a quiet one. ``AdvanceTime`` ends the halt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kalshi_fix.core import lifecycle, plain

if TYPE_CHECKING:
    from collections import deque

    from kalshi_fix.core.market import Market
    from kalshi_fix.core.state import State

VOLATILITY_HALT = "VOLATILITY_HALT"


def observe(state: State, market: Market, price: int) -> bool:
    """Takes note of a trade; pauses the market and says so if it moved more than its band."""
    if not market.halt_band:
        return False
    at = state.at
    oldest = at - market.halt_window
    _push(market.highs, at, price, oldest, 1)
    _push(market.lows, at, price, oldest, -1)
    if market.highs[0][1] - market.lows[0][1] <= market.halt_band or market.status != plain.ACTIVE:
        return False
    market.highs.clear()
    market.lows.clear()
    market.halt_until = at + market.halt_time
    lifecycle.set_timer(state, market)
    lifecycle.change_status(state, market, plain.PAUSED, VOLATILITY_HALT)
    return True


def _push(extremes: deque[tuple[int, int]], at: int, price: int, oldest: int, sign: int) -> None:
    while extremes and sign * extremes[-1][1] <= sign * price:
        extremes.pop()
    extremes.append((at, price))
    while extremes[0][0] < oldest:
        extremes.popleft()
