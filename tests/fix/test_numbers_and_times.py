"""Text to whole numbers and back, exactly."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi_fix.fix.decimal_text import (
    Fault,
    average_price,
    is_decimal,
    money_text,
    parse_money,
    parse_price,
    parse_quantity,
    price_text,
    quantity_text,
)  # fmt: skip
from kalshi_fix.fix.time_text import parse_date, parse_utc, utc_text
from kalshi_fix.model import NANOS


@pytest.mark.parametrize(
    ("text", "value", "fault"),
    [
        ("0.55", 5_500, None), ("00.5500", 5_500, None), (".0001", 1, None),
        ("0.9999", 9_999, None),
        ("0.550000", 5_500, None),  # zeros after the last decimal mean nothing in FIX
        ("", 0, Fault.MISSING), ("0", 0, Fault.NOT_POSITIVE), ("-0.5", 0, Fault.NOT_POSITIVE),
        ("-0.12345", 0, Fault.NOT_POSITIVE), ("0.12345", 0, Fault.DECIMALS),
        ("1", 0, Fault.TOO_LARGE), ("1.00001", 0, Fault.TOO_LARGE), ("55", 0, Fault.TOO_LARGE),
        ("9" * 40, 0, Fault.TOO_LARGE), ("1e-1", 0, Fault.FORMAT), ("+0.5", 0, Fault.FORMAT),
        ("0.5.5", 0, Fault.FORMAT), (".", 0, Fault.FORMAT), ("-", 0, Fault.FORMAT),
        ("nan", 0, Fault.FORMAT), ("0,5", 0, Fault.FORMAT), (" 0.5", 0, Fault.FORMAT),
        ("\u0660.\u0665", 0, Fault.FORMAT),  # digits, but not FIX's
    ],
)  # fmt: skip
def test_prices(text: str, value: int, fault: Fault | None) -> None:
    number = parse_price(text)
    assert (number.fault, number.value if fault is None else 0) == (fault, value)


@pytest.mark.parametrize(
    ("text", "value", "fault"),
    [
        ("10", 1_000, None), ("0.01", 1, None), ("10.", 1_000, None), ("10.50", 1_050, None),
        ("1.005", 0, Fault.DECIMALS), ("0.00", 0, Fault.NOT_POSITIVE),
        ("-200", 0, Fault.NOT_POSITIVE), ("9999999999999", 999_999_999_999_900, None),
        ("10000000000000", 0, Fault.TOO_LARGE),
    ],
)  # fmt: skip
def test_quantities(text: str, value: int, fault: Fault | None) -> None:
    assert parse_quantity(text) == (value, fault)


@given(st.integers(1, 9_999))
def test_every_price_survives_the_wire(price: int) -> None:
    assert parse_price(price_text(price)).value == price


@given(st.integers(1, 10**14))
def test_every_quantity_survives_the_wire(quantity: int) -> None:
    assert parse_quantity(quantity_text(quantity)).value == quantity


@given(st.integers(-(10**15), 10**15))
def test_money_is_printed_exactly(amount: int) -> None:
    assert Decimal(money_text(amount)) == Decimal(amount) / 1_000_000


def test_money_has_four_decimals_or_six() -> None:
    assert [money_text(n) for n in (0, -34_700, 1_234_567)] == ["0.0000", "-0.0347", "1.234567"]
    assert parse_money("1.234567").value == 1_234_567


@given(st.text())
def test_no_text_breaks_the_parsers(text: str) -> None:
    for parse in (parse_price, parse_quantity, parse_money):
        assert (parse(text).fault in (Fault.FORMAT, Fault.MISSING)) == (not is_decimal(text))


def test_average_price_is_rounded_half_up_and_zero_without_trades() -> None:
    # 1 contract at 0.5000 and 2 at 0.5001: exactly 0.500066...
    assert average_price(500_000 + 2 * 500_100, 300) == 5_001
    assert average_price(5_000 * 1 + 5_001 * 1, 2) == 5_001  # exactly half
    assert average_price(0, 0) == 0


@pytest.mark.parametrize(
    ("text", "seconds", "nanos"),
    [
        ("19700101-00:00:00", 0, 0),
        ("20261122-14:30:00.250", 1_795_357_800, 250_000_000),
        ("20261122-14:30:00.250001", 1_795_357_800, 250_001_000),
        ("20261122-14:30:00.123456789", 1_795_357_800, 123_456_789),
        ("20261122-14:30:00.5", 1_795_357_800, 500_000_000),
        ("20161231-23:59:60.000", 1_483_228_800, 0),  # a leap second
        ("20240229-00:00:00.000", 1_709_164_800, 0),
    ],
)
def test_timestamps_are_read_exactly(text: str, seconds: int, nanos: int) -> None:
    assert parse_utc(text) == seconds * NANOS + nanos


@pytest.mark.parametrize(
    "text",
    [
        "", "20261122", "20261122-24:00:00", "20261122-14:60:00", "20261322-14:30:00.000",
        "20230229-00:00:00.000", "2026112-14:30:00.000", "20261122-14:30:00.", "20261122 14:30:00",
        "20261122-14:30:00Z", "20261122-14:30:00.000+01:00", "19691231-23:59:59.000",
        "20261122-14:30:00.1234567890", "00000101-00:00:00",
    ],
)  # fmt: skip
def test_what_is_not_a_utc_timestamp_is_not_read(text: str) -> None:
    assert parse_utc(text) is None


@given(st.integers(0, 4_000_000_000 * NANOS))
def test_a_time_survives_the_wire_cut_to_what_is_shown(at: int) -> None:
    assert parse_utc(utc_text(at)) == at // 1_000_000 * 1_000_000
    assert parse_utc(utc_text(at, microseconds=True)) == at // 1_000 * 1_000


def test_dates() -> None:
    assert parse_date("20261122") == 20261122
    assert parse_date("20261131") is None
