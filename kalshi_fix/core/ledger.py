"""Money: cash, holds, the pot, fees. Every cent of the exchange moves in this module.

An account's cash is free or held. Buying YES at p holds p, selling holds 1 - p, for the part of an
order that no opposite position covers, plus the worst fee it may still cost. A trade moves what
was held into the pot; closing a position takes one dollar per contract out of it at once. So
cash + pot + fees = deposits - withdrawals, and pot = $1 x open interest, always.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from kalshi_fix.core import fees, plain
from kalshi_fix.messages.events import BalanceChanged, Execution

if TYPE_CHECKING:
    from kalshi_fix.core.order import Order
    from kalshi_fix.core.parties import Account, Position
    from kalshi_fix.core.state import State

HOLD_MOVED = "HOLD_MOVED"


@define(slots=True, eq=False)
class Ledger:
    """Totals, kept beside the accounts to check them. ``cash`` counts free and held cash."""

    cash: int = 0
    pot: int = 0
    fees: int = 0
    deposited: int = 0  # deposits - withdrawals
    moved: bool = False  # money moved since it was last asserted

    def assert_balanced(self) -> None:
        """The cheap half of the invariant, asserted after every command that moved money."""
        self.moved = False
        assert self.cash + self.pot + self.fees == self.deposited, "money appeared or vanished"


def coverable(position: Position | None, is_buy: bool) -> int:
    """How much of an opposite position is free to cover a new order."""
    if position is None:
        return 0
    quantity = -position.quantity if is_buy else position.quantity
    return quantity - position.locked if quantity > 0 else 0


def closable(position: Position | None, is_buy: bool) -> int:
    """How much an order of a side can trade before the position is flat."""
    if position is None:
        return 0
    return max(0, -position.quantity if is_buy else position.quantity)


def order_hold(order: Order) -> int:
    """What must be held for an order as it is now, money."""
    leaves = order.leaves
    if order.bounded and order.terms.exec_inst & plain.REDUCE_ONLY:
        leaves = min(leaves, closable(order.position, order.is_buy))
    unit = order.price if order.is_buy else plain.PRICE_UNIT - order.price
    hold = unit * (leaves - order.lock)
    rate = order.taker_rate if order.takes else order.maker_rate
    if rate > 0:
        hold += fee_hold(order, rate, leaves)
    if order.bounded and order.terms.max_cost:
        hold = min(hold, order.terms.max_cost - spent(order))
    return hold


def spent(order: Order) -> int:
    """What an order has cost so far: its fills at their prices, and fees."""
    paid = order.notional
    if not order.is_buy:
        paid = plain.PRICE_UNIT * order.cum - paid
    return paid + order.charged


def fee_hold(order: Order, rate: int, quantity: int) -> int:
    """The worst fee that ``quantity`` more can cost an order."""
    if order.takes:
        rate = max(rate, order.maker_rate)
        curve = fees.worst_curve(order.is_buy, order.price)
    else:
        curve = order.price * (plain.PRICE_UNIT - order.price)
    return fees.worst_fee(order.exact, order.charged, rate, curve, quantity)


def hold_again(order: Order) -> int:
    """Sets an order's hold to what its present state needs; returns the hold."""
    hold = order_hold(order)
    account = order.position.account
    change = hold - order.hold
    account.cash -= change
    account.held += change
    order.hold = hold
    return hold


def lock(order: Order, quantity: int) -> None:
    """Makes ``quantity`` of the order's opposite position cover it."""
    if quantity:
        position = order.position
        order.lock = quantity
        position.locked += quantity
        if position.covered is None:
            position.covered = {}
        position.covered[order.order_id] = order


def unlock(order: Order, quantity: int) -> None:
    """Frees ``quantity`` of the position that covers an order."""
    position = order.position
    order.lock -= quantity
    position.locked -= quantity
    if not order.lock:
        covered = position.covered
        assert covered is not None, "a locked order is a covered one"
        del covered[order.order_id]


