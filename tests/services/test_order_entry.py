"""Order entry, drop copy and post trade: who may ask, what becomes a command, who hears of what."""

from typing import Any

import pytest
from attrs import evolve
from fix.fix_samples import (
    ALPHA,
    AT,
    CANCEL_REJECTED,
    COLLATERAL,
    GROUP,
    MASS_CANCELED,
    NEW,
    POSITIONS,
    REJECTED,
    SETTLED,
    STATUS,
    TRADE,
    request,
)  # fmt: skip
from msgspec.structs import replace

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.outbound import Reports
from kalshi_fix.messages.commands import NewOrder
from kalshi_fix.messages.events import Event, SessionChanged
from kalshi_fix.services.drop_copy import DropCopy
from kalshi_fix.services.order_entry import OrderEntry
from kalshi_fix.services.policy import Policy
from kalshi_fix.services.post_trade import PostTrade
from kalshi_fix.services.safely import translate_safely
from kalshi_fix.services.service import Reaction, SessionView
from kalshi_fix.services.throttle import Throttle, ThrottleLimits


def view(name: str, role: str = "RT", firm: str = "ALPHA", **flags: Any) -> SessionView:
    return SessionView(name, name, f"Kalshi{role}", role, firm, ("ALPHA-1",), **flags)


def order_entry(*views: SessionView, limits: dict[str, ThrottleLimits] | None = None) -> OrderEntry:
    registry = {item.name: item for item in (ALPHA, *views)}
    return OrderEntry(registry, Policy(Throttle(limits or {})), "gw1")


def heard_by(service: OrderEntry | DropCopy | PostTrade, event: Event) -> list[tuple[str, str]]:
    return [(session, message.msg_type) for session, message in service.on_event(event)]


def only_reply(reaction: Reaction) -> FixMessage:
    assert (len(reaction.replies), reaction.commands) == (1, [])
    return reaction.replies[0]


# --- from the client ---


def test_an_admitted_order_becomes_one_command_and_no_reply() -> None:
    reaction = order_entry().on_message(ALPHA, request("D"), AT)
    assert reaction.replies == []
    assert [type(command) for command in reaction.commands] == [NewOrder]


def test_a_malformed_order_is_rejected_with_the_tag_and_never_reaches_the_bus() -> None:
    reply = only_reply(order_entry().on_message(ALPHA, request("D", {54: "Z"}), AT))
    assert (reply.msg_type, dict(reply.fields)) == (
        "3", {45: "7", 371: "54", 372: "D", 373: "5", 58: "VALUE_IS_INCORRECT"}
    )  # fmt: skip


@pytest.mark.parametrize("msg_type", ["S", "R", "E", "AE", "8"])
def test_known_messages_nobody_here_answers_are_refused_as_unsupported(msg_type: str) -> None:
    message = FixMessage(msg_type, request("D").fields)
    reply = only_reply(order_entry().on_message(ALPHA, message, AT))
    assert (reply.msg_type, reply.get(372), reply.get(380)) == ("j", msg_type, "3")


@pytest.mark.parametrize("msg_type", ["D", "F", "G", "q", "UOG"])
def test_a_listener_session_may_not_change_anything(msg_type: str) -> None:
    listener = view("EAR", listener=True)
    reply = only_reply(order_entry(listener).on_message(listener, request(msg_type), AT))
    assert (reply.msg_type, reply.get(380), reply.get(58)) == ("j", "6", "LISTENER_SESSION")


@pytest.mark.parametrize("msg_type", ["H", "AF", "AN", "BB"])
def test_a_listener_session_may_look(msg_type: str) -> None:
    listener = view("EAR", listener=True)
    assert order_entry(listener).on_message(listener, request(msg_type), AT).commands


@pytest.mark.parametrize(
    ("msg_type", "tag", "value"),
    [("D", 379, "a1"), ("AF", 379, "s1"), ("AN", 379, "p1"), ("BB", 379, "c1")],
)
def test_a_business_reject_names_the_request(msg_type: str, tag: int, value: str) -> None:
    limits = {"ALPHA-RT": ThrottleLimits(tokens_per_second=1, burst_tokens=0)}
    reply = only_reply(order_entry(limits=limits).on_message(ALPHA, request(msg_type), AT))
    assert (reply.get(45), reply.get(tag)) == ("7", value)


@pytest.mark.parametrize("text", ["caf\xe9", "a\udce9", "a\tb", "x" * 257])
def test_what_is_no_text_is_never_echoed(text: str) -> None:
    limits = {"ALPHA-RT": ThrottleLimits(tokens_per_second=1, burst_tokens=0)}
    throttled = only_reply(
        order_entry(limits=limits).on_message(ALPHA, request("D", {11: text}), AT)
    )
    failed = only_reply(order_entry().on_failure(ALPHA, request("D", {11: text, 1: text}), AT))
    assert throttled.get(379) + failed.get(11) + failed.get(1) == ""


