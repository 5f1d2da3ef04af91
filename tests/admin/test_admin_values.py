"""Decimal text and instants of operators, exact both ways."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi_fix.services import admin_values as v


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (v.parse_price, "0.55", 5_500),
        (v.parse_price, "1", 10_000),
        (v.parse_price, "0.0001", 1),
        (v.parse_quantity, "12.5", 1_250),
        (v.parse_money, "1000000", 1_000_000_000_000),
        (v.parse_money, "0.000001", 1),
        (v.parse_count, "7", 7),
        (v.parse_seconds, "1.5", 1_500_000_000),
        (v.parse_time, "1970-01-01T00:00:01Z", 1_000_000_000),
        (v.parse_time, "2026-12-16T14:00:00-05:00", v.parse_time("2026-12-16T19:00:00Z")),
        (v.parse_time, "", 0),
        (v.parse_price_range, "0.01:0.99:0.01", (100, 9_900, 100)),
    ],
)
def test_text_becomes_exact_integers(
    parse: Callable[[str], object], text: str, value: object
) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text", "says"),
    [
        (v.parse_price, "0.55555", "more than 4 decimals"),
        (v.parse_price, "1.01", "not between 0 and 1"),
        (v.parse_price, "-0.1", "not between 0 and 1"),
        (v.parse_quantity, "1.005", "more than 2 decimals"),
        (v.parse_money, "-1", "negative"),
        (v.parse_money, "1e6", "not a decimal number"),
        (v.parse_money, "1,000", "not a decimal number"),
        (v.parse_money, "٣", "not a decimal number"),
        (v.parse_money, "nan", "not a decimal number"),
        (v.parse_money, "9" * 16, "too large"),
        (v.parse_time, "2026-12-16T19:00:00", "not a time like"),
        (v.parse_time, "tomorrow", "not a time like"),
        (v.parse_price_range, "0.01:0.99", "not a price range"),
        (v.parse_price_range, "0.01:0.99:0.03", "does not lead"),
        (v.parse_price_range, "0.01:0.99:0", "does not lead"),
    ],
)
def test_nothing_is_rounded_or_guessed(
    parse: Callable[[str], object], text: str, says: str
) -> None:
    with pytest.raises(v.InvalidValueError, match=says):
        parse(text)


@given(st.integers(min_value=-(10**18), max_value=10**18))
def test_money_as_text_reads_back_as_itself(money: int) -> None:
    assert v.parse_decimal(v.format_money(money), v.MONEY_PLACES) == money


def test_money_shows_cents_always_and_more_only_where_there_is_more() -> None:
    shown = [v.format_money(m) for m in (0, 1_500_000, 1_234_567, -10_000, 100)]
    assert shown == ["0.00", "1.50", "1.234567", "-0.01", "0.0001"]


def test_times_are_shown_in_utc_to_the_millisecond() -> None:
    assert v.format_time(1_797_447_600_123_456_789) == "2026-12-16T19:00:00.123Z"
    assert v.format_time(0) == ""
