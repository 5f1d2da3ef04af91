from datetime import UTC, datetime

import pytest

from kalshi_fix.adapters.trading_day import TradingDay, trading_day
from kalshi_fix.model import NANOS

HOUR = 3_600 * NANOS


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NANOS


@pytest.mark.parametrize(
    ("at", "date", "ends_at"),
    [
        ("2026-07-01T12:00:00", 20260701, "2026-07-02T04:00:00"),
        ("2026-12-01T12:00:00", 20261201, "2026-12-02T05:00:00"),
        ("2026-12-02T04:59:59", 20261201, "2026-12-02T05:00:00"),
        ("2026-12-02T05:00:00", 20261202, "2026-12-03T05:00:00"),
        ("2026-12-31T23:00:00", 20261231, "2027-01-01T05:00:00"),
        # clocks go forward at 2026-03-08 02:00, back at 2026-11-01 02:00
        ("2026-03-08T05:00:00", 20260308, "2026-03-09T04:00:00"),
        ("2026-03-09T03:59:59", 20260308, "2026-03-09T04:00:00"),
        ("2026-11-01T04:00:00", 20261101, "2026-11-02T05:00:00"),
        ("2026-11-01T06:30:00", 20261101, "2026-11-02T05:00:00"),
    ],
)
def test_the_day_is_new_york_s_calendar_date(at: str, date: int, ends_at: str) -> None:
    assert trading_day(utc(at)) == TradingDay(date, utc(ends_at))


@pytest.mark.parametrize(("day", "hours"), [("2026-03-08", 23), ("2026-11-01", 25)])
def test_change_days_have_23_and_25_hours(day: str, hours: int) -> None:
    noon = utc(f"{day}T17:00:00")
    ends_at = trading_day(noon).ends_at
    begins_at = trading_day(noon - 24 * HOUR).ends_at
    assert ends_at - begins_at == hours * HOUR


def test_a_day_ends_exactly_where_the_next_begins() -> None:
    ends_at = trading_day(utc("2026-11-22T12:00:00")).ends_at
    assert trading_day(ends_at - 1).date == 20261122
    assert trading_day(ends_at).date == 20261123
