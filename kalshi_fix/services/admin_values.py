"""Values as operators write and read them: decimal text and UTC instants, exact both ways.

Decimal text becomes the integers of ``kalshi_fix.model`` and nothing is ever rounded: one decimal
too many is an error. This module must not know which operation a value belongs to.
"""

import re
from datetime import UTC, datetime
from typing import Final

from kalshi_fix.messages.amounts import (
    MONEY_PLACES,
    PRICE_PLACES,
    QUANTITY_PLACES,
    format_decimal,
    format_money,
    format_price,
    format_price_range,
    format_quantity,
)
from kalshi_fix.model import NANOS, NANOS_PER_MS

__all__ = [
    "MAX_DIGITS",
    "RATE_PLACES",
    "InvalidValueError",
    "format_decimal",
    "format_money",
    "format_price",
    "format_price_range",
    "format_quantity",
    "format_seconds",
    "format_time",
    "parse_count",
    "parse_decimal",
    "parse_money",
    "parse_price",
    "parse_price_range",
    "parse_quantity",
    "parse_seconds",
    "parse_time",
]

RATE_PLACES: Final = 6  # fee rates, in millionths
SECOND_PLACES: Final = 9  # durations, in nanoseconds
_IDENTITY_DIGITS_MAX: Final = 18  # of an order's or a trade's number
MAX_DIGITS: Final = 15  # before the point: far above any sum of money, far below 64 bits' abuse

_DECIMAL: Final = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]+))?")


class InvalidValueError(ValueError):
    """Text is not a value of the kind asked for; the message says what is allowed."""


def parse_decimal(text: str, places: int) -> int:
    """Decimal text as an integer of ``10 ** -places``.

    Raises:
        InvalidValueError: not a decimal number, or more decimals than ``places``.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise InvalidValueError(f"{text!r} is not a decimal number")
    sign, whole, decimals = match[1], match[2], match[3] or ""
    if len(decimals) > places:
        raise InvalidValueError(f"{text!r} has more than {places} decimals")
    if len(whole) > MAX_DIGITS:
        raise InvalidValueError(f"{text!r} is too large")
    value = int(whole + decimals.ljust(places, "0"))
    return -value if sign == "-" else value


def parse_price(text: str) -> int:
    """Dollars from 0 to 1 with at most 4 decimals, in price units.

    Raises:
        InvalidValueError: anything else.
    """
    price = parse_decimal(text, PRICE_PLACES)
    if not 0 <= price <= 10**PRICE_PLACES:
        raise InvalidValueError(f"{text!r} is not between 0 and 1 dollar")
    return price


def parse_quantity(text: str) -> int:
    """Contracts, not negative, with at most 2 decimals, in hundredths.

    Raises:
        InvalidValueError: anything else.
    """
    return _not_negative(text, parse_decimal(text, QUANTITY_PLACES))


def parse_money(text: str) -> int:
    """Dollars, not negative, with at most 6 decimals, in money units.

    Raises:
        InvalidValueError: anything else.
    """
    return _not_negative(text, parse_decimal(text, MONEY_PLACES))


def parse_count(text: str) -> int:
    """A whole number, not negative.

    Raises:
        InvalidValueError: anything else.
    """
    return _not_negative(text, parse_decimal(text, 0))


def parse_identity(text: str) -> int:
    """The number of an order or a trade.

    Raises:
        InvalidValueError: anything else.
    """
    if not (text.isascii() and text.isdecimal()) or len(text) > _IDENTITY_DIGITS_MAX:
        raise InvalidValueError(f"{text!r} is not an order's or a trade's number")
    return int(text)


def parse_seconds(text: str) -> int:
    """Seconds, not negative, in nanoseconds.

    Raises:
        InvalidValueError: anything else.
    """
    return _not_negative(text, parse_decimal(text, SECOND_PLACES))


def format_seconds(nanoseconds: int) -> str:
    """Nanoseconds as seconds, with the decimals the value needs."""
    return format_decimal(nanoseconds, SECOND_PLACES, shown=0)


def parse_time(text: str) -> int:
    """An instant with its zone (``2026-12-16T19:00:00Z``) in nanoseconds UTC; "" or "0" = none.

    Raises:
        InvalidValueError: not ISO 8601, or without a zone.
    """
    if text in {"", "0"}:
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidValueError(f"{text!r} is not a time like 2026-12-16T19:00:00Z")
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * NANOS + since.microseconds * 1_000


def format_time(nanoseconds: int) -> str:
    """Nanoseconds UTC as ISO 8601 with milliseconds; 0 is "" (not set)."""
    if not nanoseconds:
        return ""
    seconds, rest = divmod(nanoseconds, NANOS)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest // NANOS_PER_MS:03d}Z"


def parse_price_range(text: str) -> tuple[int, int, int]:
    """``START:END:STEP`` in dollars, in price units.

    Raises:
        InvalidValueError: not three prices, or a range that is not one.
    """
    parts = text.split(":")
    if len(parts) != 3:
        raise InvalidValueError(f"{text!r} is not a price range like 0.01:0.99:0.01")
    start, end, step = (parse_price(part) for part in parts)
    if step == 0 or start > end or (end - start) % step:
        raise InvalidValueError(f"{text!r}: the step does not lead from start to end")
    return start, end, step


def _not_negative(text: str, value: int) -> int:
    if value < 0:
        raise InvalidValueError(f"{text!r} is negative")
    return value
