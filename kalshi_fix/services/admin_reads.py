"""What an operator reads: rows of names and text out of the shards' views.

A row is what a program gets as JSON and a person as a line of a table: decimal text for prices,
quantities and money, ISO 8601 for times. Rows on which all shards agree stand once. Nothing here
changes anything or knows how a table is drawn.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from attrs import frozen

from kalshi_fix.services import admin_values as v
from kalshi_fix.services.admin_fields import (
    LIMIT_VALUES,
    MULTIPLIER_PLACES,
    Field,
    count,
    name,
    one_of,
    symbol,
)
from kalshi_fix.services.admin_view import AccountView, MarketView, ShardView

T = TypeVar("T")
Row = dict[str, Any]
Filters = Mapping[str, Any]
ByShard = Mapping[str, list[Row]]
HISTORY_ROWS: Final = 50
STATUS: Final = "status"  # the service adds to its row what the store tells
CHECK: Final = "check"  # its rows are made by the service: see `admin_checks`


@frozen(kw_only=True)
class Reading:
    """A reading operation: its filters, each optional, and the rows of one shard and of all."""

    rows: Callable[[ShardView, Filters], list[Row]]
    filters: tuple[Field, ...] = ()
    join: Callable[[ByShard, Filters], list[Row]] = lambda found, _filters: collapse(found)


def collapse(by_shard: ByShard) -> list[Row]:
    """Rows of all shards, each with the shards that say the same: one row unless they differ."""
    found: list[tuple[Row, list[str]]] = []
    places: dict[str, int] = {}
    for shard, rows in by_shard.items():
        for row in rows:
            key = repr(row)
            if key in places:
                found[places[key]][1].append(shard)
            else:
                places[key] = len(found)
                found.append((row, [shard]))
    return [{**row, "shard": ",".join(shards)} for row, shards in found]


def _side_by_side(by_shard: ByShard, _filters: Filters) -> list[Row]:
    """Every shard's own: two equal amounts of money are not one."""
    return [{**row, "shard": shard} for shard, rows in by_shard.items() for row in rows]


def _newest_last(by_shard: ByShard, filters: Filters) -> list[Row]:
    return _last(sorted(collapse(by_shard), key=lambda row: str(row["at"])), filters)


def market_row(market: MarketView) -> Row:
    """A market: state, totals, definition."""
    definition = market.definition
    return {
        "symbol": definition.symbol,
        "status": definition.status,
        "value": "" if definition.value < 0 else v.format_price(definition.value),
        "last": _unless_0(v.format_price, market.last_price),
        "last_trade": str(market.last_trade_id) if market.last_trade_id else "",
        "volume": v.format_quantity(market.volume),
        "open_interest": v.format_quantity(market.open_interest),
        "title": definition.title,
        "event_ticker": definition.event_ticker,
        "series": definition.series,
        "price_ranges": [v.format_price_range(ladder) for ladder in definition.price_ranges],
        "open_at": v.format_time(definition.open_at),
        "close_at": v.format_time(definition.close_at),
        "expected_expiry_at": v.format_time(definition.expected_expiry_at),
        "settles_at": v.format_time(definition.settles_at),
        "settlement_timer": _unless_0(v.format_seconds, definition.settlement_timer),
        "position_limit": _unless_0(v.format_quantity, definition.position_limit),
        "price_band": _unless_0(v.format_price, definition.price_band),
        "halt_band": _unless_0(v.format_price, definition.halt_band),
        "halt_window": _unless_0(v.format_seconds, definition.halt_window),
        "halt_time": _unless_0(v.format_seconds, definition.halt_time),
        "jurisdictions_excluded": list(definition.jurisdictions_excluded),
        "source": definition.source,
        "why": definition.why,
    }


def _unless_0(show: Callable[[int], str], value: int) -> str:
    """Text of a value where 0 means that there is none."""
    return show(value) if value else ""


def account_row(account: AccountView) -> Row:
    """An account: free and held cash, open orders, positions."""
    return {
        "account": account.name,
        "firm": account.firm,
        "jurisdiction": account.jurisdiction,
        "cash": v.format_money(account.cash),
        "held": v.format_money(account.held),
        "total": v.format_money(account.cash + account.held),
        "open_orders": account.open_orders,
        "positions": {
            symbol_: v.format_quantity(position)
            for symbol_, position in sorted(account.positions.items())
        },
    }


def _markets(view: ShardView, filters: Filters) -> list[Row]:
    wanted = filters.get("symbol")
    return [
        market_row(market)
        for key, market in sorted(view.markets.items())
        if wanted in {None, key} and filters.get("status") in {None, market.definition.status}
    ]


def _accounts(view: ShardView, filters: Filters) -> list[Row]:
    return [
        account_row(account)
        for key, account in sorted(view.accounts.items())
        if filters.get("account") in {None, key} and filters.get("firm") in {None, account.firm}
    ]


def _firms(view: ShardView, _filters: Filters) -> list[Row]:
    return [
        {
            "firm": firm.name,
            "jurisdiction": firm.jurisdiction,
            "locked": firm.locked,
            "killed": firm.killed,
            "roles": list(firm.roles),
        }
        for _, firm in sorted(view.firms.items())
    ]


