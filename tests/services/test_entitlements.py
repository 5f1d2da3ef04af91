"""What the gateway refuses before it reaches the core: message types, markets, read-only."""

from collections.abc import Iterable

import pytest

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.messages.entitlement import common, covers
from kalshi_fix.messages.events import SessionDefined
from kalshi_fix.processes.gateway_link import apply_definition
from kalshi_fix.services.policy import Policy
from kalshi_fix.services.service import SessionView
from kalshi_fix.services.throttle import Throttle

POLICY = Policy(Throttle({}))


def view(**permissions: object) -> SessionView:
    made = SessionView("S", "S", "KalshiRT", "RT", "ALPHA", ("A",))
    apply_definition(
        made,
        SessionDefined(
            1, 0, "S", "ALPHA", "S", "KalshiRT", "RT", ("A",), True, False, False, 0, **permissions
        ),
    )  # fmt: skip
    return made


def message(msg_type: str, fields: Iterable[tuple[int, str]] = ()) -> FixMessage:
    return FixMessage(msg_type, [(35, msg_type), (34, "2"), *fields])


def reason(session: SessionView, asked: FixMessage) -> tuple[str, str]:
    refusal = POLICY.admit(session, asked, 0)
    return (refusal.get(380), refusal.get(58)) if refusal is not None else ("", "")


def test_a_message_type_that_is_not_permitted_is_refused() -> None:
    session = view(message_types=("D", "F"))
    assert reason(session, message("D")) == ("", "")
    assert reason(session, message("AF")) == ("6", "NOT_ENTITLED")


def test_session_and_segment_must_both_permit() -> None:
    session = view(message_types=("D", "F"), segment_message_types=("F", "G"))
    assert reason(session, message("F")) == ("", "")
    assert reason(session, message("D")) == ("6", "NOT_ENTITLED")
    assert reason(session, message("G")) == ("6", "NOT_ENTITLED")


def test_permissions_that_share_nothing_permit_nothing() -> None:
    session = view(message_types=("D",), segment_message_types=("F",))
    assert reason(session, message("F")) == ("6", "NOT_ENTITLED")
    assert common(("D",), ()) == ("D",)


@pytest.mark.parametrize(
    ("msg_type", "symbol", "refused"),
    [("D", "KXCPI-1", True), ("D", "KXFED-1", False), ("G", "KXCPI-1", True),
     ("F", "KXCPI-1", False), ("q", "KXCPI-1", False), ("D", "KXFED-2", True)],
)  # fmt: skip
def test_orders_only_in_the_markets_permitted_cancels_everywhere(
    msg_type: str, symbol: str, refused: bool
) -> None:
    session = view(markets=("KXFED*",), segment_markets=("KXFED-1", "KXCPI-1"))
    assert bool(reason(session, message(msg_type, [(55, symbol)]))[0]) is refused


@pytest.mark.parametrize(
    ("msg_type", "asked", "refused"),
    [
        ("V", [(55, "KXFED-26")], False),
        ("V", [(55, "KXFED-26"), (55, "KXCPI-26")], True),
        ("x", [(559, "0"), (55, "KXCPI-26")], True),
        ("x", [(559, "4")], False),
        ("e", [(55, "KXCPI-26")], True),
    ],
)
def test_market_data_only_of_the_markets_permitted(
    msg_type: str, asked: list[tuple[int, str]], refused: bool
) -> None:
    session = view(markets=("KXFED*",))
    session.role = "MD"
    expected = ("6", "NOT_ENTITLED") if refused else ("", "")
    assert reason(session, message(msg_type, asked)) == expected


@pytest.mark.parametrize("where", ["read_only", "segment_read_only"])
def test_a_read_only_session_may_ask_and_change_nothing(where: str) -> None:
    session = view(**{where: True})
    for msg_type in ("D", "F", "G", "q", "UOG"):
        assert reason(session, message(msg_type)) == ("6", "LISTENER_SESSION")
    assert reason(session, message("AF")) == ("", "")


def test_a_pattern_is_a_symbol_or_a_prefix() -> None:
    assert covers((), "KXFED-1")
    assert covers(("KXFED-1",), "KXFED-1")
    assert not covers(("KXFED",), "KXFED-1")
    assert covers(("KX*",), "KXFED-1")
    assert covers(("*",), "KXFED-1")
