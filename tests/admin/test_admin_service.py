"""The service against the real core: who may ask, what comes of it, and when a shard is silent."""

import contextlib
import json
import socket
import stat
import threading
from typing import Any

import pytest
from attrs import evolve
from waiting import wait_until

from kalshi_fix.adapters.admin_socket import AdminClient, AdminUnreachableError, Login, to_line
from kalshi_fix.messages import commands as c
from kalshi_fix.model import IDS_PER_SHARD
from kalshi_fix.processes.admin import WRONG_LOGIN
from kalshi_fix.services.admin import Answer, Request, Status

T = "KXTEST-A"


def log_in(client: AdminClient) -> Answer:
    return client.ask(Login(operator="op1", token="demo-op1"))


def outcome(answer: Any) -> tuple[str, str]:
    return answer.status, answer.reason


# --- who may ask


@pytest.mark.parametrize(
    ("operator", "token"), [("op1", "demo-op2"), ("op1", ""), ("nobody", ""), ("", "demo-op1")]
)
def test_a_wrong_token_and_an_unknown_operator_look_the_same(
    system: Any, operator: str, token: str
) -> None:
    with system.client() as client:
        assert outcome(client.ask(Login(operator=operator, token=token))) == (
            Status.REFUSED,
            WRONG_LOGIN,
        )
        with pytest.raises(AdminUnreachableError):  # and the connection is over
            client.ask(Request(operation="status", request_id="1"))


def test_nothing_is_read_or_written_before_the_login(system: Any) -> None:
    before = system.commands()
    with system.client() as client:
        answer = client.ask(Request(operation="exchange.pause", request_id="1"))
    assert answer.status == Status.INVALID
    assert system.commands() == before


def test_only_the_owner_can_open_the_socket(system: Any) -> None:
    path = system.data.admin_socket
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_second_service_on_the_same_data_does_not_take_the_socket_away(system: Any) -> None:
    with pytest.raises(OSError, match="another admin service"):
        evolve(system).start_service()
    assert system.ask("status").status == Status.DONE


# --- what comes of it


def test_a_pause_is_a_command_on_the_bus_with_who_and_why(system: Any) -> None:
    answer = system.ask("markets.pause", symbol=T, why="fat finger", request_id="R7")
    assert outcome(answer) == (Status.DONE, "")
    command = system.commands()[-1]
    assert isinstance(command, c.SetMarketStatus)
    assert (command.request_id, command.operator, command.why) == ("R7", "op1", "fat finger")
    assert (command.symbol, command.status) == (T, "paused")
    (row,) = system.ask("markets.list", symbol=T).rows
    assert row["status"] == "paused"


def test_a_refusal_of_the_core_reaches_the_operator_and_stays_on_record(system: Any) -> None:
    answer = system.ask("markets.pause", symbol="KXNOSUCH", request_id="R8")
    assert answer.status == Status.REFUSED
    assert answer.reason
    (row,) = [row for row in system.ask("history").rows if row["request_id"] == "R8"]
    assert (row["operator"], row["outcome"]) == ("op1", answer.reason)


def test_money_arrives_exactly(system: Any) -> None:
    assert system.ask("accounts.deposit", account="ALPHA-1", amount="100.000001").status == "done"
    assert system.ask("accounts.withdraw", account="ALPHA-1", amount="0.5").status == "done"
    (row,) = system.ask("accounts.show", account="ALPHA-1").rows
    assert (row["cash"], row["held"], row["total"]) == ("99.500001", "0.00", "99.500001")


def test_more_than_free_cash_cannot_be_withdrawn(system: Any) -> None:
    answer = system.ask("accounts.withdraw", account="ALPHA-1", amount="0.5")
    assert outcome(answer) == (Status.REFUSED, "INSUFFICIENT_BALANCE")


