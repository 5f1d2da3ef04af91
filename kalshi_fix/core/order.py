"""An order as the exchange keeps it: what it is (terms), what happened to it, where it stands.

An order is open while it has leaves. It knows its session, firm and position directly, so that
matching never looks anything up. Cancelling or filling it is other modules' business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from kalshi_fix.core import plain

if TYPE_CHECKING:
    from kalshi_fix.core.book import Level
    from kalshi_fix.core.groups import Group
    from kalshi_fix.core.parties import Firm, Position, Session
    from kalshi_fix.messages.events import OrderTerms


@define(slots=True, eq=False, weakref_slot=False)
class Order:
    """One order. Prices, quantities and money in the units of ``kalshi_fix.model``.

    ``price`` is the limit matching obeys: of a market order the market's worst price.
    ``lock`` is the part of ``leaves`` that an opposite position already covers, ``hold`` the cash
    reserved for the rest and for fees. ``takes`` says that it met the book when it was accepted or
    last replaced, so that taker fees are possible. ``exact`` is the sum of its fees before any
    rounding (see ``fees``), ``charged`` what was charged. ``deadline`` is the instant it expires.
    ``bounded`` says that its terms limit its cost or only reduce: most orders' terms need not be
    looked at again.
    """

    order_id: int
    terms: OrderTerms
    session: Session
    firm: Firm
    position: Position
    is_buy: bool
    price: int
    leaves: int
    cl_ord_id: str
    hold: int
    lock: int
    taker_rate: int
    maker_rate: int
    takes: bool
    group: Group | None
    deadline: int
    bounded: bool = False
    cum: int = 0
    notional: int = 0
    exact: int = 0
    charged: int = 0
    status: str = plain.NEW
    past_ids: tuple[str, ...] = ()
    ended_day: int = 0
    level: Level | None = None
    prev: Order | None = None
    next: Order | None = None

    def ids(self) -> list[str]:
        """Every ClOrdID the order has had, the current one last."""
        return [*self.past_ids, self.cl_ord_id]

    def take_id(self, cl_ord_id: str) -> None:
        """Gives the order a new current ClOrdID; the old one stays known."""
        self.past_ids = (*self.past_ids, self.cl_ord_id)
        self.cl_ord_id = cl_ord_id
