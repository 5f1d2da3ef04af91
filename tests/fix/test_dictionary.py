"""The judge of messages: one row per thing that can be wrong, as a stock engine numbers it."""

import pytest
from fix.fix_samples import CLIENT, STOCK, dictionary, request

from kalshi_fix.fix.dictionary import Dictionary
from kalshi_fix.fix.dictionary_types import is_well_formed
from kalshi_fix.fix.message import FixMessage

BOOK = [(262, "m"), (55, "X"), (268, "2"), (269, "0"), (270, "0.1"), (269, "1"), (270, "0.2")]


def faults(msg_type: str, fields: list[tuple[int, str]]) -> list[tuple[int, int]]:
    found = dictionary(CLIENT).faults(FixMessage(msg_type, fields))
    return [(fault.code, fault.tag) for fault in found]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({29999: "x"}, [(0, 29999)]),
        ({54: None}, [(1, 54)]),
        ({150: "0"}, [(2, 150)]),
        ({55: ""}, [(4, 55)]),
        ({54: "Z"}, [(5, 54)]),
        ({18: "6 z"}, [(5, 18)]),
        ({38: "ten"}, [(6, 38)]),
        ({60: "now"}, [(6, 60)]),
        ({43: "Y", 50: "desk"}, []),  # header fields are not the body's concern
    ],
)
def test_what_is_wrong_with_a_body(
    change: dict[int, str | None], expected: list[tuple[int, int]]
) -> None:
    message = request("D", change)
    assert faults("D", list(message.fields)) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (BOOK, []),
        ([*BOOK[:2], (268, "0")], []),
        ([*BOOK[:2], (268, "3"), *BOOK[3:]], [(16, 268)]),
        ([*BOOK[:2], (268, "1"), *BOOK[3:]], [(16, 268)]),
        ([*BOOK[:3], (270, "0.1"), (269, "0"), (269, "1")], [(15, 270)]),
        ([*BOOK, (55, "Y")], [(13, 55)]),
        ([*BOOK[:3], (269, "0"), (270, "x"), (269, "z")], [(6, 270), (5, 269)]),
    ],
)
def test_what_is_wrong_with_groups(
    fields: list[tuple[int, str]], expected: list[tuple[int, int]]
) -> None:
    assert faults("W", fields) == expected


def test_groups_inside_groups_are_judged_too() -> None:
    inner = [(1703, "1"), (1704, "1.0"), (1705, "NOTHING")]
    settled = [
        (20105, "S1"), (55, "X"), (715, "20261122"), (20107, "yes"), (730, "100.00"), (20108, "1"),
        (20109, "A"), (20110, "24"), *inner,
    ]  # fmt: skip
    assert faults("UMS", settled) == [(5, 1705)]


def test_a_message_nobody_knows() -> None:
    assert faults("ZZ", []) == [(11, 35)]


def test_stock_messages_know_their_components() -> None:
    order = dictionary(STOCK).messages["D"].members
    assert {11, 55, 54, 38, 453} <= set(order.tags)
    assert order.groups[453].delimiter == 448


@pytest.mark.parametrize("text", ["<fix/>", "<fix><fields/><components/></fix>"])
def test_what_is_no_dictionary_is_refused(text: str) -> None:
    with pytest.raises(LookupError):
        Dictionary(text)


@pytest.mark.parametrize(
    ("fix_type", "good", "bad"),
    [
        ("INT", "-5", "5.0"), ("SEQNUM", "5", "-5"), ("QTY", "-5.", "5e1"), ("CHAR", "x", "xy"),
        ("BOOLEAN", "Y", "y"), ("UTCTIMESTAMP", "20261122-14:30:00", "20261122"),
        ("LOCALMKTDATE", "20261122", "20261199"), ("UTCTIMEONLY", "14:30:00.123", "24:00:00"),
        ("MONTHYEAR", "202611w2", "202613"), ("CURRENCY", "USD", "usd"), ("COUNTRY", "US", "USA"),
    ],
)  # fmt: skip
def test_the_form_of_each_type(fix_type: str, good: str, bad: str) -> None:
    assert is_well_formed(fix_type, good)
    assert not is_well_formed(fix_type, bad)
    assert is_well_formed("STRING", bad)
