"""Closes and opens in New York time, over a week, a year and both changes of the clock."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi_fix.model import NANOS
from kalshi_fix.services.session_calendar import Calendar

ZONE = ZoneInfo("America/New_York")
DAILY = Calendar.of(["17:00"], [], ZONE, 0)
NIGHTLY = Calendar.of(["17:00"], ["18:00"], ZONE, 0)
WEEKLY = Calendar.of(["fri 17:00"], ["sun 18:00"], ZONE, 0)
EARLY = Calendar.of(["02:30"], ["03:00"], ZONE, 0)  # a time that one night a year does not have
DOUBLED = Calendar.of(["01:30"], [], ZONE, 0)  # ... and that another has twice


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NANOS


def text(at: int) -> str:
    return datetime.fromtimestamp(at // NANOS, UTC).isoformat()[:16]


def closes(calendar: Calendar, since: str, count: int) -> list[str]:
    """Computed one after the other: each close is the first instant after the one before."""
    at, found = utc(since), []
    for _ in range(count):
        at = calendar.window(at).closes_at
        found.append(text(at))
    return found


def test_a_day_has_23_hours_when_the_clock_goes_forward() -> None:
    assert closes(DAILY, "2026-03-06T23:00", 3) == [
        "2026-03-07T22:00", "2026-03-08T21:00", "2026-03-09T21:00",
    ]  # fmt: skip


def test_a_day_has_25_hours_when_the_clock_goes_back() -> None:
    assert closes(DAILY, "2026-10-30T23:00", 3) == [
        "2026-10-31T21:00", "2026-11-01T22:00", "2026-11-02T22:00",
    ]  # fmt: skip


def test_a_week_goes_on_over_both_changes() -> None:
    assert closes(WEEKLY, "2026-03-01T12:00", 2) == ["2026-03-06T22:00", "2026-03-13T21:00"]
    assert closes(WEEKLY, "2026-10-25T12:00", 2) == ["2026-10-30T21:00", "2026-11-06T22:00"]
    assert text(WEEKLY.window(utc("2026-03-07T12:00")).opens_at) == "2026-03-08T22:00"
    assert text(WEEKLY.window(utc("2026-10-31T12:00")).opens_at) == "2026-11-01T23:00"


def test_a_time_the_night_does_not_have_comes_as_much_later_and_a_doubled_one_once() -> None:
    assert closes(EARLY, "2026-03-07T08:00", 2) == ["2026-03-08T07:30", "2026-03-09T06:30"]
    assert closes(DOUBLED, "2026-10-31T12:00", 2) == ["2026-11-01T05:30", "2026-11-02T06:30"]


@pytest.mark.parametrize(
    ("at", "is_closed", "closed_at", "opens_at", "closes_at"),
    [
        ("21:59", False, "2026-11-18T22:00", "2026-11-18T23:00", "2026-11-19T22:00"),
        ("22:00", True, "2026-11-19T22:00", "2026-11-19T23:00", "2026-11-20T22:00"),
        ("22:59", True, "2026-11-19T22:00", "2026-11-19T23:00", "2026-11-20T22:00"),
        ("23:00", False, "2026-11-19T22:00", "2026-11-19T23:00", "2026-11-20T22:00"),
    ],
)
def test_a_session_is_closed_from_a_close_to_the_next_open(
    at: str, closed_at: str, opens_at: str, closes_at: str, *, is_closed: bool
) -> None:
    window = NIGHTLY.window(utc(f"2026-11-19T{at}"))
    assert window.is_closed is is_closed
    assert text(window.closed_at) == closed_at
    assert text(window.opens_at) == opens_at
    assert text(window.closes_at) == closes_at


def test_without_opens_a_session_is_never_closed() -> None:
    window = DAILY.window(utc("2026-11-19T22:00"))
    assert not window.is_closed
    assert window.opens_at == window.closed_at == utc("2026-11-19T22:00")


@given(
    at=st.integers(utc("2025-01-01T00:00") // NANOS, utc("2030-01-01T00:00") // NANOS),
    calendar=st.sampled_from([DAILY, NIGHTLY, WEEKLY, EARLY, DOUBLED]),
)
def test_a_window_holds_for_every_instant_before_its_end(at: int, calendar: Calendar) -> None:
    window = calendar.window(at * NANOS)
    assert window.closed_at <= at * NANOS < window.until <= window.closes_at
    assert calendar.window(window.until - 1) == window
    assert calendar.window(window.until) != window
    assert window.is_closed == (window.closed_at <= at * NANOS < window.opens_at)


@pytest.mark.parametrize("bad", ["", "24:00", "5pm", "xyz 17:00", "fri", "17:60", "Fri 17:00"])
def test_what_is_no_time_is_refused_with_what_is_allowed(bad: str) -> None:
    with pytest.raises(ValueError, match="is not a time like 17:00 or fri 17:00"):
        Calendar.of([bad], [], ZONE, 0)


def test_a_calendar_closes_at_some_time() -> None:
    with pytest.raises(ValueError, match="no time at which it closes"):
        Calendar.of([], ["18:00"], ZONE, 0)
