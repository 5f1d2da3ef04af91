"""Events to messages, field by field: one row per rule of the ExecutionReport and its relatives."""

import pytest
from fix.fix_samples import (
    AT,
    BUST,
    CANCEL_REJECTED,
    COLLATERAL,
    GROUP,
    MASS_CANCELED,
    NEW,
    NO_ORDERS,
    POSITIONS,
    REJECTED,
    SETTLED,
    STATUS,
    TERMS,
    TIME,
    TRADE,
    UNKNOWN,
    fields,
)  # fmt: skip
from msgspec.structs import replace

from kalshi_fix.fix import outbound_answers as answers
from kalshi_fix.fix import tables
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.outbound import Dialect, Reports
from kalshi_fix.messages.events import Execution
from kalshi_fix.model import Reason

PLAIN = Dialect()
CLOCK = AT // 1_000_000
# What every report of a resting limit order carries.
ORDER = {37: "17", 1: "ALPHA-1", 55: "KXTEST-A", 54: "1", 38: "10.00", 40: "2", 44: "0.5500",
         59: "1"}  # fmt: skip


def report(event: Execution, dialect: Dialect = PLAIN) -> dict[int, str]:
    return fields(Reports().execution(event, dialect))


def test_an_accepted_order() -> None:
    assert report(NEW) == {
        **ORDER, 11: "a1", 17: f"{CLOCK};42", 150: "0", 39: "0", 151: "10.00", 14: "0.00",
        6: "0.0000", 60: TIME,
    }  # fmt: skip


def test_a_trade() -> None:
    assert report(TRADE) == {
        **ORDER, 11: "a1", 17: f"{CLOCK};42", 150: "F", 39: "1", 151: "6.00", 14: "4.00",
        6: "0.5250", 60: TIME, 32: "4.00", 31: "0.5250", 30: "0", 851: "2", 527: "9",
        75: "20261122", 136: "1", 137: "0.0347", 138: "USD", 139: "4",
    }  # fmt: skip


def test_the_fee_group_keeps_its_order() -> None:
    tags = [tag for tag, _ in Reports().execution(TRADE, PLAIN).fields]
    start = tags.index(136)
    assert tags[start : start + 4] == [136, 137, 138, 139]


def test_a_rebate_is_a_negative_fee() -> None:
    assert report(replace(TRADE, fee=-100))[137] == "-0.0001"


def test_a_busted_trade_names_the_report_it_takes_back() -> None:
    busted = report(BUST)
    assert {19: f"{CLOCK};42", 527: "9", 31: "0.5250", 32: "4.00", 137: "-0.0347"}.items() <= (
        busted.items()
    )
    assert (busted[150], busted[39], busted[58], busted[14]) == ("H", "0", "TRADE_BUSTED", "0.00")


@pytest.mark.parametrize(
    ("change", "expected", "absent"),
    [
        # 41 only on answers to F and G; 11 is then that request's id
        ({"exec_type": "4", "ord_status": "4", "cl_ord_id": "a2", "orig_cl_ord_id": "a1",
          "leaves_qty": 0}, {150: "4", 39: "4", 11: "a2", 41: "a1", 151: "0.00"}, {58}),
        ({"exec_type": "5", "ord_status": "1", "cl_ord_id": "a2", "orig_cl_ord_id": "a1"},
         {150: "5", 39: "1", 11: "a2", 41: "a1"}, {58, 32}),
        # 58 on every unsolicited end
        ({"exec_type": "4", "ord_status": "4", "reason": "IMMEDIATE_OR_CANCELLED"},
         {58: "IMMEDIATE_OR_CANCELLED"}, {41}),
        ({"exec_type": "C", "ord_status": "C", "reason": "ORDER_EXPIRED"},
         {150: "C", 39: "C", 58: "ORDER_EXPIRED"}, {41, 103}),
        # what traded before the end stays
        ({"exec_type": "4", "ord_status": "4", "cum_qty": 400, "notional": 2_100_000,
          "leaves_qty": 0}, {14: "4.00", 6: "0.5250", 151: "0.00"}, {32, 31}),
        # average price to four decimals, half up
        ({"cum_qty": 300, "notional": 500_000 + 2 * 500_100}, {6: "0.5001"}, set()),
    ],
)  # fmt: skip
def test_what_happened_decides_the_fields(
    change: dict[str, object], expected: dict[int, str], absent: set[int]
) -> None:
    found = report(replace(NEW, **change))
    assert {tag: found.get(tag) for tag in expected} == expected
    assert not absent & found.keys()