def test_a_determination_needs_another_operator(system: Any) -> None:
    assert system.ask("markets.close", symbol=T).status == Status.DONE
    determined = system.ask("markets.determine", symbol=T, value="YES", source="BLS")
    assert determined.status == Status.DONE
    alone = system.ask("markets.confirm", symbol=T, request_id="C1")
    assert outcome(alone) == (Status.REFUSED, "SAME_OPERATOR")
    other = system.ask("markets.confirm", symbol=T, operator="op2", request_id="C2")
    assert other.status == Status.DONE


def test_the_same_request_twice_happens_once(system: Any) -> None:
    first = system.ask("accounts.deposit", account="ALPHA-1", amount="5", request_id="D1")
    again = system.ask("accounts.deposit", account="ALPHA-1", amount="5", request_id="D1")
    assert outcome(first) == outcome(again) == (Status.DONE, "")
    assert [answer.shards[0].repeated for answer in (first, again)] == [False, True]
    (row,) = system.ask("accounts.show", account="ALPHA-1").rows
    assert row["cash"] == "5.00"


def test_a_request_id_cannot_stand_for_two_different_things(system: Any) -> None:
    system.ask("accounts.deposit", account="ALPHA-1", amount="5", request_id="D1")
    other = system.ask("markets.pause", symbol=T, request_id="D1")
    assert outcome(other) == (Status.REFUSED, "REQUEST_ID_USED")
    more = system.ask("accounts.deposit", account="ALPHA-1", amount="6", request_id="D1")
    assert outcome(more) == (Status.REFUSED, "REQUEST_ID_USED")
    (row,) = system.ask("accounts.show", account="ALPHA-1").rows
    assert row["cash"] == "5.00"


def test_fee_schedules_are_listed_as_they_were_defined(system: Any) -> None:
    system.ask("series.define", series="KXTEST", taker_rate="0.05", maker_rate="-0.0125")
    (row,) = [row for row in system.ask("series.list").rows if row["series"] == "KXTEST"]
    assert (row["taker_rate"], row["maker_rate"], row["multiplier"]) == ("0.05", "-0.0125", "1")


def test_a_session_is_disabled_and_enabled_without_losing_its_definition(system: Any) -> None:
    before = system.ask("sessions.list").rows
    assert system.ask("sessions.disable", session="ALPHA-RT").status == Status.DONE
    (row,) = system.ask("sessions.list").rows
    assert row["enabled"] is False
    assert system.ask("sessions.enable", session="ALPHA-RT").status == Status.DONE
    assert system.ask("sessions.list").rows == before


def test_a_market_defined_by_hand_can_be_seen_and_changed_in_part(system: Any) -> None:
    new = {"symbol": "KXNEW", "event_ticker": "KXNEW", "series": "KXTEST", "title": "New"}
    limits = {"position_limit": "500", "settlement_timer": "60"}
    assert system.ask("markets.define", **new, **limits).status == Status.DONE
    assert system.ask("markets.define", symbol="KXNEW", title="Better").status == Status.DONE
    (row,) = system.ask("markets.list", symbol="KXNEW").rows
    assert (row["title"], row["position_limit"], row["settlement_timer"]) == (
        "Better",
        "500.00",
        "60",
    )


def test_limits_and_kill_switch_show_in_what_they_are_attached_to(system: Any) -> None:
    limits = {"order_size": "10"}
    assert system.ask("limits.set", scope="firm", name="ALPHA", limits=limits).status == "done"
    (row,) = system.ask("limits.show").rows
    assert (row["scope"], row["name"], row["limits"]) == ("firm", "ALPHA", {"order_size": "10.00"})
    assert system.ask("kill", scope="firm", name="ALPHA").status == Status.DONE
    (firm,) = system.ask("firms.list").rows
    assert firm["killed"] is True
    assert system.ask("kill", scope="exchange").status == Status.DONE
    (status,) = system.ask("status").rows
    assert status["trading"] == "killed"


def test_a_service_started_later_knows_everything_that_happened_before(system: Any) -> None:
    system.ask("markets.pause", symbol=T, request_id="P1")
    system.service.stop()
    system.start_service()
    (row,) = system.ask("markets.list", symbol=T).rows
    assert row["status"] == "paused"
    again = system.ask("markets.pause", symbol=T, request_id="P1")
    assert again.shards[0].repeated


