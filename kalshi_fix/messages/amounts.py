"""Integers of ``kalshi_fix.model`` as the decimal text people read; exact, never rounded.

For details of operators' answers and for tables. What goes onto the wire has rules of its own.
"""

from collections.abc import Callable
from typing import Final

PRICE_PLACES: Final = 4
QUANTITY_PLACES: Final = 2
MONEY_PLACES: Final = 6


def format_decimal(value: int, places: int, shown: int | None = None) -> str:
    """Integer of ``10 ** -places`` as decimal text.

    ``shown`` is the least number of decimals (None = all ``places``); never fewer than it needs.
    """
    sign = "-" if value < 0 else ""
    whole, rest = divmod(abs(value), 10**places)
    decimals = f"{rest:0{places}d}" if places else ""
    least = places if shown is None else shown
    while len(decimals) > least and decimals.endswith("0"):
        decimals = decimals[:-1]
    return f"{sign}{whole}.{decimals}" if decimals else f"{sign}{whole}"


def format_price(price: int) -> str:
    """Price units as dollars with 4 decimals."""
    return format_decimal(price, PRICE_PLACES)


def format_quantity(quantity: int) -> str:
    """Hundredths of a contract as contracts with 2 decimals."""
    return format_decimal(quantity, QUANTITY_PLACES)


def format_money(money: int) -> str:
    """Money units as dollars: cents always, more decimals only where the value has them."""
    return format_decimal(money, MONEY_PLACES, shown=2)


def format_price_range(price_range: tuple[int, int, int]) -> str:
    """``START:END:STEP`` in dollars."""
    return ":".join(format_price(part) for part in price_range)


LIMIT_TEXTS: Final[dict[str, Callable[[int], str]]] = {
    "order_size": format_quantity,
    "order_value": format_money,
    "open_orders": str,
    "position": format_quantity,
    "exposure": format_money,
    "price_distance": format_price,
}


def format_limit(name: str, value: int) -> str:
    """``NAME=VALUE`` of a limit in the unit of its kind; a name that is none keeps its number."""
    return f"{name}={LIMIT_TEXTS.get(name, str)(value)}"