@pytest.mark.parametrize(
    ("change", "expected", "absent"),
    [
        ({"ord_type": 1, "price": 0, "time_in_force": 3}, {40: "1", 59: "3"}, {44}),
        ({"time_in_force": 0, "expire_at": AT}, {59: "0", 126: TIME}, set()),
        ({"time_in_force": 6, "expire_at": AT}, {59: "6", 126: TIME}, set()),
        ({"side": 2, "price": 1}, {54: "2", 44: "0.0001"}, {126, 2964}),
    ],
)
def test_the_order_itself_decides_the_fields(
    change: dict[str, object], expected: dict[int, str], absent: set[int]
) -> None:
    found = report(replace(NEW, terms=replace(TERMS, **change)))
    assert {tag: found.get(tag) for tag in expected} == expected
    assert not absent & found.keys()


def test_venue_tags_only_where_asked_for() -> None:
    pairs = Reports().execution(TRADE, Dialect(venue_tags=True)).fields
    venue = [(tag, text) for tag, text in pairs
             if tag in {704, 705, 880, 1057, 715, 1703, 1704, 1705, 2964}]  # fmt: skip
    assert venue == [
        (2964, "1"), (704, "4.00"), (880, "9"), (1057, "Y"), (715, "20261122"), (1703, "1"),
        (1704, "-2.1347"), (1705, "BALANCE"),
    ]  # fmt: skip


def test_a_closing_trade_shows_the_payout_and_a_short_position_its_side() -> None:
    closing = replace(TRADE, position=-200, payout=1_000_000, liquidity=1)
    pairs = Reports().execution(closing, Dialect(venue_tags=True)).fields
    assert (705, "2.00") in pairs
    assert (1057, "N") in pairs
    assert list(pairs)[-5:] == [
        (1703, "2"), (1704, "-2.1347"), (1705, "BALANCE"), (1704, "1.0000"), (1705, "PAYOUT"),
    ]  # fmt: skip


def test_microseconds_only_where_configured() -> None:
    event = replace(NEW, at=AT + 1_999, terms=replace(TERMS, expire_at=AT))
    found = report(event, Dialect(microseconds=True))
    assert (found[60], found[126]) == ("20261122-14:30:00.250001", "20261122-14:30:00.250000")


def test_beyond_shard_0_the_exec_id_and_the_last_market_name_the_shard() -> None:
    found = fields(Reports(shard=1).execution(TRADE, PLAIN))
    assert (found[17], found[30]) == (f"{CLOCK};42;1", "1")


@pytest.mark.parametrize(
    ("change", "tag", "text"),
    [({"order_qty": 500}, 38, "5.00"), ({"price": 6_000}, 44, "0.6000"),
     ({"time_in_force": 0}, 59, "0"), ({"expire_at": AT + 1_000_000_000}, 126,
                                        "20261122-14:30:01.250")],
)  # fmt: skip
def test_a_replace_is_not_printed_from_what_was_cached_before(
    change: dict[str, int], tag: int, text: str
) -> None:
    reports = Reports()
    terms = replace(TERMS, expire_at=AT)
    reports.execution(replace(NEW, terms=terms), PLAIN)
    replaced = replace(NEW, terms=replace(terms, **change))
    assert fields(reports.execution(replaced, PLAIN))[tag] == text


