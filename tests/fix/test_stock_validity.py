"""What goes out by default is valid for a stock FIX 4.4 engine that knows nothing of the venue."""

import pytest
from fix.fix_samples import (
    AT,
    BUST,
    CANCEL_REJECTED,
    CLIENT,
    COLLATERAL,
    GROUP,
    MASS_CANCELED,
    NEW,
    NO_ORDERS,
    POSITIONS,
    REJECTED,
    SERVER,
    SETTLED,
    STATUS,
    STOCK,
    TERMS,
    TRADE,
    UNKNOWN,
    dictionary,
    request,
)  # fmt: skip
from msgspec.structs import replace

from kalshi_fix.fix import outbound_answers as answers
from kalshi_fix.fix import refusals, tables
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.outbound import Dialect, Reports
from kalshi_fix.fix.refusal import Refusal, business, malformed
from kalshi_fix.model import Reason

REPORTS = Reports()
MARKET_ORDER = replace(NEW, terms=replace(TERMS, ord_type=1, price=0, time_in_force=3))
DAY_ORDER = replace(NEW, terms=replace(TERMS, time_in_force=0, expire_at=AT))
CANCELED = replace(NEW, exec_type="4", ord_status="4", leaves_qty=0, reason="MASS_CANCEL")
REPLACED = replace(NEW, exec_type="5", cl_ord_id="a2", orig_cl_ord_id="a1")
EXPIRED = replace(NEW, exec_type="C", ord_status="C", leaves_qty=0, reason="ORDER_EXPIRED")
LINE = replace(STATUS, mass=True, total=2, last=True)


def everything(dialect: Dialect) -> list[tuple[str, FixMessage]]:
    """One message of every kind the order entry, drop copy and post trade services send."""
    closing = replace(TRADE, position=-200, payout=1_000_000)
    executions = [NEW, TRADE, closing, BUST, MARKET_ORDER, DAY_ORDER, CANCELED, REPLACED, EXPIRED]
    statuses = [STATUS, LINE, UNKNOWN, NO_ORDERS]
    micro = dialect.microseconds
    return [
        *((f"8 150={e.exec_type}", REPORTS.execution(e, dialect)) for e in executions),
        ("8 rejected", REPORTS.rejection(REJECTED, dialect)),
        *((f"8 {event.reason}", REPORTS.status(event, dialect)) for event in statuses),
        ("9", answers.cancel_reject(CANCEL_REJECTED)),
        ("r", answers.mass_cancel_report(MASS_CANCELED, dialect)),
        ("r refused", answers.mass_cancel_report(
            replace(MASS_CANCELED, reason="MARKET_NOT_FOUND"), dialect)),
        *(("AO AP", message) for message in answers.positions(POSITIONS)),
        *(("AO", message) for message in answers.positions(replace(POSITIONS, rows=()))),
        *(("BG BA", message) for message in answers.collateral(COLLATERAL)),
        *(("BG", m) for m in answers.collateral(replace(COLLATERAL, reason="ACCOUNT_NOT_FOUND"))),
        ("AP settled", answers.settlement(SETTLED)),
        ("AP corrected", answers.settlement(replace(SETTLED, corrects=40))),
        ("B", answers.news("MAINTENANCE", "Thursday", "03:00 to 05:00")),
        ("j", refusals.business_reject(request("D"), business(Reason.THROTTLED, "x"))),
        ("3", refusals.session_reject(request("D"), malformed(38, 6))),
        ("8 here", refusals.order_reject(
            request("D"), Reason.INTERNAL_ERROR, "R;g;1", AT, microseconds=micro)),
        ("9 here", refusals.cancel_reject(request("G"), Reason.INTERNAL_ERROR)),
        ("r here", refusals.mass_cancel_reject(
            request("q"), Refusal("r", "99", "UNSUPPORTED_ORDER"), AT, microseconds=micro)),
    ]  # fmt: skip


@pytest.mark.parametrize("microseconds", [False, True])
def test_every_message_sent_by_default_validates_against_stock_fix_44(microseconds: bool) -> None:
    stock = dictionary(STOCK)
    for name, message in everything(Dialect(venue_tags=False, microseconds=microseconds)):
        assert stock.faults(message) == [], name


def test_with_venue_tags_every_message_validates_against_the_dictionary_for_clients() -> None:
    published = dictionary(CLIENT)
    for name, message in everything(Dialect(venue_tags=True)):
        assert published.faults(message) == [], name


@pytest.mark.parametrize(
    "message",
    [answers.order_group_response(GROUP), answers.settlement_report(SETTLED)],
    ids=["UOH", "UMS"],
)
def test_the_venues_own_messages_validate_against_the_dictionary_for_clients(
    message: FixMessage,
) -> None:
    assert dictionary(CLIENT).faults(message) == []


@pytest.mark.parametrize("msg_type", ["D", "F", "G", "q", "H", "AF", "AN", "BB", "UOG"])
def test_every_request_of_the_tests_validates_against_the_servers_dictionary(
    msg_type: str,
) -> None:
    assert dictionary(SERVER).faults(request(msg_type)) == []


def test_a_tag_without_a_value_is_never_sent() -> None:
    for venue_tags in (False, True):
        for name, message in everything(Dialect(venue_tags=venue_tags)):
            assert all(value for _, value in message.fields), name


def test_reports_without_venue_tags_differ_from_those_with_them() -> None:
    plain = {tag for tag, _ in REPORTS.execution(TRADE, Dialect()).fields}
    venue = {tag for tag, _ in REPORTS.execution(TRADE, Dialect(venue_tags=True)).fields}
    assert venue - plain == {704, 880, 1057, 715, 1703, 1704, 1705, 2964}


@pytest.mark.parametrize("removed", [37, 17, 150, 39, 54, 151, 14, 6])
def test_the_judge_itself_notices_what_is_missing(removed: int) -> None:
    message = REPORTS.execution(NEW, Dialect())
    message.fields = [field for field in message.fields if field[0] != removed]
    assert [fault.tag for fault in dictionary(STOCK).faults(message)] == [removed]


@pytest.mark.parametrize("msg_type", ["D", "F", "G", "q", "H", "AF", "AN", "BB"])
def test_we_require_exactly_what_the_stock_dictionary_requires(msg_type: str) -> None:
    required = dictionary(STOCK).messages[msg_type].members.tags
    expected = {tag for tag, is_required in required.items() if is_required}
    assert set(tables.REQUIRED[msg_type]) == expected


@pytest.mark.parametrize("msg_type", tables.ENUMERATED)
def test_our_enumerations_are_the_dictionarys(msg_type: str) -> None:
    server = dictionary(SERVER)
    for tag, values in tables.ENUMERATED[msg_type]:
        known = server.fields[tag]
        assert values == set(known.values) or known.type == "BOOLEAN", known.name
