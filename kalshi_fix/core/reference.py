"""Reference data: firms, accounts, sessions, series, markets; and money in and out.

Definitions are idempotent: one that exists is changed, never made twice. Who owns what cannot
change: a firm's orders and money would change hands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kalshi_fix.core import ending, ledger, lifecycle, plain, switches
from kalshi_fix.core.answers import DONE, AdminReason, Answer
from kalshi_fix.core.book import Ladder, make_ladder, regrid
from kalshi_fix.core.limits import NAMES as LIMIT_NAMES
from kalshi_fix.core.limits import Limits
from kalshi_fix.core.market import Market, Series
from kalshi_fix.core.parties import NO_SEGMENT, Account, Firm, Segment, Session
from kalshi_fix.messages.amounts import (
    format_limit,
    format_money,
    format_price,
    format_price_range,
)
from kalshi_fix.messages.events import AccountChanged, SegmentChanged, SeriesChanged
from kalshi_fix.model import Reason, Role, Scope

if TYPE_CHECKING:
    from kalshi_fix.core.state import State
    from kalshi_fix.messages import commands as c

# the fee schedule of a series nobody defined
TAKER_RATE: Final = 70_000
MAKER_RATE: Final = 0
MULTIPLIER: Final = 100

_ROLES = frozenset(Role)
_CANCEL_SCOPES = frozenset({Scope.SESSION, Scope.FIRM})
_FIRST_STATES = frozenset({plain.INITIALIZED, plain.ACTIVE, plain.PAUSED})


def define_firm(state: State, command: c.DefineFirm) -> Answer:
    """Carries out DefineFirm."""
    firm = state.firms.get(command.firm)
    if firm is None:
        if not command.firm:
            return AdminReason.INVALID_VALUE, "a firm needs a name"
        firm = Firm(command.firm, "", Limits(Scope.FIRM.value, command.firm))
        state.firms[firm.name] = firm
    firm.jurisdiction = command.jurisdiction
    firm.roles = tuple(command.roles)
    state.forget_desks()
    switches.report_firm(state, firm)
    return DONE


def define_account(state: State, command: c.DefineAccount) -> Answer:
    """Carries out DefineAccount."""
    firm = state.firms.get(command.firm)
    if firm is None or not command.account:
        return AdminReason.UNKNOWN_NAME, f"firm {command.firm}"
    account = state.accounts.get(command.account)
    if account is None:
        limits = Limits(Scope.ACCOUNT.value, command.account)
        account = Account(command.account, firm, "", limits)
        state.accounts[account.name] = account
        firm.accounts[account.name] = account
    elif account.firm is not firm:
        return AdminReason.INVALID_VALUE, f"account {account.name} is of firm {account.firm.name}"
    account.own_jurisdiction = command.jurisdiction
    for session in firm.sessions.values():
        session.desks.clear()
    state.out.append(
        AccountChanged(
            state.next_number(), state.at, account.name, firm.name, account.own_jurisdiction
        )
    )
    return DONE


def define_session(state: State, command: c.DefineSession) -> Answer:
    """Carries out DefineSession. Disabling one cancels its orders."""
    firm = state.firms.get(command.firm)
    if firm is None or not command.session:
        return AdminReason.UNKNOWN_NAME, f"firm {command.firm}"
    fault = _session_fault(state, firm, command)
    if fault is not None:
        return fault
    session = state.sessions.get(command.session)
    if session is None:
        limits = Limits(Scope.SESSION.value, command.session)
        session = Session(command.session, "", "", command.role, firm, (), limits)
        state.sessions[session.name] = session
        firm.sessions[session.name] = session
    elif session.firm is not firm:
        return AdminReason.INVALID_VALUE, f"session {session.name} is of firm {session.firm.name}"
    session.sender_comp_id = command.sender_comp_id
    session.target_comp_id = command.target_comp_id
    session.role = str(Role(command.role).value)
    session.accounts = tuple(command.accounts)
    session.enabled = command.enabled
    session.cancel_on_disconnect_default = command.cancel_on_disconnect
    session.max_order_age = command.max_order_age
    session.segment = state.segments.get(command.segment, NO_SEGMENT)
    session.message_types = tuple(command.message_types)
    session.markets = tuple(command.markets)
    session.read_only = command.read_only
    session.cancel_scope = str(command.cancel_scope)
    session.cancel_keeps_gtc = command.cancel_keeps_gtc
    session.desks.clear()
    switches.report_session(state, session)
    if not session.enabled:
        ending.cancel_many(state, list(session.open.values()), Reason.OPERATOR_CANCEL.value)
    return DONE


def _session_fault(state: State, firm: Firm, command: c.DefineSession) -> Answer | None:
    """What a session's definition names that is not there, or that its firm may not have."""
    if command.role not in _ROLES or (firm.roles and command.role not in firm.roles):
        return AdminReason.INVALID_VALUE, f"role {command.role}"
    if command.cancel_scope not in _CANCEL_SCOPES:
        return AdminReason.INVALID_VALUE, f"cancel_scope {command.cancel_scope}"
    if command.segment and command.segment not in state.segments:
        return AdminReason.UNKNOWN_NAME, f"segment {command.segment}"
    for name in command.accounts:
        account = state.accounts.get(name)
        if account is None or account.firm is not firm:
            return AdminReason.UNKNOWN_NAME, f"account {name} of firm {firm.name}"
    return None