def test_a_session_never_gets_what_was_printed_for_another_dialect() -> None:
    reports = Reports()
    event = replace(NEW, terms=replace(TERMS, expire_at=AT))
    found = [
        dict(reports.execution(event, Dialect(venue, micro)).fields)
        for venue in (False, True)
        for micro in (False, True)
    ]
    assert [len(item[126]) for item in found] == [21, 24, 21, 24]
    assert [2964 in item for item in found] == [False, False, True, True]


def test_the_cache_of_orders_is_bounded() -> None:
    reports = Reports(cached_orders_max=10)
    for order_id in range(1, 100):
        reports.execution(replace(NEW, terms=replace(TERMS, order_id=order_id)), PLAIN)
    assert len(reports._terms) <= 10


def test_a_rejected_order_echoes_what_was_sent_and_no_more() -> None:
    assert fields(Reports().rejection(REJECTED, PLAIN)) == {
        37: "NONE", 11: "a1", 17: f"{CLOCK};43", 150: "8", 39: "8", 55: "KXTEST-A", 54: "1",
        38: "10", 40: "2", 44: "1.5", 151: "0.00", 14: "0.00", 6: "0.0000", 103: "11",
        58: "INVALID_PRICE", 60: TIME,
    }  # fmt: skip


ORDER_REJECTS = [
    ("MARKET_NOT_FOUND", "1"), ("MARKET_INACTIVE", "2"), ("MARKET_CLOSED", "2"),
    ("TRADING_PAUSED", "2"), ("EXCHANGE_PAUSED", "2"), ("INSUFFICIENT_BALANCE", "3"),
    ("POSITION_LIMIT", "3"), ("ORDER_SIZE_LIMIT", "3"), ("ORDER_VALUE_LIMIT", "3"),
    ("OPEN_ORDER_LIMIT", "3"), ("EXCEEDED_ORDER_GROUP_LIMIT", "3"), ("STALE_ORDER", "4"),
    ("ORDER_ALREADY_EXISTS", "6"), ("INVALID_PRICE", "11"), ("PRICE_OFF_TICK", "11"),
    ("PRICE_OUT_OF_BAND", "11"), ("ORDER_GROUP_NOT_FOUND", "11"), ("UNSUPPORTED_ORDER", "11"),
    ("INVALID_QUANTITY", "13"), ("ACCOUNT_NOT_FOUND", "15"), ("ACCOUNT_NOT_PERMITTED", "15"),
    ("JURISDICTION_RESTRICTED", "0"), ("SESSION_DISABLED", "0"), ("INTERNAL_ERROR", "99"),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "code"), ORDER_REJECTS)
def test_every_reason_an_order_is_rejected_for_has_its_code(reason: str, code: str) -> None:
    found = fields(Reports().rejection(replace(REJECTED, reason=reason), PLAIN))
    assert (found[58], found[103]) == (reason, code)


CANCEL_REJECTS = [
    ("TOO_LATE", "0"), ("UNKNOWN_ORDER", "1"), ("ORDER_ATTRIBUTES_MISMATCH", "1"),
    ("INVALID_AMEND_QTY", "2"), ("ORDER_ALREADY_EXISTS", "6"), ("INVALID_PRICE", "99"),
    ("TRADING_PAUSED", "99"), ("POST_ONLY_CROSS", "99"), ("STALE_ORDER", "99"),
    ("SESSION_DISABLED", "99"), ("INTERNAL_ERROR", "99"), ("INSUFFICIENT_BALANCE", "99"),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "code"), CANCEL_REJECTS)
def test_every_reason_a_cancel_or_replace_is_refused_for_has_its_code(
    reason: str, code: str
) -> None:
    found = fields(answers.cancel_reject(replace(CANCEL_REJECTED, reason=reason)))
    assert (found[58], found[102]) == (reason, code)


