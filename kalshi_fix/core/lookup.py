"""Finding orders: by ClOrdID, and all that a request is about.

An order is visible while it is open and until the end of the trading day after the one it ended
in; a record that is no longer visible may still lie around until it is swept away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kalshi_fix.core.order import Order
    from kalshi_fix.core.parties import Firm, Session
    from kalshi_fix.core.state import State


def known(state: State, firm: Firm, cl_ord_id: str) -> Order | None:
    """The visible order of the firm that has, or had, a ClOrdID."""
    order = firm.ids.get(cl_ord_id)
    if order is None or (not order.leaves and order.ended_day < state.day_count - 1):
        return None
    return order


def in_scope(session: Session, firm_scope: bool) -> Iterator[Order]:
    """Open orders a request of a session is about: its own, or its firm's."""
    sessions: Iterable[Session] = session.firm.sessions.values() if firm_scope else (session,)
    for each in sessions:
        yield from each.open.values()


def select(open_orders: Iterable[Order], symbol: str, side: int, account: str) -> list[Order]:
    """Orders that match what is given, in the order of their ids."""
    found = [
        order
        for order in open_orders
        if (not symbol or order.terms.symbol == symbol)
        and (not side or order.terms.side == side)
        and (not account or order.terms.account == account)
    ]
    found.sort(key=lambda order: order.order_id)
    return found