def fit_cover(state: State, position: Position, *, turned: bool) -> None:
    """Takes cover away from open orders, the newest first, if the position became too small.

    ``turned``: it went through zero, so nothing of what covered is left. The cash for the new
    holds is there: whatever closed the position returned one dollar per contract.
    """
    excess = position.locked - (0 if turned else abs(position.quantity))
    while excess > 0:
        covered = position.covered
        assert covered, "a lock belongs to an order"
        order = covered[max(covered)]
        quantity = min(excess, order.lock)
        excess -= quantity
        unlock(order, quantity)
        hold_again(order)
        account = position.account
        assert account.cash >= 0, "closing a position pays for uncovering an order"
        state.out.append(
            BalanceChanged(
                state.next_number(),
                state.at,
                account.firm.name,
                account.name,
                0,
                account.cash,
                HOLD_MOVED,
                order.order_id,
                order.hold,
            )
        )


def move_position(
    state: State, position: Position, signed: int, price: int
) -> tuple[int, int, int]:
    """Trades ``signed`` contracts at a price against the pot.

    Returns:
        What opening cost, what closing returned (both money, never negative), and how much of an
        opposite position was closed. The caller credits the account.
    """
    held = position.quantity
    quantity = signed if signed > 0 else -signed
    unit = price if signed > 0 else plain.PRICE_UNIT - price
    if held == 0 or (held > 0) == (signed > 0):
        closed = 0
    else:
        closed = min(quantity, held if held > 0 else -held)
    now = position.quantity = held + signed
    paid = unit * (quantity - closed)
    payout = (plain.PRICE_UNIT - unit) * closed
    state.ledger.pot += paid - payout
    market = position.market
    if now > 0:
        market.open_interest += now
    if held > 0:
        market.open_interest -= held
    position.account.gross += quantity - 2 * closed
    return paid, payout, closed


def fill(  # noqa: PLR0917 - the fields of a trade
    state: State, order: Order, quantity: int, price: int, liquidity: int, trade_id: int
) -> tuple[int, int]:
    """One side of a trade: position, cash, fee, lock and hold of an order, and its report.

    Returns:
        The exact fee (see ``fees``) and the fee charged.
    """
    position = order.position
    account = position.account
    paid, payout, closed = move_position(
        state, position, quantity if order.is_buy else -quantity, price
    )
    rate = order.maker_rate if liquidity == plain.MAKER else order.taker_rate
    exact, fee = _charge(state, order, rate, quantity, price) if rate else (0, 0)
    change = payout - paid - fee
    account.gross -= quantity
    leaves = order.leaves = order.leaves - quantity
    order.cum += quantity
    order.notional += price * quantity
    if order.is_buy:
        position.open_buy -= quantity
    else:
        position.open_sell -= quantity
    if order.lock:
        unlock(order, min(order.lock, quantity))
    hold = order_hold(order) if leaves else 0
    released = order.hold - hold
    account.cash += change + released
    account.held -= released
    order.hold = hold
    totals = state.ledger
    totals.cash += change
    totals.moved = True
    status = order.status = plain.PARTIALLY_FILLED if leaves else plain.FILLED
    number = state.number = state.number + 1
    state.out.append(
        Execution(
            number,
            state.at,
            order.firm.name,
            plain.EXEC_TRADE,
            status,
            order.terms,
            order.cl_ord_id,
            "",
            order.cum,
            leaves,
            order.notional,
            "",
            quantity,
            price,
            trade_id,
            liquidity,
            fee,
            state.date,
            position.quantity,
            change,
            payout,
            hold,
            0,
            0,
            "",
        )
    )
    if closed and position.locked:
        fit_cover(state, position, turned=closed != quantity)
    assert account.cash >= 0, "free cash is never negative"
    return exact, fee


def _charge(state: State, order: Order, rate: int, quantity: int, price: int) -> tuple[int, int]:
    """Adds a fill to an order's fees; the exact fee and what is charged for it."""
    exact = fees.exact_fee(rate, quantity, price)
    fee = fees.charge(order.exact, order.charged, exact)
    order.exact += exact
    order.charged += fee
    state.ledger.fees += fee
    return exact, fee


def credit(state: State, account: Account, amount: int, why: str) -> None:
    """Money comes in from outside (or, negative, goes out)."""
    account.cash += amount
    state.ledger.cash += amount
    state.ledger.deposited += amount
    state.ledger.moved = True
    state.out.append(
        BalanceChanged(
            state.next_number(),
            state.at,
            account.firm.name,
            account.name,
            amount,
            account.cash,
            why,
        )
    )