def test_a_refused_cancel_names_the_order_only_where_it_is_known() -> None:
    assert fields(answers.cancel_reject(CANCEL_REJECTED)) == {
        37: "NONE", 11: "a2", 41: "a1", 39: "8", 434: "1", 102: "1", 58: "UNKNOWN_ORDER",
    }  # fmt: skip
    late = replace(CANCEL_REJECTED, order_id=17, ord_status="2", response_to="2", reason="TOO_LATE")
    found = fields(answers.cancel_reject(late))
    assert (found[37], found[39], found[434], found[102]) == ("17", "2", "2", "0")


def test_a_mass_cancel_report_counts_and_never_names_an_account() -> None:
    assert fields(answers.mass_cancel_report(MASS_CANCELED, PLAIN)) == {
        11: "q1", 37: f"{CLOCK};45", 530: "7", 531: "7", 533: "3", 60: TIME,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "code"), [("MARKET_NOT_FOUND", "1"), ("ACCOUNT_NOT_FOUND", "99")]
)
def test_a_refused_mass_cancel_says_why(reason: str, code: str) -> None:
    refused = replace(MASS_CANCELED, count=0, reason=reason)
    found = fields(answers.mass_cancel_report(refused, PLAIN))
    expected = {37: "NONE", 530: "7", 531: "0", 532: code, 533: "0", 58: reason}
    assert expected.items() <= found.items()


def test_the_status_of_an_order() -> None:
    traded = replace(STATUS, ord_status="1", cum_qty=400, leaves_qty=600, notional=2_100_000)
    assert fields(Reports().status(traded, PLAIN)) == {
        **ORDER, 11: "a1", 17: "0", 150: "I", 39: "1", 151: "6.00", 14: "4.00", 6: "0.5250",
        60: TIME, 790: "r1",
    }  # fmt: skip


def test_the_status_of_an_unknown_order_echoes_the_request() -> None:
    assert fields(Reports().status(UNKNOWN, PLAIN)) == {
        37: "NONE", 11: "a1", 17: "0", 150: "I", 39: "8", 55: "KXTEST-A", 54: "1", 151: "0.00",
        14: "0.00", 6: "0.0000", 103: "5", 58: "UNKNOWN_ORDER", 60: TIME, 790: "r1",
    }  # fmt: skip


def test_one_line_of_a_mass_status() -> None:
    found = fields(Reports().status(replace(STATUS, mass=True, total=2, last=False), PLAIN))
    assert {584: "r1", 911: "2", 912: "N", 150: "I", 17: "0"}.items() <= found.items()
    assert 790 not in found


def test_a_mass_status_that_finds_nothing() -> None:
    assert fields(Reports().status(NO_ORDERS, PLAIN)) == {
        37: "NONE", 17: "0", 150: "I", 39: "8", 55: "[N/A]", 54: "7", 151: "0.00", 14: "0.00",
        6: "0.0000", 103: "5", 58: "NO_OPEN_ORDERS", 60: TIME, 584: "r1", 911: "0", 912: "Y",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (1, {20130: "G1", 20132: "100.00", 1: "ALPHA-1"}),
        (3, {20130: "G1", 1: "ALPHA-1"}),
        (5, {20130: "G1", 20132: "100.00", 1: "ALPHA-1"}),
    ],
)
def test_an_order_group_response_shows_the_limit_where_it_was_set(
    action: int, expected: dict[int, str]
) -> None:
    message = answers.order_group_response(replace(GROUP, action=action))
    assert (message.msg_type, fields(message)) == ("UOH", expected)


def test_a_refused_order_group_request_is_a_business_reject() -> None:
    message = answers.order_group_response(replace(GROUP, reason="ORDER_GROUP_NOT_FOUND"))
    assert (message.msg_type, fields(message)) == (
        "j", {45: "7", 372: "UOG", 379: "G1", 380: "1", 58: "ORDER_GROUP_NOT_FOUND"}
    )  # fmt: skip


def shown(messages: list[FixMessage]) -> list[tuple[str, dict[int, str]]]:
    return [(message.msg_type, fields(message)) for message in messages]


