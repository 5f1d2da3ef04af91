"""NewOrderSingle: identity, checks, reservation, acknowledgement, matching, rest or end.

The order of the steps is the contract: nothing is acknowledged before its cash is reserved, and
the acknowledgement comes before everything the order then causes.
"""

from __future__ import annotations

from heapq import heappush
from typing import TYPE_CHECKING

from kalshi_fix.core import book, ending, ledger, lookup, matching, plain, queries, risk
from kalshi_fix.core.order import Order
from kalshi_fix.core.parties import Position
from kalshi_fix.messages.events import OrderRejected, OrderTerms
from kalshi_fix.model import Reason

if TYPE_CHECKING:
    from kalshi_fix.core.market import Market
    from kalshi_fix.core.parties import Account, Session
    from kalshi_fix.core.state import State
    from kalshi_fix.messages.commands import NewOrder


def new_order(state: State, session: Session, command: NewOrder) -> None:
    """Carries out NewOrderSingle (D)."""
    if command.repeat and queries.is_answered_repeat(state, session, command):
        return
    desk = session.desks.get(command.account) or state.desk(session, command.account)
    market = state.markets.get(command.symbol)
    reason = desk.refusal
    account = desk.account
    if not reason and (desk.markets or (market is not None and market.excluded)):
        reason = risk.entitlement(desk, command.symbol, market)
    if not reason:
        if (
            command.cl_ord_id in session.firm.ids
            and lookup.known(state, session.firm, command.cl_ord_id) is not None
        ):
            reason = Reason.ORDER_ALREADY_EXISTS.value
        elif state.clock - command.sent_at > session.max_order_age and risk.is_stale(
            state, session, command.sent_at
        ):
            reason = Reason.STALE_ORDER.value
        else:
            reason = risk.check_order(state, desk, command, market)
    if command.faults:
        reason = risk.merge_faults(reason, command.faults)
    if reason or account is None or market is None:
        reject(state, session, command, reason)
        return
    order = _make(state, session, account, market, command)
    hold = ledger.order_hold(order)
    if hold > account.cash:
        reject(state, session, command, Reason.INSUFFICIENT_BALANCE.value)
        return
    _accept(state, order, hold)
    _execute(state, order, command)


def reject(state: State, session: Session, command: NewOrder, reason: str) -> None:
    """Answers a refused order."""
    state.out.append(
        OrderRejected(
            state.next_number(),
            state.at,
            session.firm.name,
            session.name,
            command.cl_ord_id,
            command.symbol,
            command.side,
            reason,
            command.as_sent,
        )
    )


def _make(
    state: State, session: Session, account: Account, market: Market, command: NewOrder
) -> Order:
    """The order a command stands for; nothing knows it yet."""
    is_buy = command.side == plain.BUY
    price = command.price
    time_in_force = command.time_in_force
    if command.ord_type == plain.MARKET:
        price = market.ladder.highest if is_buy else market.ladder.lowest
        if time_in_force == plain.GTC:
            time_in_force = plain.IOC
    expire_at = deadline = 0
    if time_in_force == plain.GTD:
        expire_at = deadline = command.expire_at
    elif time_in_force == plain.DAY:
        deadline = state.day_ends_at
        expire_at = deadline - plain.NANOS_PER_MS
    position = account.positions.get(market.symbol) or Position(account, market)
    quantity = command.order_qty
    best = market.offers.best if is_buy else market.bids.best
    takes = (
        best is not None
        and (best.price <= price if is_buy else best.price >= price)
        and not command.exec_inst & plain.POST_ONLY
    )
    cover = ledger.coverable(position, is_buy) if position.quantity else 0
    series = market.series
    order_id = state.order_count + 1
    return Order(
        order_id,
        OrderTerms(
            order_id,
            session.name,
            session.firm.name,
            account.name,
            market.symbol,
            command.side,
            command.ord_type,
            quantity,
            0 if command.ord_type == plain.MARKET else price,
            time_in_force,
            expire_at,
            command.exec_inst,
            command.self_trade,
            command.group_id,
            command.cancel_on_pause,
            command.max_cost,
        ),
        session,
        session.firm,
        position,
        is_buy,
        price,
        quantity,
        command.cl_ord_id,
        0,
        min(quantity, cover),
        series.taker,
        series.maker,
        takes,
        account.groups[command.group_id] if command.group_id else None,
        deadline,
        command.max_cost > 0 or bool(command.exec_inst & plain.REDUCE_ONLY),
    )