def test_what_is_throttled_says_when_to_come_back() -> None:
    limits = {"ALPHA-RT": ThrottleLimits(tokens_per_second=100, burst_tokens=10)}
    service = order_entry(limits=limits)
    assert service.on_message(ALPHA, request("D"), AT).commands
    reply = only_reply(service.on_message(ALPHA, request("D"), AT))
    assert (reply.get(380), reply.get(58)) == ("0", "THROTTLED retry_after_ms=100")
    assert service.on_message(ALPHA, request("D"), AT + 100_000_000).commands


def test_repeated_abuse_of_the_throttle_ends_the_session() -> None:
    limits = ThrottleLimits(tokens_per_second=1, burst_tokens=10, violations_before_logout=3)
    service = order_entry(limits={"ALPHA-RT": limits})
    logouts = [service.on_message(ALPHA, request("D"), AT).logout for _ in range(5)]
    assert logouts == ["", "", "", "THROTTLED", "THROTTLED"]


def test_a_session_that_uses_most_of_its_throttle_is_told_once() -> None:
    limits = {"ALPHA-RT": ThrottleLimits(tokens_per_second=1, burst_tokens=100)}
    service = order_entry(limits=limits)
    replies = [service.on_message(ALPHA, request("D"), AT).replies for _ in range(10)]
    assert [[message.msg_type for message in each] for each in replies] == [*[[]] * 8, ["B"], []]


@pytest.mark.parametrize(
    ("msg_type", "answer", "text"),
    [("D", "8", "99"), ("F", "9", "99"), ("G", "9", "99"), ("q", "j", "0"), ("H", "j", "0")],
)
def test_a_message_on_which_translation_fails_is_answered(
    msg_type: str, answer: str, text: str
) -> None:
    service = order_entry()
    service._policy = None  # type: ignore[assignment] - the translation now fails, whatever comes
    reaction, error = translate_safely(service, ALPHA, request(msg_type), AT)
    reply = only_reply(reaction)
    assert isinstance(error, AttributeError)
    assert (reply.msg_type, reply.get(58)) == (answer, "INTERNAL_ERROR")
    assert reply.get({"8": 103, "9": 102, "j": 380}[answer]) == text
    assert reply.get(434) == {"F": "1", "G": "2"}.get(msg_type, "")


def test_rejects_made_here_have_exec_ids_of_their_own() -> None:
    service = OrderEntry({}, Policy(Throttle({})), "gw1", first_reject=100)
    replies = [only_reply(service.on_failure(ALPHA, request("D"), AT)) for _ in range(2)]
    assert [reply.get(17) for reply in replies] == ["R;gw1;100", "R;gw1;101"]


def test_a_service_without_an_answer_of_its_own_gets_the_standard_one() -> None:
    service = DropCopy({}, None)  # type: ignore[arg-type] - fails on the first message
    reaction, error = translate_safely(service, ALPHA, request("D"), AT)
    assert error is not None
    assert only_reply(reaction).get(17) == "R;ALPHA-RT;7"


# --- from the exchange ---


def test_a_report_goes_to_the_owner_and_to_the_firms_listeners() -> None:
    views = [view("EAR", listener=True), view("SISTER"), view("EAR-B", firm="BRAVO", listener=True)]
    service = order_entry(*views)
    for event in (NEW, TRADE, REJECTED):
        assert heard_by(service, event) == [("ALPHA-RT", "8"), ("EAR", "8")]


def test_who_asked_for_another_sessions_order_hears_of_it_as_well() -> None:
    event = replace(NEW, requester="SISTER")
    assert heard_by(order_entry(view("SISTER")), event) == [("ALPHA-RT", "8"), ("SISTER", "8")]


def test_everybody_hears_of_an_event_once() -> None:
    owner = evolve(ALPHA, listener=True)
    service = OrderEntry({"ALPHA-RT": owner}, Policy(Throttle({})), "gw1")
    assert heard_by(service, replace(NEW, requester="ALPHA-RT")) == [("ALPHA-RT", "8")]


@pytest.mark.parametrize(
    ("event", "types"),
    [
        (CANCEL_REJECTED, ["9"]),
        (MASS_CANCELED, ["r"]),
        (STATUS, ["8"]),
        (GROUP, ["UOH"]),
        (replace(GROUP, reason="ORDER_GROUP_NOT_FOUND"), ["j"]),
        (POSITIONS, ["AO", "AP", "AP"]),
        (COLLATERAL, ["BG", "BA", "BA"]),
    ],
)
def test_an_answer_goes_to_who_asked_and_to_nobody_else(event: Event, types: list[str]) -> None:
    service = order_entry(view("EAR", listener=True))
    assert heard_by(service, event) == [("ALPHA-RT", msg_type) for msg_type in types]


