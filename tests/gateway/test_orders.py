from pathlib import Path
from typing import Any

import pytest
from gateway_support import Rig, rig, wait_until

from kalshi_fix.adapters.bus import BusDownError, LaneHolder, OutcomeUnknownError
from kalshi_fix.messages import commands as c
from kalshi_fix.services.service import Reaction


def tags(message: Any, *wanted: int) -> tuple[str, ...]:
    return (message.msg_type, *(message.get(tag) for tag in wanted))


def test_an_order_becomes_a_command_and_its_event_a_report(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        number = client.order("one")
        assert tags(client.receive(), 11, 150, 49, 56, 34) == (
            "8", "one", "0", "KalshiRT", "ALPHA-RT", "2",
        )  # fmt: skip
        (order,) = system.core.executed(c.NewOrder)
        assert (order.seq, order.epoch, order.price, order.order_qty) == (number, 1, 5000, 1000)


def test_what_is_sent_at_once_is_executed_and_reported_in_order(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-NR", "NR")
        client.log_on(reset=True)
        ids = [f"o{n}" for n in range(200)]
        for cl_ord_id in ids:
            client.order(cl_ord_id)
        assert [client.receive().get(11) for _ in ids] == ids
        assert [order.cl_ord_id for order in system.core.executed(c.NewOrder)] == ids
        assert system.metric('fixgw_messages_total{direction="in",msg_type="D"}') == 200
        wait_until(lambda: system.metric('fixgw_order_ack_seconds_count{msg_type="D"}') == 200)
        assert system.metric("fixgw_unacked_orders") == 0


def test_reports_go_to_the_drop_copy_of_the_firm_and_to_nobody_elses(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        trader, copy, other = (
            system.client("ALPHA-RT"),
            system.client("ALPHA-DC", "DC"),
            system.client("BRAVO-RT"),
        )
        for client in (trader, copy, other):
            client.log_on(reset=True)
        trader.order("one")
        assert tags(copy.receive(), 11, 17) == tags(trader.receive(), 11, 17)
        other.send("1", (112, "still here"))
        assert other.receive().get(112) == "still here"


def test_a_reply_of_the_service_goes_back_and_nothing_to_the_bus(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        number = client.send("V", (262, "1"), (263, "0"), (264, "0"), (267, "1"), (269, "0"),
                             (146, "1"), (55, "M"))  # fmt: skip
        assert tags(client.receive(), 45, 372, 380) == ("j", str(number), "V", "3")
        assert system.core.executed(c.NewOrder) == []
        refused = 'fixgw_rejects_total{kind="business",reason="MESSAGE_NOT_SUPPORTED"}'
        wait_until(lambda: system.metric(refused) == 1)


def test_what_the_dictionary_forbids_never_reaches_a_service(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        client.send("D", (11, "x"), (55, "M"))
        assert tags(client.receive(), 45, 372, 373) == ("3", "2", "D", "1")
        client.send("ZZ", (11, "x"))
        assert tags(client.receive(), 373) == ("3", "11")
        client.order("y", (19999, "not of this venue"))
        assert tags(client.receive(), 371) == ("3", "19999")


@pytest.mark.parametrize(
    ("send", "answer"),
    [
        (lambda client: client.order("x"), ("8", "INTERNAL_ERROR", "99", "")),
        (
            lambda client: client.send(
                "F", (11, "x"), (41, "y"), (55, "M"), (54, "1"), (60, "20260101-00:00:00")
            ),
            ("9", "INTERNAL_ERROR", "", ""),
        ),
        (lambda client: client.send("AN", (710, "p"), (724, "0"), (453, "1"), (448, "A"), (1, "A"),
            (581, "1"), (715, "20260101"), (60, "20260101-00:00:00")),
         ("j", "INTERNAL_ERROR", "", "0")),
    ],
    ids=["D", "F", "AN"],
)  # fmt: skip
def test_a_failing_translation_answers_that_message_and_the_session_goes_on(
    tmp_path: Path, send: Any, answer: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        service = system.lane._desks["RT"].service

        def broken(*_: object) -> Reaction:
            raise ZeroDivisionError

        with monkeypatch.context() as patched:
            patched.setattr(type(service), "on_message", broken)
            send(client)
            assert tags(client.receive(), 58, 103, 380) == answer
        client.order("after")
        assert tags(client.receive(), 11, 150) == ("8", "after", "0")


def test_new_orders_are_refused_while_the_core_does_not_move_and_cancels_are_taken(
    tmp_path: Path,
) -> None:
    with rig(tmp_path, stalled_core_ms=300) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        client.order("one")
        client.receive()
        system.core.pause()
        wait_until(lambda: system.lane.readiness() == "the core does not move")
        number = client.order("two")
        refusal = client.receive()
        assert tags(refusal, 45, 379, 380, 58) == (
            "j", str(number), "two", "4", "EXCHANGE_UNAVAILABLE",
        )  # fmt: skip
        client.cancel("three", "one")
        system.core.resume()
        assert tags(client.receive(), 11, 150) == ("8", "three", "4")
        wait_until(lambda: not system.lane.readiness())
        client.order("four")
        assert tags(client.receive(), 11, 150) == ("8", "four", "0")


def test_what_was_certainly_not_taken_by_the_store_is_refused_and_never_executed(
    tmp_path: Path,
) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        system.store.down = True
        client.order("one")
        assert tags(client.receive(), 379, 380) == ("j", "one", "4")
        client.cancel("two", "one")
        assert tags(client.receive(), 379, 380) == ("j", "two", "4")
        system.store.down = False
        wait_until(lambda: system.lane._writers[0].is_available)
        wait_until(lambda: not system.lane.readiness())
        client.order("three")
        assert tags(client.receive(), 11, 150) == ("8", "three", "0")
        assert [order.cl_ord_id for order in system.core.executed(c.NewOrder)] == ["three"]


def test_a_message_that_may_have_been_taken_is_sent_again_and_answered_by_its_report_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        outcomes = forget_the_answer(system, monkeypatch)
        client.order("one")
        assert tags(client.receive(), 11, 150) == ("8", "one", "0")
        wait_until(lambda: not outcomes and system.lane._writers[0].is_available)
        client.order("two")
        assert tags(client.receive(), 11, 150) == ("8", "two", "0")
        assert [order.cl_ord_id for order in system.core.executed(c.NewOrder)] == ["one", "two"]
        assert [order.cl_ord_id for order in system.core.repeats] == ["one"]


def forget_the_answer(system: Rig, monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """The next append of an order is carried out, its answer lost, the store then away once."""
    bus: Any = system.lane._writers[0]._bus
    append = bus.append_commands
    outcomes: list[Exception] = [OutcomeUnknownError("no answer"), BusDownError("away")]

    def forgetful(payload: bytes, _lane: LaneHolder | None = None) -> str:
        if b"one" in payload and outcomes:
            outcome = outcomes.pop(0)
            if isinstance(outcome, OutcomeUnknownError):
                append(payload)
            raise outcome
        return append(payload)

    monkeypatch.setattr(bus, "append_commands", forgetful)
    return outcomes
