"""Each refusal of a Logon, one row per rule: what the client sent differently, and the answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi_fix.fix.logon import Logon, LogonReason, LogonRules, Refusal, asks_for_reset, judge
from kalshi_fix.fix.time_text import parse_utc
from kalshi_fix.model import NANOS

SENT = "20261122-09:00:00.000"
NOW = parse_utc(SENT)
assert NOW is not None
RULES = LogonRules(heartbeat_min=2, heartbeat_max=60, clock_window=30 * NANOS, reset_required=False)
GOOD = {8: "FIX.4.4", 9: "65", 35: "A", 34: "1", 49: "A", 52: SENT, 56: "KalshiRT", 98: "0",
        108: "30", 553: "A", 554: "right", 10: "000"}  # fmt: skip
R = LogonReason


def fields(**changes: str | None) -> list[tuple[int, str]]:
    changed = GOOD | {int(name[1:]): value for name, value in changes.items()}
    return [(tag, value) for tag, value in changed.items() if value is not None]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"t34": None}, R.INVALID_MSG_SEQ_NUM),
        ({"t34": ""}, R.INVALID_MSG_SEQ_NUM),
        ({"t34": "0"}, R.INVALID_MSG_SEQ_NUM),
        ({"t34": "-1"}, R.INVALID_MSG_SEQ_NUM),
        ({"t34": "1.0"}, R.INVALID_MSG_SEQ_NUM),
        ({"t34": "one"}, R.INVALID_MSG_SEQ_NUM),
        ({"t34": "9" * 19}, R.INVALID_MSG_SEQ_NUM),
        ({"t34": "\u0661"}, R.INVALID_MSG_SEQ_NUM),
        ({"t52": None}, R.INVALID_SENDING_TIME),
        ({"t52": ""}, R.INVALID_SENDING_TIME),
        ({"t52": "2026-11-22 09:00:00"}, R.INVALID_SENDING_TIME),
        ({"t52": "20261131-09:00:00.000"}, R.INVALID_SENDING_TIME),
        ({"t52": "20261122-08:59:29.999"}, R.SENDING_TIME_OUT_OF_WINDOW),
        ({"t52": "20261122-09:00:30.001"}, R.SENDING_TIME_OUT_OF_WINDOW),
        ({"t52": "20010101-00:00:00"}, R.SENDING_TIME_OUT_OF_WINDOW),
        ({"t98": None}, R.INVALID_ENCRYPT_METHOD),
        ({"t98": "1"}, R.INVALID_ENCRYPT_METHOD),
        ({"t98": ""}, R.INVALID_ENCRYPT_METHOD),
        ({"t108": None}, R.INVALID_HEART_BT_INT),
        ({"t108": ""}, R.INVALID_HEART_BT_INT),
        ({"t108": "-10"}, R.INVALID_HEART_BT_INT),
        ({"t108": "0"}, R.INVALID_HEART_BT_INT),
        ({"t108": "1"}, R.INVALID_HEART_BT_INT),
        ({"t108": "61"}, R.INVALID_HEART_BT_INT),
        ({"t108": "30.0"}, R.INVALID_HEART_BT_INT),
        ({"t108": "thirty"}, R.INVALID_HEART_BT_INT),
        ({"t108": "9" * 4000}, R.INVALID_HEART_BT_INT),
        ({"t141": "y"}, R.INVALID_FLAG),
        ({"t8013": "1"}, R.INVALID_FLAG),
        ({"t20126": "X"}, R.INVALID_FLAG),
        ({"t20127": ""}, R.INVALID_FLAG),
        ({"t20900": "YES"}, R.INVALID_FLAG),
        ({"t20902": "0"}, R.INVALID_FLAG),
        ({"t21011": "T"}, R.INVALID_FLAG),
        ({"t20126": "Y", "t8013": "Y"}, R.LISTENER_CONFLICT),
        ({"t38": "1"}, R.UNDEFINED_TAG),
        ({"t9999": "1"}, R.UNDEFINED_TAG),
        ({"t20997": "x"}, R.UNDEFINED_TAG),
        ({"t20998": "x"}, R.UNDEFINED_TAG),
        ({"t20999": "x"}, R.UNDEFINED_TAG),
    ],
)
def test_a_logon_is_refused_with_its_reason(changes: dict[str, str], reason: LogonReason) -> None:
    refusal = judge(fields(**changes), RULES, NOW)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == reason
    assert refusal.text.startswith(reason)
    assert refusal.text.isprintable()
    assert len(refusal.text) <= 256


@pytest.mark.parametrize("tag", [34, 49, 52, 56, 98, 108, 553, 554])
def test_a_tag_that_stands_twice_is_refused_whichever_comes_first(tag: int) -> None:
    for twice in ([*fields(), (tag, "2")], [(tag, "2"), *fields()]):
        refusal = judge(twice, RULES, NOW)
        assert isinstance(refusal, Refusal)
        assert refusal.reason == R.REPEATED_TAG


@pytest.mark.parametrize("reset", [None, "N"])
def test_a_role_without_history_demands_a_reset_at_every_logon(reset: str | None) -> None:
    rules = LogonRules(
        heartbeat_min=2, heartbeat_max=60, clock_window=30 * NANOS, reset_required=True
    )
    refusal = judge(fields(t141=reset), rules, NOW)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == R.RESET_REQUIRED
    assert isinstance(judge(fields(t141="Y"), rules, NOW), Logon)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"t34": "000017"},
        {"t34": "9" * 18},
        {"t52": "20261122-08:59:30"},
        {"t52": "20261122-09:00:30.000000"},
        {"t108": "2"},
        {"t108": "60"},
        {"t141": "N"},
        {"t20126": "Y", "t8013": "N"},
        {"t50": "DESK", "t115": "X", "t789": "5", "t464": "N", "t383": "4096"},
        {"t21005": "Y", "t20200": "24"},
    ],
)
def test_a_logon_within_the_rules_is_taken(changes: dict[str, str]) -> None:
    assert isinstance(judge(fields(**changes), RULES, NOW), Logon)


def test_what_the_client_asked_for_is_read() -> None:
    logon = judge(
        fields(t141="Y", t8013="Y", t20900="Y", t20127="Y", t95="4", t96="sig=", t34="7"),
        RULES,
        NOW,
    )
    assert isinstance(logon, Logon)
    assert logon.reset
    assert logon.cancel_on_disconnect == 1
    assert (logon.listener, logon.venue_tags, logon.settlement_reports) == (False, True, True)
    assert (logon.username, logon.password, logon.raw_data) == ("A", "right", "sig=")
    assert logon.signed_text == f"{SENT}\x01A\x017\x01A\x01KalshiRT"
    assert logon.sent_at == NOW


def test_a_replay_is_asked_for_only_with_a_reset() -> None:
    asked = {
        (reset, flag): judge(fields(t141=reset, t20902=flag), RULES, NOW)
        for reset in (None, "Y")
        for flag in (None, "N", "Y")
    }
    wanted = [key for key, logon in asked.items() if isinstance(logon, Logon) and logon.replay]
    assert wanted == [("Y", "Y")]


def test_the_default_of_cancel_on_disconnect_is_the_sessions() -> None:
    for value, read in ((None, -1), ("N", 0), ("Y", 1)):
        logon = judge(fields(t8013=value), RULES, NOW)
        assert isinstance(logon, Logon)
        assert logon.cancel_on_disconnect == read


def test_the_engine_gets_no_credentials_and_nothing_that_was_not_decided_on() -> None:
    logon = judge(fields(t95="1", t96="x", t50="DESK", t21005="Y", t141="Y"), RULES, NOW)
    assert isinstance(logon, Logon)
    assert dict(logon.for_engine) == {
        34: "1", 49: "A", 52: SENT, 56: "KalshiRT", 98: "0", 108: "30", 141: "Y"
    }  # fmt: skip


def test_a_bad_logon_still_says_whether_it_asked_for_a_reset() -> None:
    assert asks_for_reset(fields(t141="Y", t108="x"))
    assert not asks_for_reset(fields(t141="N"))
    assert not asks_for_reset(fields())


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*GOOD, 141, 8013, 20126, 95, 96, 38, 20999]), st.text(max_size=30)
        ),
        max_size=20,
    )
)
def test_whatever_the_fields_the_answer_is_a_decision(found: list[tuple[int, str]]) -> None:
    assert isinstance(judge(found, RULES, NOW), Logon | Refusal)
    assert isinstance(judge([*found, *fields()], RULES, NOW), Logon | Refusal)
