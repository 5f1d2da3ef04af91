"""A state from a snapshot: the reverse of ``snapshot``, plus everything it leaves out."""

from __future__ import annotations

from collections import deque
from heapq import heapify
from typing import TYPE_CHECKING, Any

from kalshi_fix.core import book, ledger, lifecycle, snapshot
from kalshi_fix.core.fees import EXACT
from kalshi_fix.core.groups import Group
from kalshi_fix.core.limits import Limits
from kalshi_fix.core.market import Market, Series, Settlement
from kalshi_fix.core.order import Order
from kalshi_fix.core.parties import (
    NO_SEGMENT,
    Account,
    Firm,
    Gateway,
    Position,
    Segment,
    Session,
)
from kalshi_fix.core.plain import REDUCE_ONLY
from kalshi_fix.core.reference import ladder_of
from kalshi_fix.core.state import State, TradeRecord
from kalshi_fix.messages.events import OrderTerms
from kalshi_fix.model import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kalshi_fix.core.config import ExchangeConfig


def restore(plain: Sequence[Any], config: ExchangeConfig) -> State:
    """The state a snapshot holds.

    Raises:
        ValueError: the snapshot is of a version this one cannot read.
    """
    if plain[0] != snapshot.VERSION:
        raise ValueError(f"snapshot of version {plain[0]}, this is {snapshot.VERSION}")
    (
        counters, totals, firms, accounts, series, markets, groups, segments, sessions, gateways,
        requests, recent, trades, trades_before,
    ) = plain[1:]  # fmt: skip
    state = State(config=config)
    # a snapshot made before the last counters were added leaves them as they are
    _set(state, snapshot.COUNTERS[: len(counters)], counters)
    state.set_clock(state.clock)
    _set(state.ledger, snapshot.LEDGER, totals)
    _parties(state, firms, accounts)
    for row in series:
        state.series[row[0]] = Series(*row)
    for row in markets:
        _market(state, row)
    for group_id, account, limit, triggered, window in groups:
        _group(state, group_id, account, limit, triggered, window)
    for name, message_types, allowed, read_only, limits in segments:
        state.segments[name] = Segment(
            name, tuple(message_types), tuple(allowed), read_only, dict(limits)
        )
    for row in sessions:
        _session(state, row)
    _books(state, markets)
    for name, boot, top, seen, alive_at in gateways:
        state.gateways[name] = Gateway(name, boot, top, int(seen, 16), alive_at)
    for request_id, reason, detail, *content in requests:  # an older snapshot knows no content
        state.requests[request_id] = (reason, detail, content[0] if content else "")
    state.recent_requests = deque((row[0], row[1]) for row in recent)
    state.trades = _trades(state, trades)
    state.trades_before = _trades(state, trades_before)
    state.deadlines = [(order.deadline, order_id) for order_id, order in state.expiring.items()]
    heapify(state.deadlines)
    return state


def _set(target: object, names: Iterable[str], values: Iterable[Any]) -> None:
    for name, value in zip(names, values, strict=True):
        setattr(target, name, tuple(value) if isinstance(value, list) else value)


def _limits(state: State, scope: Scope, name: str, row: Sequence[Any]) -> Limits:
    base, changes = row
    limits = Limits(scope.value, name, dict(base), [(end, dict(change)) for end, change in changes])
    limits.refresh(0)
    if limits.changes:
        state.expiring_limits[scope.value, name] = limits
    return limits


def _parties(state: State, firms: Iterable[Any], accounts: Iterable[Any]) -> None:
    for name, jurisdiction, locked, killed, limits, roles in firms:
        own = _limits(state, Scope.FIRM, name, limits)
        state.firms[name] = Firm(name, jurisdiction, own, locked, killed, tuple(roles))
    for name, firm_name, jurisdiction, cash, held, limits in accounts:
        firm = state.firms[firm_name]
        own = _limits(state, Scope.ACCOUNT, name, limits)
        account = Account(name, firm, jurisdiction, own, cash, held)
        state.accounts[name] = firm.accounts[name] = account


