"""Is the exchange fit to open? The start-of-day checks on one shard, as far as its events tell.

A check is a row: what was looked at, ``ok``, ``warn`` (somebody should know) or ``fault`` (do not
open), and the detail. Time and calendar are arguments; what processes and the store have to say is
added by who can ask them.
"""

from collections.abc import Iterable
from typing import Final

from kalshi_fix.messages import events as e
from kalshi_fix.model import MarketStatus
from kalshi_fix.services import admin_values as v
from kalshi_fix.services.admin_reads import Row, maintenance_text, trading_text
from kalshi_fix.services.admin_view import MarketView, ShardView

OK: Final = "ok"
WARN: Final = "warn"
FAULT: Final = "fault"
NAMED_MAX: Final = 10  # names in one detail

_OPEN: Final = frozenset({MarketStatus.INITIALIZED, MarketStatus.ACTIVE, MarketStatus.PAUSED})


def check_row(check: str, result: str, detail: str = "") -> Row:
    """One line of the answer."""
    return {"check": check, "result": result, "detail": detail}


def checks_of(view: ShardView, now: int, date: int, day_ends_at: int) -> list[Row]:
    """Every check on a shard's picture.

    Args:
        view: The shard as its events tell it.
        now: The present, ns UTC.
        date: The trading day it should be, yyyymmdd.
        day_ends_at: Where that day should end, ns UTC.
    """
    return [
        _trading_day(view.exchange, date, day_ends_at),
        _trading(view),
        _maintenance(view),
        _ledger(view),
        _closing_times(view, now),
        _listed("markets paused", (name for name, m in _markets(view, MarketStatus.PAUSED))),
        _listed("determinations to confirm", _unconfirmed(view)),
        _listed("markets disputed", (name for name, m in _markets(view, MarketStatus.DISPUTED))),
        _listed("outcomes overdue", _overdue(view, now)),
        _listed("firms locked or killed", _names(view.firms.values(), "locked", "killed")),
        _listed("sessions killed", _names(view.sessions.values(), "killed")),
        _listed("limits for a time", _temporary(view)),
        _sessions_up(view),
    ]


def _trading_day(exchange: e.ExchangeChanged | None, date: int, day_ends_at: int) -> Row:
    if exchange is None:
        return check_row("trading day", FAULT, "none was ever started")
    found = f"{exchange.trading_day} until {v.format_time(exchange.day_ends_at)}"
    is_right = (exchange.trading_day, exchange.day_ends_at) == (date, day_ends_at)
    if is_right:
        return check_row("trading day", OK, found)
    wanted = f"{date} until {v.format_time(day_ends_at)}"
    return check_row("trading day", FAULT, f"it is {found}, it should be {wanted}")


def _trading(view: ShardView) -> Row:
    trading = trading_text(view)
    return check_row("trading", OK if trading == "open" else FAULT, trading)


def _maintenance(view: ShardView) -> Row:
    window = maintenance_text(view)
    if not window:
        return check_row("maintenance", OK, "none announced")
    is_closed = view.maintenance is not None and view.maintenance.phase != "announced"
    return check_row("maintenance", FAULT if is_closed else WARN, window)


def _ledger(view: ShardView) -> Row:
    """What positions and cash must satisfy, whatever happened."""
    long: dict[str, int] = {}
    total: dict[str, int] = {}
    for account in view.accounts.values():
        if account.cash < 0 or account.held < 0:
            return check_row("ledger", FAULT, f"account {account.name} is below zero")
        for symbol, position in account.positions.items():
            total[symbol] = total.get(symbol, 0) + position
            long[symbol] = long.get(symbol, 0) + max(0, position)
    for symbol, market in view.markets.items():
        if total.get(symbol, 0) or long.get(symbol, 0) != market.open_interest:
            return check_row("ledger", FAULT, f"positions in {symbol} do not add up")
    cash = sum(account.cash + account.held for account in view.accounts.values())
    pot = sum(market.open_interest for market in view.markets.values())
    detail = f"cash {v.format_money(cash)}, open interest {v.format_quantity(pot)}"
    return check_row("ledger", OK, detail)


def _closing_times(view: ShardView, now: int) -> Row:
    late = [
        name
        for name, market in sorted(view.markets.items())
        if market.definition.status in _OPEN and 0 < market.definition.close_at < now
    ]
    detail = f"open after their closing time: {_some(late)}" if late else ""
    return check_row("closing times", FAULT if late else OK, detail)


def _markets(view: ShardView, status: str) -> Iterable[tuple[str, MarketView]]:
    return ((n, m) for n, m in sorted(view.markets.items()) if m.definition.status == status)


def _unconfirmed(view: ShardView) -> Iterable[str]:
    return (n for n, m in _markets(view, MarketStatus.DETERMINED) if not m.definition.settles_at)


def _overdue(view: ShardView, now: int) -> Iterable[str]:
    return (
        name
        for name, market in _markets(view, MarketStatus.CLOSED)
        if 0 < market.definition.expected_expiry_at < now
    )


def _names(rows: Iterable[e.FirmChanged | e.SessionDefined], *flags: str) -> Iterable[str]:
    return sorted(row.name for row in rows if any(getattr(row, flag) for flag in flags))


def _temporary(view: ShardView) -> Iterable[str]:
    return (
        f"{scope} {name} until {v.format_time(limits.expires_at)}"
        for (scope, name), limits in sorted(view.limits.items())
        if limits.expires_at
    )


def _listed(check: str, names: Iterable[str]) -> Row:
    """Nothing listed is well; what is listed is worth a look."""
    found = list(names)
    return check_row(check, WARN if found else OK, _some(found))


def _sessions_up(view: ShardView) -> Row:
    enabled = sum(session.enabled for session in view.sessions.values())
    up = sum(connection.is_open for connection in view.connections.values())
    return check_row("sessions up", OK, f"{up} of {enabled}")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return ", ".join(names[:NAMED_MAX]) + more
