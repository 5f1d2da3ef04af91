"""A market: its definition, its two book sides, its statistics, its place in the life cycle.

A plain record with the questions everybody asks of it. Transitions are in ``lifecycle`` and
``settlement``.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from attrs import Factory, define

from kalshi_fix.core import plain
from kalshi_fix.core.book import BookSide, Ladder
from kalshi_fix.model import Reason

if TYPE_CHECKING:
    from kalshi_fix.core.parties import Position

_REFUSALS: Final = {
    plain.INITIALIZED: Reason.MARKET_INACTIVE.value,
    plain.ACTIVE: "",
    plain.PAUSED: Reason.TRADING_PAUSED.value,
    plain.CLOSED: Reason.MARKET_CLOSED.value,
    plain.DETERMINED: Reason.MARKET_CLOSED.value,
    plain.DISPUTED: Reason.MARKET_CLOSED.value,
    plain.SETTLED: Reason.MARKET_CLOSED.value,
}


@define(slots=True, eq=False)
class Series:
    """A fee schedule: rates in millionths, multiplier in hundredths.

    ``taker`` and ``maker`` are rate x multiplier; a negative one is a rebate.
    """

    name: str
    taker_rate: int
    maker_rate: int
    multiplier: int
    taker: int = Factory(lambda self: self.taker_rate * self.multiplier, takes_self=True)
    maker: int = Factory(lambda self: self.maker_rate * self.multiplier, takes_self=True)


@define(slots=True, eq=False)
class Settlement:
    """What one account was paid: enough to correct it."""

    account: str
    quantity: int
    payout: int
    number: int  # of its PositionSettled event


@define(slots=True, eq=False)
class Market:
    """One YES contract and its book. Units and times as in ``DefineMarket``.

    ``refusal`` is why the market takes no new order now, "" if it does. ``settle_at`` is the end
    of the settlement timer, 0 while it does not run. ``halt_until`` ends a volatility halt.
    ``highs``/``lows`` are the traded prices inside the halt window that are still extreme.
    """

    symbol: str
    event_ticker: str
    series: Series
    title: str
    ladder: Ladder
    open_at: int
    close_at: int
    expected_expiry_at: int
    settlement_timer: int
    position_limit: int
    price_band: int
    halt_band: int
    halt_window: int
    halt_time: int
    excluded: tuple[str, ...]
    status: str
    refusal: str = ""
    bids: BookSide = Factory(lambda self: BookSide(self, True, self.ladder), takes_self=True)
    offers: BookSide = Factory(lambda self: BookSide(self, False, self.ladder), takes_self=True)
    change: int = 0
    volume: int = 0
    open_interest: int = 0
    last_price: int = 0
    previous_price: int = 0
    last_trade_id: int = 0
    value: int = -1
    previous_value: int = 0
    source: str = ""
    evidence: str = ""
    proposer: str = ""  # who made a determination that still needs a second operator
    settle_at: int = 0
    halt_until: int = 0
    positions: dict[str, Position] = Factory(dict)
    settlements: list[Settlement] = Factory(list)
    highs: deque[tuple[int, int]] = Factory(deque)
    lows: deque[tuple[int, int]] = Factory(deque)

    def refresh_refusal(self, standstill: str) -> None:
        """Works out ``refusal`` after a change of state here or of the whole exchange."""
        self.refusal = _REFUSALS[self.status] or standstill

    @property
    def is_tradable(self) -> bool:
        """Whether the life cycle has not yet ended trading for good."""
        return self.status in {plain.INITIALIZED, plain.ACTIVE, plain.PAUSED}