def test_positions() -> None:
    same = {710: "p1", 727: "2", 728: "0", 1: "ALPHA-1", 581: "1"}
    row = {**same, 715: "20261122", 731: "2", 702: "1", 703: "TQ", 753: "1", 707: "CASH"}
    assert shown(answers.positions(POSITIONS)) == [
        ("AO", {**same, 721: "P48", 729: "0"}),
        ("AP", {**row, 721: "P48.1", 55: "KXTEST-A", 730: "0.5250", 734: "0.5000", 704: "4.00",
                708: "2.1000"}),
        ("AP", {**row, 721: "P48.2", 55: "KXTEST-B", 730: "0.1000", 734: "0.0000", 705: "2.00",
                708: "1.8000"}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("permitted", "result", "status"), [(True, "2", "0"), (False, "3", "2")]
)  # fmt: skip
def test_positions_that_are_none_or_not_to_be_seen(
    permitted: bool, result: str, status: str
) -> None:
    rows = () if permitted else POSITIONS.rows
    messages = answers.positions(replace(POSITIONS, permitted=permitted, rows=rows))
    assert len(messages) == 1
    found = fields(messages[0])
    assert (found[727], found[728], found[729]) == ("0", result, status)


def test_collateral() -> None:
    row = {909: "c1", 910: "3", 911: "2", 581: "1", 15: "USD"}
    assert shown(answers.collateral(COLLATERAL)) == [
        ("BG", {909: "c1", 945: "2", 946: "0", 911: "2"}),
        ("BA", {**row, 908: "C49.1", 912: "N", 1: "ALPHA-1", 899: "900.0000", 900: "907.6000",
                901: "905.5000"}),
        ("BA", {**row, 908: "C49.2", 912: "Y", 1: "ALPHA-2", 899: "1000.0000", 900: "1000.0000",
                901: "1000.0000"}),
    ]  # fmt: skip


def test_collateral_refused() -> None:
    refused = replace(COLLATERAL, reason="ACCOUNT_NOT_FOUND", rows=())
    assert shown(answers.collateral(refused)) == [
        ("BG", {909: "c1", 945: "4", 946: "99", 911: "0", 58: "ACCOUNT_NOT_FOUND"})
    ]


def test_a_settlement_nobody_asked_for_and_its_correction() -> None:
    expected = {
        721: "S50", 325: "Y", 728: "0", 715: "20261122", 1: "ALPHA-1", 581: "1", 55: "KXTEST-A",
        730: "1.0000", 731: "1", 734: "0.0000", 702: "1", 703: "TQ", 704: "4.00", 753: "1",
        707: "CASH", 708: "4.0000",
    }  # fmt: skip
    assert fields(answers.settlement(SETTLED)) == expected
    corrected = fields(answers.settlement(replace(SETTLED, number=60, corrects=50)))
    assert corrected == {**expected, 721: "S60", 58: "CORRECTS S50"}


@pytest.mark.parametrize(
    ("value", "result", "cents"), [(10_000, "yes", "100.00"), (0, "no", "0.00"),
                                   (3_060, "scalar", "30.60")]
)  # fmt: skip
def test_the_venues_own_settlement_report_is_in_cents(value: int, result: str, cents: str) -> None:
    found = dict(answers.settlement_report(replace(SETTLED, value=value)).fields)
    assert (found[20107], found[730], found[1704], found[893]) == (result, cents, "4.0000", "Y")


def test_news_has_a_line_at_least() -> None:
    assert answers.news("MAINTENANCE").fields == [(148, "MAINTENANCE"), (33, "1"),
                                                  (58, "MAINTENANCE")]  # fmt: skip


def test_every_reason_with_a_code_is_one_of_the_closed_list() -> None:
    for codes in (tables.ORDER_REJECT_CODES, tables.CANCEL_REJECT_CODES,
                  tables.BUSINESS_REJECT_CODES, tables.MASS_CANCEL_REJECT_CODES):  # fmt: skip
        assert set(codes) <= set(Reason)
