"""Questions a client may ask: orders, positions, collateral. They change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kalshi_fix.core import lookup, plain
from kalshi_fix.messages.events import CollateralReported, PositionsReported, StatusReported
from kalshi_fix.model import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kalshi_fix.core.market import Market
    from kalshi_fix.core.order import Order
    from kalshi_fix.core.parties import Account, Session
    from kalshi_fix.core.state import State
    from kalshi_fix.messages.commands import (
        CancelOrder,
        NewOrder,
        QueryCollateral,
        QueryOrder,
        QueryOrders,
        QueryPositions,
        ReplaceOrder,
    )

    Request = NewOrder | CancelOrder | ReplaceOrder


def report_status(  # noqa: PLR0917 - the fields of a status report
    state: State,
    session: Session,
    order: Order,
    request_id: str,
    total: int = 1,
    last: bool = True,
    mass: bool = False,
    everywhere: tuple[int, ...] = (),
) -> None:
    """Reports an order as it is, without anything having happened to it."""
    terms = order.terms
    state.out.append(
        StatusReported(
            state.next_number(),
            state.at,
            session.firm.name,
            session.name,
            mass,
            request_id,
            order.cl_ord_id,
            terms.symbol,
            terms.side,
            total,
            last,
            "",
            terms,
            order.status,
            order.cum,
            order.leaves,
            order.notional,
            everywhere,
        )
    )


def _report_nothing(
    state: State, session: Session, command: QueryOrder | QueryOrders, cl_ord_id: str
) -> None:
    """There is no such order (H), or there are none at all (AF: without a ClOrdID)."""
    reason = Reason.UNKNOWN_ORDER if cl_ord_id else Reason.NO_OPEN_ORDERS
    state.out.append(
        StatusReported(
            state.next_number(),
            state.at,
            session.firm.name,
            session.name,
            not cl_ord_id,
            command.request_id,
            cl_ord_id,
            command.symbol,
            command.side,
            0,
            True,
            reason.value,
            None,
            plain.REJECTED,
            0,
            0,
            0,
            command.everywhere,
        )
    )


def is_answered_repeat(state: State, session: Session, command: Request) -> bool:
    """A message the client marks as a repeat, of a request already processed.

    PossDup: its outcome has been reported, nothing is said. PossResend: the order's status is.
    """
    order = lookup.known(state, session.firm, command.cl_ord_id)
    if order is None:
        return False
    if command.repeat == plain.POSS_RESEND:
        report_status(state, session, order, "")
    return True


def query_order(state: State, session: Session, command: QueryOrder) -> None:
    """Carries out OrderStatusRequest (H)."""
    if command.order_id:
        order = _by_order_id(session, command)
    else:
        order = lookup.known(state, session.firm, command.cl_ord_id)
        if order is not None and order.session is not session and not command.firm_scope:
            order = None
    if order is None:
        _report_nothing(state, session, command, command.cl_ord_id or "NONE")
    else:
        report_status(state, session, order, command.request_id, everywhere=command.everywhere)


def _by_order_id(session: Session, command: QueryOrder) -> Order | None:
    sessions: Iterable[Session] = (
        session.firm.sessions.values() if command.firm_scope else (session,)
    )
    for each in sessions:
        for orders in (each.open, each.ended, each.ended_before):
            if command.order_id in orders:
                return orders[command.order_id]
    return None


def query_orders(state: State, session: Session, command: QueryOrders) -> None:
    """Carries out OrderMassStatusRequest (AF): one report per open order."""
    symbol = command.symbol if command.request_type == 1 else ""
    found = lookup.select(
        lookup.in_scope(session, command.firm_scope), symbol, command.side, command.account
    )
    if not found:
        _report_nothing(state, session, command, "")
    for place, order in enumerate(found, 1):
        report_status(
            state,
            session,
            order,
            command.request_id,
            len(found),
            place == len(found),
            mass=True,
            everywhere=command.everywhere,
        )


def price_of(market: Market) -> tuple[int, int, bool]:
    """The price a position is shown at, the one before it, and whether it is a last trade."""
    if market.last_price:
        return market.last_price, market.previous_price, True
    if market.value >= 0 and market.status == plain.SETTLED:
        return market.value, market.previous_value, False
    return 0, 0, False


def query_positions(state: State, session: Session, command: QueryPositions) -> None:
    """Carries out RequestForPositions (AN)."""
    account = state.desk(session, command.account).account
    rows: list[tuple[str, int, int, int, bool]] = []
    if account is not None:
        rows = [
            (symbol, position.quantity, *price_of(position.market))
            for symbol, position in sorted(account.positions.items())
            if position.quantity and command.symbol in {"", symbol}
        ]
    state.out.append(
        PositionsReported(
            state.next_number(),
            state.at,
            session.firm.name,
            session.name,
            command.request_id,
            command.account or session.default_account,
            state.date,
            account is not None,
            tuple(rows),
            command.everywhere,
        )
    )


def position_value(account: Account) -> int:
    """What an account's positions are worth at the price they are shown at, money."""
    total = 0
    for position in account.positions.values():
        price, _, _ = price_of(position.market)
        if position.quantity > 0:
            total += position.quantity * price
        elif price:
            total += -position.quantity * (plain.PRICE_UNIT - price)
    return total


def query_collateral(state: State, session: Session, command: QueryCollateral) -> None:
    """Carries out CollateralInquiry (BB)."""
    names = (command.account,) if command.account else session.accounts
    rows: list[tuple[str, int, int, int]] = []
    reason = ""
    for name in names:
        account = state.desk(session, name).account
        if account is None:
            reason = Reason.ACCOUNT_NOT_PERMITTED.value
            continue
        rows.append((account.name, account.cash, account.held, position_value(account)))
    if reason:
        rows.clear()
    state.out.append(
        CollateralReported(
            state.next_number(),
            state.at,
            session.firm.name,
            session.name,
            command.request_id,
            reason,
            tuple(rows),
            command.everywhere,
        )
    )
