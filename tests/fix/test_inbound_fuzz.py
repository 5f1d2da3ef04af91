"""Whatever a client writes: an answer or a command that fits the bus, never an exception."""

import pytest
from fix.fix_samples import ALPHA, AT, BODIES, request
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.wire import decode, encode
from kalshi_fix.messages.codec import pack_rows, unpack_rows
from kalshi_fix.services.order_entry import OrderEntry
from kalshi_fix.services.policy import Policy
from kalshi_fix.services.throttle import Throttle

SERVICE = OrderEntry({"ALPHA-RT": ALPHA}, Policy(Throttle({})), "gw1")
TAGS = st.sampled_from(
    [1, 11, 18, 34, 37, 38, 40, 41, 43, 44, 52, 54, 55, 59, 60, 97, 122, 126, 526, 530, 584, 585,
     710, 724, 790, 909, 2964, 20130, 20131, 20132, 20901, 20903, 21006, 21009]
)  # fmt: skip
VALUES = st.one_of(
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), min_size=1, max_size=300),
    st.sampled_from(["Y", "N", "F", "LOCK", "6 E", "NONE", "0", "-0", "00", "1e9", "6", "1", "2",
                     "99991231-23:59:59", "20261122-14:30:00.250", "19000101-00:00:00"]),
    st.integers(-(10**40), 10**40).map(str),
    st.decimals(-(10**9), 10**9, places=6).map(str),
)  # fmt: skip


@settings(max_examples=400)
@given(st.sampled_from(sorted(BODIES)), st.dictionaries(TAGS, VALUES, max_size=6))
def test_any_fields_are_answered_or_fit_the_bus(msg_type: str, fields: dict[int, str]) -> None:
    message = decode(encode(request(msg_type, dict(fields))))
    reaction = SERVICE.on_message(ALPHA, message, AT)
    assert len(reaction.commands) + len(reaction.replies) == 1
    assert unpack_rows(pack_rows(reaction.commands)) == reaction.commands
    for reply in reaction.replies:
        decode(encode(reply))


@given(st.text(max_size=3), st.lists(st.tuples(TAGS, VALUES), max_size=6))
def test_any_message_type_is_answered(msg_type: str, fields: list[tuple[int, str]]) -> None:
    reaction = SERVICE.on_message(ALPHA, FixMessage(msg_type, fields), AT)
    assert len(reaction.commands) + len(reaction.replies) == 1


@pytest.mark.parametrize("text", ["99991231-23:59:59.000", "25000101-00:00:00"])
def test_an_expiry_beyond_the_clocks_range_is_an_order_we_do_not_support(text: str) -> None:
    for msg_type in ("D", "G"):
        (command,) = SERVICE.on_message(ALPHA, request(msg_type, {59: "6", 126: text}), AT).commands
        assert command.faults == ("UNSUPPORTED_ORDER",)  # type: ignore[union-attr]
        assert command.expire_at == 0  # type: ignore[union-attr]