# --- when something is missing


def test_a_silent_shard_is_named_and_the_others_still_act(make_system: Any) -> None:
    system = make_system(shards=("s0", "s1"), silent=("s1",))
    answer = system.ask("exchange.pause")
    assert outcome(answer) == (Status.UNCONFIRMED, "NOT_ANSWERED")
    assert "shard s1" in answer.detail
    assert [shard.status for shard in answer.shards] == [Status.DONE, Status.UNCONFIRMED]


def test_an_unconfirmed_request_can_be_asked_again_and_happens_once(make_system: Any) -> None:
    system = make_system(shards=("s0", "s1"), silent=("s1",))
    system.ask("firms.define", firm="GAMMA", request_id="G1")
    system.start_core("s1")
    answer = system.ask("firms.define", firm="GAMMA", request_id="G1")
    assert outcome(answer) == (Status.DONE, "")
    rows = [row for row in system.ask("history").rows if row["request_id"] == "G1"]
    assert [row["shard"] for row in rows] == ["s0", "s1"] or rows[0]["shard"] == "s0,s1"


def test_with_two_shards_money_needs_a_shard_and_a_market_knows_its_own(make_system: Any) -> None:
    system = make_system(shards=("s0", "s1"))
    head = ("op0", "set-up", 1)
    for shard in ("s0", "s1"):
        system.append(
            c.DefineFirm("f1", *head, firm="ALPHA"),
            c.DefineAccount("a1", *head, account="ALPHA-1", firm="ALPHA"),
            c.DefineSeries("s1", *head, series="KXTEST"),
            shard=shard,
        )
    deposit = {"account": "ALPHA-1", "amount": "7"}
    assert system.ask("accounts.deposit", **deposit).reason == "shard: name one of s0, s1"
    assert system.ask("accounts.deposit", **deposit, shard="s1").status == Status.DONE
    rows = system.ask("accounts.show").rows
    assert [(row["shard"], row["cash"]) for row in rows] == [("s0", "0.00"), ("s1", "7.00")]
    new = {"symbol": "KXNEW", "event_ticker": "KXNEW", "series": "KXTEST", "title": "New"}
    assert system.ask("markets.define", **new, shard="s1").status == Status.DONE
    assert system.ask("markets.pause", symbol="KXNEW").shards[0].shard == "s1"
    wrong = system.ask("markets.pause", symbol="KXNEW", shard="s0")
    assert outcome(wrong) == (Status.INVALID, "shard: KXNEW lives in s1")


@pytest.mark.parametrize(("operation", "field"), [("cancel", "order_id"), ("bust", "trade_id")])
def test_an_order_s_or_a_trade_s_number_names_its_shard(
    make_system: Any, operation: str, field: str
) -> None:
    system = make_system(shards=("s0", "s1"))

    def ask(number: int, shard: str = "") -> Answer:
        found: Answer = system.ask(operation, **{field: str(number)}, shard=shard)
        return found

    for number, shard in ((7, "s0"), (IDS_PER_SHARD + 7, "s1")):
        for named in ("", shard):
            answer = ask(number, named)
            assert answer.status == Status.REFUSED  # there is no such order or trade
            assert [each.shard for each in answer.shards] == [shard]
    wrong = ask(IDS_PER_SHARD + 7, "s0")
    assert outcome(wrong) == (Status.INVALID, f"shard: {IDS_PER_SHARD + 7} is of s1")
    assert ask(2 * IDS_PER_SHARD).reason.startswith(f"{field}: {2 * IDS_PER_SHARD} is of none of")


@pytest.mark.parametrize("fault", ["lose_after_writing", "lose_before_writing"])
def test_an_unknown_outcome_is_settled_by_asking_again_under_the_same_id(
    system: Any, fault: str
) -> None:
    for bus in system.buses:
        setattr(bus, fault, 1)
    answer = system.ask("accounts.deposit", account="ALPHA-1", amount="5", request_id="D1")
    assert outcome(answer) == (Status.DONE, "")
    (row,) = system.ask("accounts.show", account="ALPHA-1").rows
    assert row["cash"] == "5.00"


