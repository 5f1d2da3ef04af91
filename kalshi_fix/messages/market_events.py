"""Market-data events: public, no firm. ``change`` numbers the changes of one market without gaps.

Units as in ``kalshi_fix.model``. Append new fields at the end, with a default.
"""

from kalshi_fix.messages.message import Message


class MarketChanged(Message, tag=160):
    """A market was defined or changed state. Carries the whole definition."""

    number: int
    at: int
    symbol: str
    change: int
    status: str
    event_ticker: str
    series: str
    title: str
    price_ranges: tuple[tuple[int, int, int], ...]
    open_at: int
    close_at: int
    expected_expiry_at: int
    value: int  # determined or settled value, price units; -1 = none
    source: str
    why: str
    jurisdictions_excluded: tuple[str, ...]
    settlement_timer: int = 0  # these six as in DefineMarket
    position_limit: int = 0
    price_band: int = 0
    halt_band: int = 0
    halt_window: int = 0
    halt_time: int = 0
    settles_at: int = 0  # ns; 0 = not running: undetermined, unconfirmed or disputed


class LevelChanged(Message, tag=161):
    """A price level after a command: absolute quantity and number of orders, 0 = gone."""

    number: int
    at: int
    symbol: str
    change: int
    side: int
    price: int
    quantity: int
    orders: int


class Traded(Message, tag=162):
    """A trade. ``volume`` and ``open_interest`` are the market's totals after it."""

    number: int
    at: int
    symbol: str
    change: int
    trade_id: int
    price: int
    quantity: int
    aggressor: int  # model.Side of the incoming order
    volume: int
    open_interest: int


class TradeBusted(Message, tag=163):
    """A trade was taken back. ``last_...`` is the market's last trade that still stands.

    ``last_price`` 0 = none stands, -1 = not told; ``last_trade_id`` 0 = only its price is known.
    """

    number: int
    at: int
    symbol: str
    change: int
    trade_id: int
    price: int
    quantity: int
    volume: int
    open_interest: int
    last_price: int = -1
    last_trade_id: int = 0
    last_quantity: int = 0
    last_at: int = 0


class OpenInterestChanged(Message, tag=164):
    """Open interest moved without a trade (settlement)."""

    number: int
    at: int
    symbol: str
    change: int
    volume: int
    open_interest: int


class DepthPublished(Message, tag=165):
    """The whole book of a market, best first: (price, quantity, orders). Does not use a change."""

    number: int
    at: int
    symbol: str
    change: int  # the last change it includes
    status: str
    bids: tuple[tuple[int, int, int], ...]
    offers: tuple[tuple[int, int, int], ...]
    volume: int
    open_interest: int
    last_price: int  # 0 = none
    event_ticker: str = ""  # these as in MarketChanged: a publisher may have lost them too
    series: str = ""
    title: str = ""
    price_ranges: tuple[tuple[int, int, int], ...] = ()
    open_at: int = 0
    close_at: int = 0
    expected_expiry_at: int = 0


MarketEvent = (
    MarketChanged | LevelChanged | Traded | TradeBusted | OpenInterestChanged | DepthPublished
)
