"""OrderCancelReplaceRequest: quantity, price and expiry of a resting order, in one step.

Priority is kept only when the quantity goes down at the same price or only the expiry changes.
A refused request leaves the order, its hold and its priority untouched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define
from msgspec.structs import replace

from kalshi_fix.core import book, cancels, ending, ledger, matching, orders, plain, queries, risk
from kalshi_fix.messages.events import OrderTerms
from kalshi_fix.model import Reason

if TYPE_CHECKING:
    from kalshi_fix.core.order import Order
    from kalshi_fix.core.parties import Desk, Session
    from kalshi_fix.core.state import State
    from kalshi_fix.messages.commands import ReplaceOrder

_UNSUPPORTED = Reason.UNSUPPORTED_ORDER.value


@define(slots=True)
class _Expiry:
    time_in_force: int
    expire_at: int
    deadline: int


def replace_order(state: State, session: Session, command: ReplaceOrder) -> None:
    """Carries out OrderCancelReplaceRequest (G)."""
    if command.repeat and queries.is_answered_repeat(state, session, command):
        return
    order = cancels.addressed(state, session, command)
    reason = _check_identity(state, session, command, order)
    expiry = None if order is None else _new_expiry(state, order, command)
    if not reason and order is not None:
        reason = _check_change(state, session, order, command, expiry)
    if command.faults:
        reason = risk.merge_faults(reason, command.faults)
    if reason or order is None or expiry is None:
        cancels.reject(state, session, command, order, cancels.REPLACE, reason)
    elif command.order_qty == order.cum:
        order.terms = replace(order.terms, order_qty=order.cum)
        cancels.finish(state, session, command, order)
    elif not _reserve(order, command):
        reason = Reason.INSUFFICIENT_BALANCE.value
        cancels.reject(state, session, command, order, cancels.REPLACE, reason)
    else:
        _apply(state, session, order, command, expiry)


def _check_identity(
    state: State, session: Session, command: ReplaceOrder, order: Order | None
) -> str:
    """Session, ClOrdID, then the order: known by its last ClOrdID, the same, and open."""
    if not risk.may_trade(state, session):
        return Reason.SESSION_DISABLED.value
    reason = cancels.check_request(state, session, command, order)
    if reason == Reason.ORDER_ALREADY_EXISTS:
        return reason
    if risk.is_stale(state, session, command.sent_at):
        return Reason.STALE_ORDER.value
    if reason:
        return reason
    if order is not None and command.orig_cl_ord_id != order.cl_ord_id:
        return Reason.UNKNOWN_ORDER.value
    return ""


def _new_expiry(state: State, order: Order, command: ReplaceOrder) -> _Expiry | None:
    """What 59 and 126 of a G mean; None if they mean nothing we support."""
    time_in_force, expire_at = command.time_in_force, command.expire_at
    if time_in_force == plain.GTD and expire_at > state.at:
        return _Expiry(plain.GTD, expire_at, expire_at)
    if expire_at:
        return None
    if time_in_force == -1:
        terms = order.terms
        return _Expiry(terms.time_in_force, terms.expire_at, order.deadline)
    if time_in_force == plain.DAY and state.day_ends_at > state.at:
        ends_at = state.day_ends_at
        return _Expiry(plain.DAY, ends_at - plain.NANOS_PER_MS, ends_at)
    return _Expiry(plain.GTC, 0, 0) if time_in_force == plain.GTC else None


def _check_change(
    state: State, session: Session, order: Order, command: ReplaceOrder, expiry: _Expiry | None
) -> str:
    """Market and its state, attributes, price, quantity, limits."""
    market = order.position.market
    desk = state.desk(session, order.terms.account)
    not_entitled = risk.entitlement(desk, market.symbol, market)
    if not_entitled or market.refusal:
        return not_entitled or market.refusal
    if expiry is None or command.ord_type != order.terms.ord_type:
        return _UNSUPPORTED
    return (
        _check_price(desk, order, command)
        or _check_quantity(order, command)
        or _check_limits(session, desk, order, command)
    )


def _check_price(desk: Desk, order: Order, command: ReplaceOrder) -> str:
    """A price that does not change was good when it came; the grid may have changed since."""
    if command.price == order.price:
        return ""
    market = order.position.market
    reason = risk.check_price(desk, market, command.price)
    post_only = order.terms.exec_inst & plain.POST_ONLY
    if not reason and post_only and matching.crosses(market, order.is_buy, command.price):
        reason = Reason.POST_ONLY_CROSS.value
    return reason


def _check_quantity(order: Order, command: ReplaceOrder) -> str:
    if command.order_qty <= 0:
        return Reason.INVALID_QUANTITY.value
    return Reason.INVALID_AMEND_QTY.value if command.order_qty < order.cum else ""


def _check_limits(session: Session, desk: Desk, order: Order, command: ReplaceOrder) -> str:
    """Limits bind a change that adds risk; taking some away is always allowed."""
    market = order.position.market
    added = command.order_qty - order.cum - order.leaves
    if not (desk.limited or market.position_limit):
        return ""
    reason = ""
    if added > 0 or command.price != order.price:
        reason = risk.check_size(desk, order.is_buy, command.price, command.order_qty)
    if not reason and added > 0:
        account = order.position.account
        reason = risk.check_exposure(session, account, market, order.is_buy, added)
    return reason


def _reserve(order: Order, command: ReplaceOrder) -> bool:
    """Moves the order to its new price and quantity with a new hold, if the cash is there."""
    position = order.position
    account = position.account
    old = (order.price, order.leaves, order.takes, order.lock)
    leaves = command.order_qty - order.cum
    if order.lock:
        ledger.unlock(order, order.lock)
    cover = ledger.coverable(position, order.is_buy) if position.quantity else 0
    order.price = command.price
    order.leaves = leaves
    order.lock = min(leaves, cover)
    if order.price != old[0]:
        order.takes = matching.crosses(position.market, order.is_buy, order.price)
    hold = ledger.order_hold(order)
    covered, order.lock = order.lock, 0
    if hold - order.hold > account.cash:
        order.price, order.leaves, order.takes, covered = old
        ledger.lock(order, covered)
        return False
    ledger.lock(order, covered)
    account.cash -= hold - order.hold
    account.held += hold - order.hold
    order.hold = hold
    # the book and the open quantity still count the old leaves: _apply moves them
    order.leaves = old[1]
    order.price = old[0]
    return True


def _apply(
    state: State, session: Session, order: Order, command: ReplaceOrder, expiry: _Expiry
) -> None:
    leaves = command.order_qty - order.cum
    keeps_priority = command.price == order.price and leaves <= order.leaves
    _move_in_book(state, order, command.price, leaves, keeps_priority=keeps_priority)
    _renew_terms(state, order, command, expiry)
    before = order.cl_ord_id
    order.take_id(command.cl_ord_id)
    session.firm.ids[command.cl_ord_id] = order
    order.status = plain.PARTIALLY_FILLED if order.cum else plain.NEW
    requester = "" if order.session is session else session.name
    ending.report(state, order, plain.EXEC_REPLACED, "", before, requester)
    if keeps_priority:
        return
    market = order.position.market
    reason = ""
    if matching.crosses(market, order.is_buy, order.price):
        reason = matching.match(state, order)
    if order.leaves:
        if reason:
            ending.cancel(state, order, reason)
        else:
            orders.rest(state, order)


def _move_in_book(
    state: State, order: Order, price: int, leaves: int, *, keeps_priority: bool
) -> None:
    """Changes leaves and price; without priority the order leaves its queue altogether."""
    change = leaves - order.leaves
    level = order.level
    assert level is not None, "an open order rests"
    state.touch(level)
    if keeps_priority:
        level.quantity += change
    else:
        book.remove(order, order.leaves)
    order.leaves = leaves
    order.price = price
    position = order.position
    if order.is_buy:
        position.open_buy += change
    else:
        position.open_sell += change
    position.account.gross += change


def _renew_terms(state: State, order: Order, command: ReplaceOrder, expiry: _Expiry) -> None:
    old = order.terms
    order.terms = OrderTerms(
        old.order_id,
        old.session,
        old.firm,
        old.account,
        old.symbol,
        old.side,
        old.ord_type,
        command.order_qty,
        command.price,
        expiry.time_in_force,
        expiry.expire_at,
        old.exec_inst,
        old.self_trade,
        old.group_id,
        old.cancel_on_pause,
        old.max_cost,
    )
    if order.deadline != expiry.deadline:
        if order.deadline:
            del state.expiring[order.order_id]
        order.deadline = expiry.deadline
        if order.deadline:
            orders.set_deadline(state, order)