def _market(state: State, row: Sequence[Any]) -> None:
    values, series, ranges, _, positions, settlements, highs, lows = row
    ladder = ladder_of(state, ranges)
    assert ladder is not None, "a market's price ranges were checked when it was defined"
    market = Market(
        values[0], "", state.series[series], "", ladder, 0, 0, 0, 0, 0, 0, 0, 0, 0, (), ""
    )
    _set(market, snapshot.MARKET, values)
    market.settlements = [Settlement(*each) for each in settlements]
    market.highs = deque((at, price) for at, price in highs)
    market.lows = deque((at, price) for at, price in lows)
    for name, quantity, open_buy, open_sell in positions:
        account = state.accounts[name]
        position = Position(account, market, quantity, open_buy, open_sell, known=True)
        market.positions[name] = account.positions[market.symbol] = position
        account.gross += abs(quantity) + open_buy + open_sell
    market.refresh_refusal(state.standstill)
    state.markets[market.symbol] = market
    lifecycle.set_timer(state, market)


def _group(  # noqa: PLR0917 - the row of a group
    state: State,
    group_id: str,
    account: str,
    limit: int,
    triggered: bool,
    window: Iterable[Sequence[int]],
) -> None:
    group = Group(group_id, state.accounts[account], limit, triggered)
    group.window = deque((at, quantity) for at, quantity in window)
    group.matched = sum(quantity for _, quantity in group.window)
    state.groups[group_id] = group.account.groups[group_id] = group


def _session(state: State, row: Sequence[Any]) -> None:
    values, firm_name, limits, open_rows, ended, ended_before, segment = row
    firm = state.firms[firm_name]
    own = _limits(state, Scope.SESSION, values[0], limits)
    session = Session(values[0], "", "", "", firm, (), own)
    _set(session, snapshot.SESSION, values)
    session.segment = state.segments.get(segment, NO_SEGMENT)
    state.sessions[session.name] = firm.sessions[session.name] = session
    for rows, orders in (
        (open_rows, session.open),
        (ended, session.ended),
        (ended_before, session.ended_before),
    ):
        for order_row in rows:
            order = _order(state, session, order_row)
            orders[order.order_id] = order
            for cl_ord_id in order.ids():
                firm.ids[cl_ord_id] = order
    for order in session.open.values():
        _reopen(state, order)


def _order(state: State, session: Session, row: Sequence[Any]) -> Order:
    terms_row, values, past_ids, exact = row
    terms = OrderTerms(*terms_row)
    position = state.accounts[terms.account].positions[terms.symbol]
    order = Order(
        terms.order_id, terms, session, session.firm, position, terms.side == 1, 0, 0, "", 0, 0,
        0, 0, False, None, 0,
    )  # fmt: skip
    _set(order, snapshot.ORDER, values)
    order.bounded = terms.max_cost > 0 or bool(terms.exec_inst & REDUCE_ONLY)
    order.past_ids = tuple(past_ids)
    order.exact = _joined(exact)
    return order


def _joined(pair: Sequence[int]) -> int:
    """A number too large for msgpack, stored as a quotient and a rest."""
    return pair[0] * EXACT + pair[1]


def _reopen(state: State, order: Order) -> None:
    """Puts an open order back into everything that is looked up by it, except the book."""
    order.firm.open_orders += 1
    order.position.account.open_orders += 1
    if order.deadline:
        state.expiring[order.order_id] = order
    if order.terms.group_id:
        group = state.groups[order.terms.group_id]
        order.group = group
        group.orders[order.order_id] = order
    if order.lock:
        covered, order.lock = order.lock, 0
        ledger.lock(order, covered)


def _books(state: State, markets: Iterable[Any]) -> None:
    """Queues every open order where it stood."""
    orders: dict[int, Order] = {}
    for session in state.sessions.values():
        orders.update(session.open)
    for row in markets:
        market = state.markets[row[0][0]]
        for side, levels in zip((market.bids, market.offers), row[3], strict=True):
            for queue in levels:
                for order_id in queue:
                    book.append(side, orders[order_id])


def _trades(state: State, rows: Iterable[Any]) -> dict[int, TradeRecord]:
    found: dict[int, TradeRecord] = {}
    for values, symbol, maker, taker, maker_exact, taker_exact in rows:
        (
            trade_id, price, quantity, price_before, maker_fee, taker_fee, maker_number,
            taker_number, at,
        ) = values  # fmt: skip
        found[trade_id] = TradeRecord(
            trade_id, state.markets[symbol], price, quantity, price_before,
            _visible(state, maker), _visible(state, taker), _joined(maker_exact), maker_fee,
            _joined(taker_exact), taker_fee, maker_number, taker_number, at,
        )  # fmt: skip
    return found


def _visible(state: State, key: Sequence[Any]) -> Order:
    session = state.sessions[key[0]]
    order_id = key[1]
    for orders in (session.open, session.ended, session.ended_before):
        if order_id in orders:
            return orders[order_id]
    raise AssertionError("a trade's orders are visible as long as the trade is known")
