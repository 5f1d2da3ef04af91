"""The trading day: the America/New_York calendar date, and the instant of its next local midnight.

The core knows no time zone; a process computes this and appends StartTradingDay. Takes the time as
an argument and reads no clock.
"""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from attrs import frozen

from kalshi_fix.model import NANOS

ZONE: Final = ZoneInfo("America/New_York")


@frozen
class TradingDay:
    """``date`` is yyyymmdd; ``ends_at`` in ns UTC. 23 or 25 hours long on the change days."""

    date: int
    ends_at: int


def trading_day(at: int) -> TradingDay:
    """The trading day of an instant in ns UTC."""
    local = datetime.fromtimestamp(at // NANOS, UTC).astimezone(ZONE)
    midnight = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), ZONE)
    date = local.year * 10_000 + local.month * 100 + local.day
    return TradingDay(date, int(midnight.timestamp()) * NANOS)
