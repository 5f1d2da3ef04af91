"""The FIX data types as forms of text: does a value look like its type? Meaning is not judged."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from kalshi_fix.fix.decimal_text import is_decimal
from kalshi_fix.fix.time_text import parse_date, parse_utc

_INT: Final = re.compile(r"-?\d+", re.ASCII)
_COUNT: Final = re.compile(r"\d+", re.ASCII)
_CHAR: Final = re.compile(r"[^\x01]")
_BOOLEAN: Final = re.compile(r"[YN]")
_TIME: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{3}|\.\d{6})?", re.ASCII)
_MONTH: Final = re.compile(r"\d{4}(0[1-9]|1[0-2])(\d\d|w[1-5])?", re.ASCII)
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


_FORMS: Final[Mapping[str, Callable[[str], bool]]] = {
    "INT": _matches(_INT),
    "LENGTH": _matches(_COUNT),
    "NUMINGROUP": _matches(_COUNT),
    "SEQNUM": _matches(_COUNT),
    "DAYOFMONTH": _matches(_COUNT),
    "FLOAT": is_decimal,
    "QTY": is_decimal,
    "PRICE": is_decimal,
    "PRICEOFFSET": is_decimal,
    "AMT": is_decimal,
    "PERCENTAGE": is_decimal,
    "CHAR": _matches(_CHAR),
    "BOOLEAN": _matches(_BOOLEAN),
    "UTCTIMESTAMP": lambda text: parse_utc(text) is not None,
    "UTCDATEONLY": lambda text: parse_date(text) is not None,
    "LOCALMKTDATE": lambda text: parse_date(text) is not None,
    "UTCTIMEONLY": _matches(_TIME),
    "MONTHYEAR": _matches(_MONTH),
    "CURRENCY": _matches(_CURRENCY),
    "COUNTRY": _matches(_COUNTRY),
}


def is_well_formed(fix_type: str, value: str) -> bool:
    """Whether a value has the form of its type; text types take anything."""
    form = _FORMS.get(fix_type)
    return form is None or form(value)
