"""Fees: rate x multiplier x quantity x P x (1 - P), rounded per fill, capped per order.

A fill's exact fee is an integer numerator over ``EXACT``; rounding up to $0.0001 is one ceiling
division, which rounds a negative fee (a rebate) toward zero by itself. An order's total may exceed
the fee of one fill of the same total by at most one cent.
"""

from typing import Final

PRICE_UNIT: Final = 10_000
STEP: Final = 100  # $0.0001 in money units
CAP: Final = 10_000  # one cent in money units
# rate (millionths) x multiplier (hundredths) x quantity (hundredths) x price x (1 - price)
# is money (millionths) x 10**12; in steps of $0.0001 that is 10**14
EXACT: Final = 10**14


def rounded(exact: int) -> int:
    """Money of an exact fee: up to the next $0.0001."""
    return -(-exact // EXACT) * STEP


def exact_fee(rate: int, quantity: int, price: int) -> int:
    """The exact fee of a fill; ``rate`` is the series' rate x its multiplier."""
    return rate * quantity * price * (PRICE_UNIT - price)


def charge(exact_before: int, charged_before: int, exact: int) -> int:
    """What one more fill costs an order that has been charged before, money."""
    fee = rounded(exact)
    room = rounded(exact_before + exact) + CAP - charged_before
    return min(fee, room)


def worst_curve(is_buy: bool, price: int) -> int:
    """The largest P x (1 - P) a fill at ``price`` or better can have."""
    half = PRICE_UNIT // 2
    if (price >= half) == is_buy:
        return half * half
    return price * (PRICE_UNIT - price)


def worst_fee(exact_before: int, charged_before: int, rate: int, curve: int, quantity: int) -> int:
    """The most that fills of up to ``quantity`` can still cost an order, money."""
    if rate <= 0 or quantity <= 0:
        return 0
    return max(0, rounded(exact_before + rate * curve * quantity) + CAP - charged_before)