def define_segment(state: State, command: c.DefineSegment) -> Answer:
    """Carries out DefineSegment; every session of the segment is published again."""
    if not command.segment:
        return AdminReason.INVALID_VALUE, "a segment needs a name"
    for name, value in command.limits.items():
        if name not in LIMIT_NAMES or value < 0:
            return AdminReason.INVALID_VALUE, format_limit(name, value)
    segment = state.segments.get(command.segment)
    if segment is None:
        segment = state.segments[command.segment] = Segment(command.segment)
    segment.message_types = tuple(command.message_types)
    segment.markets = tuple(command.markets)
    segment.read_only = command.read_only
    segment.limits = {name: value for name, value in command.limits.items() if value}
    state.forget_desks()
    state.out.append(
        SegmentChanged(
            state.next_number(),
            state.at,
            segment.name,
            segment.message_types,
            segment.markets,
            segment.read_only,
            dict(segment.limits),
        )
    )
    for session in state.sessions.values():
        if session.segment is segment:
            switches.report_session(state, session)
    return DONE


def define_series(state: State, command: c.DefineSeries) -> Answer:
    """Carries out DefineSeries. Orders keep the schedule they were accepted with."""
    if not command.series or command.multiplier < 0 or command.taker_rate < 0:
        return AdminReason.INVALID_VALUE, "a taker's rate and the multiplier are not negative"
    if command.taker_rate + min(command.maker_rate, 0) < 0:
        return AdminReason.INVALID_VALUE, "a rebate cannot exceed the taker's fee"
    series = Series(command.series, command.taker_rate, command.maker_rate, command.multiplier)
    state.series[series.name] = series
    for market in state.markets.values():
        if market.series.name == series.name:
            market.series = series
    _report_series(state, series)
    return DONE


def _report_series(state: State, series: Series) -> None:
    state.out.append(
        SeriesChanged(
            state.next_number(),
            state.at,
            series.name,
            series.taker_rate,
            series.maker_rate,
            series.multiplier,
        )
    )


def ladder_of(state: State, ranges: tuple[tuple[int, int, int], ...]) -> Ladder | None:
    """The ladder of price ranges, shared by all markets that have the same."""
    key = tuple((int(start), int(end), int(step)) for start, end, step in ranges)
    found = state.ladders.get(key)
    if found is None:
        found = make_ladder(key)
        if found is not None:
            state.ladders[key] = found
    return found


def define_market(state: State, command: c.DefineMarket) -> Answer:
    """Carries out DefineMarket. A finer grid keeps resting orders; one they do not fit does not."""
    ladder = ladder_of(state, command.price_ranges)
    if ladder is None or not command.symbol:
        ranges = " ".join(format_price_range(each) for each in command.price_ranges)
        return AdminReason.INVALID_VALUE, f"price ranges {ranges}"
    series = state.series.get(command.series)
    if series is None:
        series = Series(command.series, TAKER_RATE, MAKER_RATE, MULTIPLIER)
        state.series[command.series] = series
        _report_series(state, series)
    market = state.markets.get(command.symbol)
    if market is None:
        if command.status not in _FIRST_STATES:
            return AdminReason.INVALID_VALUE, f"a market cannot begin as {command.status}"
        market = _new_market(state, command, series, ladder)
    else:
        for side in (market.bids, market.offers):
            for level in side.occupied():
                if level.price not in ladder.index:
                    return AdminReason.OFF_GRID, f"orders rest at {format_price(level.price)}"
        market.event_ticker = command.event_ticker
        market.series = series
        market.title = command.title
        if market.ladder is not ladder:
            market.ladder = ladder
            regrid(market.bids, ladder)
            regrid(market.offers, ladder)
    _set_terms(market, command)
    lifecycle.set_timer(state, market)
    market.refresh_refusal(state.standstill)
    lifecycle.report(state, market, command.why)
    return DONE


def _new_market(state: State, command: c.DefineMarket, series: Series, ladder: Ladder) -> Market:
    status = command.status
    if status == plain.ACTIVE and command.open_at > state.at:
        status = plain.INITIALIZED
    market = Market(
        command.symbol,
        command.event_ticker,
        series,
        command.title,
        ladder,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        (),
        str(status),
    )  # fmt: skip - the terms follow
    state.markets[market.symbol] = market
    return market


def _set_terms(market: Market, command: c.DefineMarket) -> None:
    market.open_at = command.open_at
    market.close_at = command.close_at
    market.expected_expiry_at = command.expected_expiry_at
    market.settlement_timer = command.settlement_timer
    market.position_limit = command.position_limit
    market.price_band = command.price_band
    market.halt_band = command.halt_band
    market.halt_window = command.halt_window
    market.halt_time = command.halt_time
    market.excluded = tuple(command.jurisdictions_excluded)


def deposit(state: State, command: c.Deposit) -> Answer:
    """Carries out Deposit."""
    account = state.accounts.get(command.account)
    if account is None:
        return AdminReason.UNKNOWN_NAME, f"account {command.account}"
    if command.amount <= 0:
        return AdminReason.INVALID_VALUE, f"amount {format_money(command.amount)}"
    ledger.credit(state, account, command.amount, command.why or "DEPOSIT")
    return DONE


def withdraw(state: State, command: c.Withdraw) -> Answer:
    """Carries out Withdraw: free cash only."""
    account = state.accounts.get(command.account)
    if account is None:
        return AdminReason.UNKNOWN_NAME, f"account {command.account}"
    if command.amount <= 0:
        return AdminReason.INVALID_VALUE, f"amount {format_money(command.amount)}"
    if command.amount > account.cash:
        return AdminReason.INSUFFICIENT_BALANCE, f"free cash is {format_money(account.cash)}"
    ledger.credit(state, account, -command.amount, command.why or "WITHDRAWAL")
    return DONE
