"""OrderCancelRequest and OrderMassCancelRequest. Cancels are taken whenever an order is open.

A pause, a kill switch or a lock never stops one: getting out of the market must always work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kalshi_fix.core import ending, lookup, plain, queries, risk, switches
from kalshi_fix.messages.events import CancelRejected, MassCanceled
from kalshi_fix.model import Reason

if TYPE_CHECKING:
    from kalshi_fix.core.order import Order
    from kalshi_fix.core.parties import Session
    from kalshi_fix.core.state import State
    from kalshi_fix.messages.commands import CancelOrder, MassCancel, ReplaceOrder

    Request = CancelOrder | ReplaceOrder

CANCEL = "1"  # CxlRejResponseTo (434)
REPLACE = "2"


def cancel_order(state: State, session: Session, command: CancelOrder) -> None:
    """Carries out OrderCancelRequest (F)."""
    if command.repeat and queries.is_answered_repeat(state, session, command):
        return
    order = addressed(state, session, command)
    reason = check_request(state, session, command, order)
    if command.faults:
        reason = risk.merge_faults(reason, command.faults)
    if reason or order is None:
        reject(state, session, command, order, CANCEL, reason)
        return
    finish(state, session, command, order)


def finish(state: State, session: Session, command: Request, order: Order) -> None:
    """Cancels an order because an F (or a G down to what is filled) asks for it."""
    before = order.cl_ord_id
    ending.close(state, order, plain.CANCELED)
    order.take_id(command.cl_ord_id)
    session.firm.ids[command.cl_ord_id] = order
    requester = "" if order.session is session else session.name
    ending.report(state, order, plain.EXEC_CANCELED, "", before, requester)


def addressed(state: State, session: Session, command: Request) -> Order | None:
    """The order an F or G names by 41, if the session may act on it."""
    order = lookup.known(state, session.firm, command.orig_cl_ord_id)
    if order is None or (order.session is not session and not command.firm_scope):
        return None
    return order


def check_request(state: State, session: Session, command: Request, order: Order | None) -> str:
    """What F and G have in common: the ClOrdID is new, the order is known, the same, and open."""
    cl_ord_id = command.cl_ord_id
    firm = session.firm
    if cl_ord_id in firm.ids and lookup.known(state, firm, cl_ord_id) is not None:
        return Reason.ORDER_ALREADY_EXISTS.value
    if order is None:
        return Reason.UNKNOWN_ORDER.value
    # its position says the same as its terms, and is needed next
    position = order.position
    if (
        (command.order_id and command.order_id != order.order_id)
        or command.symbol != position.market.symbol
        or command.side != (plain.BUY if order.is_buy else plain.SELL)
        or (command.account and command.account != position.account.name)
    ):
        return Reason.ORDER_ATTRIBUTES_MISMATCH.value
    return "" if order.leaves else Reason.TOO_LATE.value


def reject(  # noqa: PLR0917 - the fields of an OrderCancelReject
    state: State,
    session: Session,
    command: Request,
    order: Order | None,
    response_to: str,
    reason: str,
) -> None:
    """Answers a refused F or G."""
    state.out.append(
        CancelRejected(
            state.next_number(),
            state.at,
            session.firm.name,
            session.name,
            command.cl_ord_id,
            command.orig_cl_ord_id,
            order.order_id if order is not None else 0,
            order.status if order is not None else plain.REJECTED,
            response_to,
            reason,
        )
    )


def mass_cancel(state: State, session: Session, command: MassCancel) -> None:
    """Carries out OrderMassCancelRequest (q): the answer first, then each order's own report."""
    reason = _check_mass_cancel(state, session, command)
    chosen: list[Order] = []
    if not reason:
        symbol = command.symbol if command.request_type == "1" else ""
        chosen = lookup.select(
            lookup.in_scope(session, command.firm_scope), symbol, command.side, command.account
        )
    state.out.append(
        MassCanceled(
            state.next_number(),
            state.at,
            session.firm.name,
            session.name,
            command.cl_ord_id,
            command.request_type,
            command.symbol,
            len(chosen),
            reason,
            command.everywhere,
        )
    )
    if reason:
        return
    if command.lock:
        switches.lock_firm(state, session.firm, locked=True)
    ending.cancel_many(state, chosen, Reason.MASS_CANCEL.value)


def _check_mass_cancel(state: State, session: Session, command: MassCancel) -> str:
    if command.request_type == "1" and command.symbol not in state.markets:
        return Reason.MARKET_NOT_FOUND.value
    if command.lock and not command.firm_scope:
        return Reason.UNSUPPORTED_ORDER.value  # a session cannot lock what is not all its own
    if command.account:
        owner = session.firm.accounts.get(command.account)
        if owner is None or not (command.firm_scope or command.account in session.accounts):
            return Reason.ACCOUNT_NOT_PERMITTED.value
    return ""
