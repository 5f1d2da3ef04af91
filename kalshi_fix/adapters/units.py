"""Values as people write them in a configuration, and the integers used below.

Decimal text becomes units of `kalshi_fix.model` exactly, never through a float. Every function
raises ValueError with what is allowed.
"""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from kalshi_fix.model import MONEY_UNIT, NANOS, PRICE_UNIT, QTY_UNIT

RATE_UNIT: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def scaled(value: Any, unit: int, what: str) -> int:
    """``value`` times ``unit``, exactly.

    Raises:
        ValueError: not a decimal, or with more decimals than the unit holds.
    """
    text = value if isinstance(value, str) else None
    if isinstance(value, int) and not isinstance(value, bool):
        text = str(value)
    try:
        number = Decimal(text or "") * unit
        whole = number.to_integral_value()
    except InvalidOperation:
        raise ValueError(f'{what} as decimal text in quotes, like "0.25"') from None
    if number != whole or not number.is_finite():
        raise ValueError(f"{what} with at most {len(str(unit)) - 1} decimals")
    return int(whole)


def price(value: Any) -> int:
    """Dollars to price units."""
    return scaled(value, PRICE_UNIT, "a price in dollars")


def quantity(value: Any) -> int:
    """Contracts to hundredths."""
    return scaled(value, QTY_UNIT, "a number of contracts")


def money(value: Any) -> int:
    """Dollars to money units."""
    return scaled(value, MONEY_UNIT, "an amount in dollars")


def rate(value: Any) -> int:
    """A fee rate to millionths."""
    return scaled(value, RATE_UNIT, "a rate")


def hundredths(value: Any) -> int:
    """A fee multiplier to hundredths."""
    return scaled(value, 100, "a multiplier")


def count(value: Any) -> int:
    """A plain number."""
    return scaled(value, 1, "a whole number")


def instant(value: Any) -> int:
    """A point in time, TOML date-time or ISO text with its zone, to ns UTC. 0 = not set."""
    if value == 0:
        return 0
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        at = datetime.min  # noqa: DTZ901 - only to reach the one refusal below
    if at.tzinfo is None:
        raise ValueError("a date and time with its zone, like 2026-12-31T23:59:59Z")
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * NANOS + since.microseconds * 1_000


LIMIT_UNITS: Final = {
    "order_size": quantity,
    "order_value": money,
    "open_orders": count,
    "position": quantity,
    "exposure": money,
    "price_distance": price,
}


def limits(value: Any) -> dict[str, int]:
    """Limits by name, each in its own unit."""
    if not isinstance(value, dict):
        raise ValueError("a table of limits")  # noqa: TRY004 - one kind of refusal for config
    unknown = sorted(set(value) - set(LIMIT_UNITS))
    if unknown:
        raise ValueError(f"{unknown[0]} is not a limit; allowed are {', '.join(LIMIT_UNITS)}")
    return {name: LIMIT_UNITS[name](amount) for name, amount in value.items()}


def price_ranges(value: Any) -> tuple[tuple[int, int, int], ...]:
    """Tick ranges [start, end, step], ascending, touching, inside 0..1 dollar."""
    shape = 'a list of [start, end, step], like [["0.01", "0.99", "0.01"]]'
    if not isinstance(value, list) or not value:
        raise ValueError(shape)
    ranges: list[tuple[int, int, int]] = []
    for item in value:
        if not isinstance(item, list) or len(item) != 3:
            raise ValueError(shape)
        start, end, step = (price(part) for part in item)
        if not 0 < start < end < PRICE_UNIT or step <= 0 or (end - start) % step:
            raise ValueError("0 < start < end < 1 and whole steps between them")
        if ranges and ranges[-1][1] != start:
            raise ValueError("every range starts where the one before ends")
        ranges.append((start, end, step))
    return tuple(ranges)