def _accept(state: State, order: Order, hold: int) -> None:
    """Reserves the cash, makes the order known, and acknowledges it."""
    position = order.position
    account = position.account
    account.cash -= hold
    account.held += hold
    order.hold = hold
    if not position.known:
        position.known = True
        market = position.market
        account.positions[market.symbol] = market.positions[account.name] = position
    if order.lock:
        covered, order.lock = order.lock, 0
        ledger.lock(order, covered)
    leaves = order.leaves
    if order.is_buy:
        position.open_buy += leaves
    else:
        position.open_sell += leaves
    account.gross += leaves
    account.open_orders += 1
    firm = order.firm
    firm.open_orders += 1
    firm.ids[order.cl_ord_id] = order
    order_id = state.order_count = order.order_id
    order.session.open[order_id] = order
    if order.group is not None:
        order.group.orders[order_id] = order
    if order.deadline:
        set_deadline(state, order)
    ending.report(state, order, plain.EXEC_NEW)


def set_deadline(state: State, order: Order) -> None:
    """Makes ``AdvanceTime`` expire the order when its deadline comes."""
    state.expiring[order.order_id] = order
    heappush(state.deadlines, (order.deadline, order.order_id))


def _execute(state: State, order: Order, command: NewOrder) -> None:
    """Matches an accepted order; rests what may rest and cancels what may not."""
    if not (order.takes or command.exec_inst or command.max_cost) and (
        command.time_in_force == plain.GTC and command.ord_type == plain.LIMIT
    ):
        rest(state, order)
        return
    reason = _match(state, order, command.exec_inst)
    if not order.leaves:
        return
    if not reason:
        reason = _remainder(state, command)
    if reason:
        ending.cancel(state, order, reason)
    else:
        rest(state, order)


def _match(state: State, order: Order, exec_inst: int) -> str:
    """Matches an accepted order; returns why it, or what is left of it, must be cancelled."""
    if exec_inst & plain.POST_ONLY:
        crosses = matching.crosses(order.position.market, order.is_buy, order.price)
        return Reason.POST_ONLY_CROSS.value if crosses else ""
    if exec_inst and not ledger.closable(order.position, order.is_buy):
        return Reason.REDUCE_ONLY_INCREASE.value
    if not order.takes:
        return ""
    if order.terms.time_in_force != plain.FOK:
        return matching.match(state, order)
    reason = matching.fok_refusal(order)
    if not reason:
        matching.match_whole(state, order)
    return reason


def _remainder(state: State, command: NewOrder) -> str:
    """Why what could not trade may not rest, "" if it may."""
    if command.time_in_force == plain.FOK:
        return Reason.FOK_INSUFFICIENT_VOLUME.value
    if command.time_in_force == plain.GTC and command.ord_type == plain.LIMIT:
        return Reason.MAX_EXECUTION_COST.value if command.max_cost else ""
    if risk.is_immediate(state, command):
        return Reason.IMMEDIATE_OR_CANCELLED.value
    return Reason.MAX_EXECUTION_COST.value if command.max_cost else ""


def rest(state: State, order: Order) -> None:
    """Puts what is left of an order into the book."""
    market = order.position.market
    level = book.append(market.bids if order.is_buy else market.offers, order)
    if not level.touched:
        level.touched = True
        state.touched.append(level)
    bid, offer = market.bids.best, market.offers.best
    assert bid is None or offer is None or bid.price < offer.price, "the book is crossed"
