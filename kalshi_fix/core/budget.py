"""MaxExecutionCost: how much of a match an order's budget, fees included, still allows.

Cost is what the order's fills cost at their prices (a sale costs 1 - p) plus the fees charged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kalshi_fix.core import fees, ledger, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kalshi_fix.core.order import Order


def fill_cost(order: Order, quantity: int, price: int) -> int:
    """What one more fill would add to the order's cost, money."""
    exact = fees.exact_fee(order.taker_rate, quantity, price)
    unit = price if order.is_buy else plain.PRICE_UNIT - price
    return unit * quantity + fees.charge(order.exact, order.charged, exact)


def affordable(order: Order, quantity: int, price: int) -> int:
    """The largest part of ``quantity`` that stays within the budget, in steps of 0.01.

    The cost grows with the quantity, so the largest one is found by halving.
    """
    budget = order.terms.max_cost - ledger.spent(order)
    if fill_cost(order, quantity, price) <= budget:
        return quantity
    fits, exceeds = 0, quantity
    while exceeds - fits > 1:
        middle = (fits + exceeds) // 2
        if fill_cost(order, middle, price) <= budget:
            fits = middle
        else:
            exceeds = middle
    return fits


def fits(order: Order, fills: Iterable[tuple[int, int]]) -> bool:
    """Whether fills (quantity, price), one after the other, stay within the budget."""
    cost, exact, charged = ledger.spent(order), order.exact, order.charged
    for quantity, price in fills:
        part = fees.exact_fee(order.taker_rate, quantity, price)
        fee = fees.charge(exact, charged, part)
        unit = price if order.is_buy else plain.PRICE_UNIT - price
        cost += unit * quantity + fee
        exact += part
        charged += fee
    return cost <= order.terms.max_cost
