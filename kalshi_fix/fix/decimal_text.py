"""Decimal text of the wire to whole numbers and back, exactly; a float is never made.

FIX allows leading zeros and zeros after the last decimal: ``00.500`` is ``0.5``. So decimals are
judged by value. What a number is allowed to be is for others to say, except its size: beyond
`DIGITS_MAX` digits nothing the venue trades can be meant.
"""

import re
from enum import Enum, auto
from functools import lru_cache
from typing import Final, NamedTuple

from kalshi_fix.model import MONEY_UNIT, PRICE_UNIT, QTY_UNIT

DIGITS_MAX: Final = 15
_DECIMAL: Final = re.compile(r"(-?)(?:(\d+)(?:\.(\d*))?|\.(\d+))", re.ASCII)
_PRICE_DECIMALS: Final = 4
_QTY_DECIMALS: Final = 2
_MONEY_DECIMALS: Final = 6
_NUMBERS_KEPT: Final = 4_096  # prices and quantities come again and again


class Fault(Enum):
    """Why a text is not a number of the unit asked for."""

    MISSING = auto()
    FORMAT = auto()  # not a FIX decimal at all
    DECIMALS = auto()  # finer than the unit
    NOT_POSITIVE = auto()
    TOO_LARGE = auto()


class Number(NamedTuple):
    """A number in its unit; ``value`` is 0 where there is a fault."""

    value: int
    fault: Fault | None = None


_FAULTS: Final = {fault: Number(0, fault) for fault in Fault}


@lru_cache(_NUMBERS_KEPT)
def is_decimal(text: str) -> bool:
    """Whether the text is a FIX float: digits, one point at most, a minus sign at most."""
    return _DECIMAL.fullmatch(text) is not None


def _positive(text: str, decimals: int) -> Number:
    """A number above zero with at most so many decimals, in units of the last one."""
    if not text:
        return _FAULTS[Fault.MISSING]
    found = _DECIMAL.fullmatch(text)
    if found is None:
        return _FAULTS[Fault.FORMAT]
    sign, whole, fraction, bare_fraction = found.groups()
    fraction = (fraction or bare_fraction or "").rstrip("0")
    whole = (whole or "").lstrip("0")
    if sign or not (whole or fraction):
        return _FAULTS[Fault.NOT_POSITIVE]
    if len(whole) + decimals > DIGITS_MAX:
        return _FAULTS[Fault.TOO_LARGE]
    if len(fraction) > decimals:
        return _FAULTS[Fault.DECIMALS]
    return Number(int(whole + fraction.ljust(decimals, "0")))


@lru_cache(_NUMBERS_KEPT)
def parse_price(text: str) -> Number:
    """A price in ten-thousandths of a dollar; at or above one dollar it is too large.

    That a price of more than one dollar has too many decimals as well does not matter any more.
    """
    number = _positive(text, _PRICE_DECIMALS)
    if number.fault is Fault.DECIMALS and not text.lstrip("0").startswith("."):
        return _FAULTS[Fault.TOO_LARGE]
    return _FAULTS[Fault.TOO_LARGE] if number.value >= PRICE_UNIT else number


@lru_cache(_NUMBERS_KEPT)
def parse_quantity(text: str) -> Number:
    """A quantity in hundredths of a contract."""
    return _positive(text, _QTY_DECIMALS)


def parse_money(text: str) -> Number:
    """An amount in millionths of a dollar."""
    return _positive(text, _MONEY_DECIMALS)


@lru_cache(_NUMBERS_KEPT)
def price_text(price: int) -> str:
    """Dollars with four decimals."""
    return f"{price // PRICE_UNIT}.{price % PRICE_UNIT:04}"


@lru_cache(_NUMBERS_KEPT)
def quantity_text(quantity: int) -> str:
    """Contracts with two decimals. Never negative: sides and positions have fields of their own."""
    return f"{quantity // QTY_UNIT}.{quantity % QTY_UNIT:02}"


def money_text(amount: int) -> str:
    """Dollars with four decimals, or six where four would lose something."""
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), MONEY_UNIT)
    if rest % 100:
        return f"{sign}{whole}.{rest:06}"
    return f"{sign}{whole}.{rest // 100:04}"


def average_price(notional: int, quantity: int) -> int:
    """``notional / quantity`` in price units, half up; 0 where nothing has traded."""
    return (2 * notional + quantity) // (2 * quantity) if quantity else 0
