"""A shard's view as bytes and back, so that a start need not read the shard's whole history.

Definitions and answers are kept as the events they were; a view is made again by applying them.
Where the bytes are kept, and whether they still belong to the stream, is for others to know.
"""

from typing import Any, Final

import msgpack

from kalshi_fix.messages import codec
from kalshi_fix.services.admin_view import AccountView, MarketView, ShardView

VERSION: Final = 3


class UnreadableViewError(ValueError):
    """The bytes are not a view of this version: read the history instead."""


def pack(view: ShardView) -> bytes:
    """The view as bytes."""
    definitions = [market.definition for market in view.markets.values()]
    events: list[Any] = [
        *definitions,
        *view.firms.values(),
        *view.sessions.values(),
        *view.segments.values(),
        *view.series.values(),
        *view.connections.values(),
        *view.limits.values(),
        *([view.exchange] if view.exchange else []),
        *([view.maintenance] if view.maintenance else []),
        *view.answers.values(),
    ]
    markets = [
        (name, market.last_price, market.last_trade_id, market.price_before, market.volume,
         market.open_interest)
        for name, market in view.markets.items()
    ]  # fmt: skip
    accounts = [
        (account.name, account.firm, account.jurisdiction, account.cash, account.held,
         account.open_orders, account.positions)
        for account in view.accounts.values()
    ]  # fmt: skip
    packed: bytes = msgpack.packb(
        [VERSION, view.number, view.at, codec.pack_rows(events), markets, accounts, view.holds]
    )
    return packed


def unpack(packed: bytes) -> ShardView:
    """The view of bytes.

    Raises:
        UnreadableViewError: another version wrote them, or they are damaged.
    """
    try:
        version, *parts = msgpack.unpackb(packed, strict_map_key=False)
        view = _view_of(*parts) if version == VERSION else None
    except (ValueError, KeyError, TypeError, msgpack.UnpackException) as error:
        raise UnreadableViewError(f"damaged: {error}") from error
    if view is None:
        raise UnreadableViewError(f"version {version}, this is {VERSION}")
    return view


def _view_of(  # noqa: PLR0917 - the parts of the packed form, in their order
    number: int,
    at: int,
    events: bytes,
    markets: list[Any],
    accounts: list[Any],
    holds: dict[int, int],
) -> ShardView:
    view = ShardView()
    rows: list[Any] = codec.unpack_rows(events)
    for event in rows:
        view.apply(event)
    for symbol, *totals in markets:
        view.markets[symbol] = MarketView(view.markets[symbol].definition, *totals)
    view.accounts = {row[0]: AccountView(*row) for row in accounts}
    view.holds = holds
    view.number, view.at = number, at
    return view