def test_a_store_that_is_down_is_told_as_nothing_written(system: Any) -> None:
    with system.client() as client:
        log_in(client)
        system.store.down = True
        answer = client.ask(Request(operation="exchange.pause", request_id="1"))
        assert outcome(answer) == (Status.UNREACHABLE, "STORE_UNREACHABLE")
        assert "nothing was written" in answer.detail
        (row,) = client.ask(Request(operation="status", request_id="2")).rows
        assert "store unreachable" in row["core"]
        system.store.down = False
        assert client.ask(Request(operation="exchange.pause", request_id="3")).status == "done"


def test_the_status_tells_who_leads_and_how_far_readers_are(system: Any) -> None:
    bus = system.store.connect("s0")
    bus.set_position("gateway:gw1", 1, 1)
    ticking = threading.Event()

    def tick() -> None:
        while not ticking.wait(0.02):
            system.append(c.AdvanceTime(1_000_000_000))

    clock = threading.Thread(target=tick)
    clock.start()
    (row,) = system.ask("status").rows
    ticking.set()
    clock.join()
    assert (row["shard"], row["core"], row["leader"]) == ("s0", "moving", "core-1")
    assert row["lag"]["gateway:gw1"] == row["event"] - 1
    assert (row["markets"], row["firms"], row["accounts"]) == ({"active": 1}, 1, 1)


def test_a_shard_without_a_core_is_seen_to_stand_still(make_system: Any) -> None:
    (row,) = make_system(silent=("s0",)).ask("status").rows
    assert (row["core"], row["leader"]) == ("standing still", "")


# --- what comes over the socket


def lines(system: Any, *sent: bytes) -> list[dict[str, Any]]:
    """Raw lines in, answers out, until the service closes or has answered each."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(system.data.admin_socket))
        connection.sendall(b"".join(sent))
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as received:
            return [json.loads(line) for line in received]


LOGIN = to_line(Login(operator="op1", token="demo-op1"))


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"hello\n",
        b"[]\n",
        b'{"operation": 5}\n',
        b'{"operation": "status", "surprise": 1}\n',
        b'{"operation": "status", "args": []}\n',
        b"\xff\xfe\n",
        b"[" * 50_000 + b"\n",
    ],
)
def test_garbage_is_answered_and_the_connection_goes_on(system: Any, garbage: bytes) -> None:
    status = to_line(Request(operation="firms.list", request_id="1"))
    answers = lines(system, LOGIN, garbage, status)
    assert [answer["status"] for answer in answers] == ["done", "invalid", "done"]


@pytest.mark.parametrize(
    "garbage", [b"hello\n", b'{"operator": ["op1"], "token": "x"}\n', b"[1]\n"]
)
def test_garbage_instead_of_a_login_ends_the_connection(system: Any, garbage: bytes) -> None:
    assert [answer["status"] for answer in lines(system, garbage, LOGIN)] == ["invalid"]


def test_a_line_that_never_ends_is_cut(system: Any) -> None:
    answers = lines(system, b"x" * (system.settings.admin.line_bytes + 1))
    assert [answer["status"] for answer in answers] == ["invalid"]


def test_no_more_connections_than_configured(system: Any) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(system.settings.admin.connections_max):
            client = stack.enter_context(system.client())
            assert log_in(client).status == Status.DONE
        with system.client() as one_more:
            assert log_in(one_more).reason == "too many connections"

    def is_welcome() -> bool:
        with system.client() as client:
            return log_in(client).status == Status.DONE

    wait_until(is_welcome, "a place to become free")


def test_no_service_is_one_clear_line(system: Any) -> None:
    system.service.stop()
    with pytest.raises(AdminUnreachableError, match="is the system running"), system.client():
        pass
    system.start_service()
