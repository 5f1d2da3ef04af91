"""How orders end, and the reports of what happens to an order without a trade.

An ended order has no leaves, no hold, no place in a book; it stays visible to requests until the
end of the next trading day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kalshi_fix.core import book, ledger, plain
from kalshi_fix.messages.events import Execution
from kalshi_fix.model import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kalshi_fix.core.order import Order
    from kalshi_fix.core.state import State


def report(  # noqa: PLR0917 - the fields of a report, positional because every order passes here
    state: State,
    order: Order,
    exec_type: str,
    reason: str = "",
    orig_cl_ord_id: str = "",
    requester: str = "",
) -> None:
    """Reports an order as it stands, except trades."""
    number = state.number = state.number + 1
    state.out.append(
        Execution(
            number,
            state.at,
            order.firm.name,
            exec_type,
            order.status,
            order.terms,
            order.cl_ord_id,
            orig_cl_ord_id,
            order.cum,
            order.leaves,
            order.notional,
            reason,
            0,
            0,
            0,
            plain.NO_LIQUIDITY,
            0,
            state.date,
            order.position.quantity,
            0,
            0,
            order.hold,
            0,
            0,
            requester,
        )
    )


def retire(state: State, order: Order) -> None:
    """Moves an order that has no leaves any more from the open ones to the ended ones."""
    session = order.session
    order_id = order.order_id
    del session.open[order_id]
    session.ended[order_id] = order
    order.ended_day = state.day_count
    order.firm.open_orders -= 1
    order.position.account.open_orders -= 1
    if order.deadline:
        del state.expiring[order_id]
    if order.group is not None:
        del order.group.orders[order_id]


def close(state: State, order: Order, status: str) -> None:
    """Takes an open order out of the book and frees what was reserved for it."""
    leaves = order.leaves
    if order.level is not None:
        level = book.remove(order, leaves)
        if not level.touched:
            level.touched = True
            state.touched.append(level)
    position = order.position
    if order.is_buy:
        position.open_buy -= leaves
    else:
        position.open_sell -= leaves
    account = position.account
    account.gross -= leaves
    hold = order.hold
    account.cash += hold
    account.held -= hold
    order.hold = 0
    if order.lock:
        ledger.unlock(order, order.lock)
    order.leaves = 0
    order.status = status
    retire(state, order)


def cancel(state: State, order: Order, reason: str) -> None:
    """Cancels an order nobody asked to cancel by an F or G of its own, and says why."""
    close(state, order, plain.CANCELED)
    report(state, order, plain.EXEC_CANCELED, reason)


def cancel_many(state: State, orders: Iterable[Order], reason: str) -> None:
    """Cancels orders in the order of their ids."""
    for order in sorted(orders, key=_order_id):
        cancel(state, order, reason)


def _order_id(order: Order) -> int:
    return order.order_id


def expire(state: State, order: Order) -> None:
    """Ends a day or GTD order whose time has come."""
    close(state, order, plain.EXPIRED)
    report(state, order, plain.EXEC_EXPIRED, Reason.ORDER_EXPIRED.value)