def test_an_order_group_triggered_by_itself_is_told_through_its_orders_alone() -> None:
    assert heard_by(order_entry(), replace(GROUP, session="", triggered=True)) == []


def test_sessions_of_another_gateway_are_not_ours_to_tell() -> None:
    service = OrderEntry({}, Policy(Throttle({})), "gw2")
    assert [heard_by(service, event) for event in (NEW, REJECTED, STATUS)] == [[], [], []]


def test_each_session_reads_its_own_dialect() -> None:
    service = order_entry(view("EAR", listener=True, venue_tags=True, microseconds=True))
    (_, plain), (_, rich) = service.on_event(TRADE)
    assert 2964 not in plain
    assert (rich.get(2964), len(rich.get(60)) - len(plain.get(60))) == ("1", 3)


def test_what_happens_to_sessions_is_no_message() -> None:
    changed = SessionChanged(
        1, AT, "ALPHA", "ALPHA-RT", "gateway:gw1", 1, "c1", is_open=True, epoch=1, confirmed=0,
        high_water=0, cancel_on_disconnect=False, listener=False, venue_tags=False,
        settlement_reports=False, signed_at=0, reason="",
    )  # fmt: skip
    assert heard_by(order_entry(), changed) == []


def test_an_af_is_in_progress_until_its_last_line() -> None:
    service = order_entry(limits={"ALPHA-RT": ThrottleLimits()})
    assert service.on_message(ALPHA, request("AF"), AT).commands
    busy = only_reply(service.on_message(ALPHA, request("AF"), AT))
    assert busy.get(58).startswith("THROTTLED retry_after_ms=")
    service.on_event(replace(STATUS, mass=True, last=True))
    assert service.on_message(ALPHA, request("AF"), AT).commands


def test_an_af_refused_here_is_not_in_progress() -> None:
    service = order_entry(limits={"ALPHA-RT": ThrottleLimits()})
    assert only_reply(service.on_message(ALPHA, request("AF", {585: "1"}), AT)).get(380) == "5"
    assert service.on_message(ALPHA, request("AF"), AT).commands


# --- drop copy and post trade ---


def test_drop_copy_gets_every_report_of_the_firm_under_the_same_exec_id() -> None:
    views = {v.name: v for v in (ALPHA, view("DC", "DC"), view("DC-B", "DC", firm="BRAVO"))}
    copies = DropCopy(views, Policy(Throttle({})))
    orders = OrderEntry(views, Policy(Throttle({})), "gw1")
    for event in (NEW, TRADE, REJECTED):
        assert heard_by(copies, event) == [("DC", "8")]
        ((_, copy),), ((_, original),) = copies.on_event(event), orders.on_event(event)
        assert copy == original


@pytest.mark.parametrize("event", [STATUS, CANCEL_REJECTED, MASS_CANCELED, SETTLED])
def test_drop_copy_gets_no_answers(event: Event) -> None:
    assert heard_by(DropCopy({"DC": view("DC", "DC")}, Policy(Throttle({}))), event) == []


@pytest.mark.parametrize(("role", "msg_type"), [("DC", "D"), ("PT", "U1"), ("PT", "AN")])
def test_sessions_that_only_listen_support_no_request(role: str, msg_type: str) -> None:
    session = view(role, role)
    service: DropCopy | PostTrade = (
        DropCopy({role: session}, Policy(Throttle({})))
        if role == "DC"
        else PostTrade({role: session}, Policy(Throttle({})))
    )
    message = FixMessage(msg_type, request("D").fields)
    reply = only_reply(service.on_message(session, message, AT))
    assert (reply.msg_type, reply.get(380)) == ("j", "3")


def test_a_settlement_goes_to_the_firms_post_trade_sessions_in_their_form() -> None:
    views = [
        view("PT", "PT"),
        view("PT-UMS", "PT", settlement_reports=True),
        view("PT-B", "PT", firm="BRAVO"),
        evolve(view("PT-2", "PT"), accounts=("ALPHA-2",)),
        evolve(view("PT-ALL", "PT"), accounts=()),
    ]
    service = PostTrade({item.name: item for item in views}, Policy(Throttle({})))
    assert heard_by(service, SETTLED) == [("PT", "AP"), ("PT-UMS", "UMS"), ("PT-ALL", "AP")]


def test_an_order_entry_session_gets_settlements_only_where_it_asked() -> None:
    service = order_entry(view("RT-UMS", settlement_reports=True))
    assert heard_by(service, SETTLED) == [("RT-UMS", "UMS")]


def test_each_shard_numbers_its_own_reports() -> None:
    views = {"ALPHA-RT": ALPHA}
    service = OrderEntry(views, Policy(Throttle({})), "gw1", [Reports(0), Reports(1)])
    ((_, report),) = service.on_event(NEW, 1)
    assert report.get(17).endswith(";42;1")
