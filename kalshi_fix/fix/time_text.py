"""UTC timestamps: text of the wire to nanoseconds and back, exactly.

Calendar arithmetic only; what time it is, this module does not know.
"""

import re
from datetime import date, datetime
from functools import lru_cache
from typing import Final

from kalshi_fix.model import NANOS, NANOS_PER_MS

NANOS_MAX: Final = 2**63 - 1  # in the year 2262; what a 64-bit clock can say
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - all of FIX is UTC; naive is quicker
_EPOCH_DAY: Final = _EPOCH.toordinal()
_DAY_SECONDS: Final = 86_400
_NANOS_PER_US: Final = 1_000
_TIMESTAMP: Final = re.compile(
    r"(\d{4})(\d\d)(\d\d)-([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.(\d{1,9}))?", re.ASCII
)
# The forms everybody sends: no leap second, three decimals or six.
_COMMON: Final = re.compile(
    r"\d{8}-(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{3}(?:\d{3})?)?", re.ASCII
)
_DATE: Final = re.compile(r"(\d{4})(\d\d)(\d\d)", re.ASCII)
_YEAR_MIN: Final = 1970
_TEXTS_KEPT: Final = 256  # a message says its time twice, and its neighbours the same one


def utc_text(at: int, *, microseconds: bool = False) -> str:
    """``YYYYMMDD-HH:MM:SS.mmm`` (or six decimals) of nanoseconds since the epoch.

    Digits below the last one shown are cut off, not rounded: a time never lies in the future.
    """
    seconds, nanos = divmod(at, NANOS)
    if microseconds:
        return f"{_second_text(seconds)}{nanos // _NANOS_PER_US:06}"
    return f"{_second_text(seconds)}{nanos // NANOS_PER_MS:03}"


@lru_cache(_TEXTS_KEPT)
def _second_text(seconds: int) -> str:
    """Up to the decimal point."""
    days, second = divmod(seconds, _DAY_SECONDS)
    day = date.fromordinal(_EPOCH_DAY + days)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    return f"{day.year:04}{day.month:02}{day.day:02}-{hour:02}:{minute:02}:{second:02}."


@lru_cache(_TEXTS_KEPT)
def parse_utc(text: str) -> int | None:
    """Nanoseconds since the epoch, or None where the text is not a UTC timestamp.

    Zero to nine decimals are read. A leap second (``:60``) is the instant after ``:59``.
    """
    if _COMMON.fullmatch(text):
        return _parse_common(text)
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    days = _days(year, month, day)
    if days is None:
        return None
    fraction = found[7]
    nanos = int(fraction.ljust(9, "0")) if fraction else 0
    return (((days * 24 + hour) * 60 + minute) * 60 + second) * NANOS + nanos


def _parse_common(text: str) -> int | None:
    """The same for the forms everybody sends, five times quicker."""
    try:
        since = datetime.fromisoformat(text) - _EPOCH
    except ValueError:
        return None
    if since.days < 0:
        return None
    seconds = since.days * _DAY_SECONDS + since.seconds
    return seconds * NANOS + since.microseconds * _NANOS_PER_US


def parse_date(text: str) -> int | None:
    """``YYYYMMDD`` as a number, or None where it is not a day of the calendar."""
    found = _DATE.fullmatch(text)
    if found is None or _days(*map(int, found.groups())) is None:
        return None
    return int(text)


def _days(year: int, month: int, day: int) -> int | None:
    """Days since the epoch; None for a day that does not exist or lies before it."""
    if year < _YEAR_MIN:
        return None
    try:
        return date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