def _sessions(view: ShardView, filters: Filters) -> list[Row]:
    rows = []
    for key, session in sorted(view.sessions.items()):
        if filters.get("firm") not in {None, session.owner}:
            continue
        connection = view.connections.get(key)
        rows.append(
            {
                "session": key,
                "firm": session.owner,
                "role": session.role,
                "sender_comp_id": session.sender_comp_id,
                "target_comp_id": session.target_comp_id,
                "up": connection is not None and connection.is_open,
                "epoch": connection.epoch if connection else 0,
                "gateway": connection.process if connection and connection.is_open else "",
                "enabled": session.enabled,
                "killed": session.killed,
                "accounts": list(session.accounts),
                "cancel_on_disconnect": session.cancel_on_disconnect,
                "cancel_scope": session.cancel_scope,
                "cancel_keeps_gtc": session.cancel_keeps_gtc,
                "segment": session.segment,
                "message_types": list(session.message_types),
                "markets": list(session.markets),
                "read_only": session.read_only,
            }
        )
    return rows


def _segments(view: ShardView, _filters: Filters) -> list[Row]:
    return [
        {
            "segment": segment.name,
            "message_types": list(segment.message_types),
            "markets": list(segment.markets),
            "read_only": segment.read_only,
            "limits": {key: LIMIT_VALUES[key][1](value) for key, value in segment.limits.items()},
        }
        for _, segment in sorted(view.segments.items())
    ]


def _series(view: ShardView, _filters: Filters) -> list[Row]:
    return [
        {
            "series": series.name,
            "taker_rate": v.format_decimal(series.taker_rate, v.RATE_PLACES, shown=2),
            "maker_rate": v.format_decimal(series.maker_rate, v.RATE_PLACES, shown=2),
            "multiplier": v.format_decimal(series.multiplier, MULTIPLIER_PLACES, shown=0),
        }
        for _, series in sorted(view.series.items())
    ]


def _limits(view: ShardView, filters: Filters) -> list[Row]:
    return [
        {
            "scope": event.scope,
            "name": event.name,
            "limits": {
                key: LIMIT_VALUES[key][1](value) for key, value in event.limits.items() if value
            },
            "expires_at": v.format_time(event.expires_at),
        }
        for (scope, named), event in sorted(view.limits.items())
        if filters.get("scope") in {None, scope} and filters.get("name") in {None, named}
    ]


def _history(view: ShardView, filters: Filters) -> list[Row]:
    wanted = filters.get("operator")
    chosen = [event for event in view.answers.values() if wanted in {None, event.operator}]
    return [
        {
            "at": v.format_time(event.at),
            "operator": event.operator,
            "command": event.command,
            "outcome": event.reason or "done",
            "why": event.why,
            "detail": event.detail,
            "request_id": event.request_id,
        }
        for event in _last(chosen, filters)
    ]


def _last(found: list[T], filters: Filters) -> list[T]:
    """As many as were asked for."""
    return found[max(0, len(found) - filters.get("rows", HISTORY_ROWS)) :]


def exchange_row(view: ShardView) -> Row:
    """One line about a shard as its events tell it; ``status`` adds what the store tells."""
    exchange = view.exchange
    return {
        "trading": trading_text(view),
        "trading_day": exchange.trading_day if exchange else 0,
        "maintenance": maintenance_text(view),
        "event": view.number,
        "event_at": v.format_time(view.at),
        "markets": _count_markets(view),
        "firms": len(view.firms),
        "accounts": len(view.accounts),
        "open_orders": len(view.holds),
        "sessions": len(view.sessions),
        "sessions_up": sum(connection.is_open for connection in view.connections.values()),
    }


def maintenance_text(view: ShardView) -> str:
    """The window that is announced or lasts, "" if there is none."""
    window = view.maintenance
    if window is None:
        return ""
    since, until = v.format_time(window.starts_at), v.format_time(window.ends_at)
    return f"{window.phase} from {since} until {until} {window.text}".rstrip()


def trading_text(view: ShardView) -> str:
    """open, paused, killed or draining."""
    if view.exchange is None:
        return "open"
    if view.exchange.killed:
        return "killed"
    return "paused" if view.exchange.paused else "open"


def _count_markets(view: ShardView) -> dict[str, int]:
    counts: dict[str, int] = {}
    for market in view.markets.values():
        status = market.definition.status
        counts[status] = counts.get(status, 0) + 1
    return dict(sorted(counts.items()))


READINGS: Final[dict[str, Reading]] = {
    "markets.list": Reading(
        rows=_markets, filters=(Field("symbol", symbol), Field("status", name))
    ),
    "accounts.show": Reading(
        rows=_accounts, filters=(Field("account", name), Field("firm", name)), join=_side_by_side
    ),
    "firms.list": Reading(rows=_firms),
    "sessions.list": Reading(rows=_sessions, filters=(Field("firm", name),)),
    "segments.list": Reading(rows=_segments),
    "series.list": Reading(rows=_series),
    "limits.show": Reading(
        rows=_limits,
        filters=(Field("scope", one_of("firm", "account", "session")), Field("name", name)),
    ),
    "history": Reading(
        rows=_history, filters=(Field("operator", name), Field("rows", count)), join=_newest_last
    ),
    CHECK: Reading(rows=lambda _view, _filters: []),
    STATUS: Reading(rows=lambda view, _filters: [exchange_row(view)]),
}
