"""Who may log on, and what everybody else is told, byte for byte."""

import time
from collections.abc import Iterator

import pytest
from clients.fix_socket import ConnectionClosedError, Field, FixSocket, Message, utc_now
from running_system import RunningSystem
from scenarios.scenario_matching import utc_text
from waiting import wait_until

pytestmark = pytest.mark.acceptance


@pytest.fixture
def rt(system: RunningSystem) -> Iterator[FixSocket]:
    """LOAD12-RT, a session no other test uses."""
    session = FixSocket(system.port("RT"), "LOAD12-RT", "KalshiRT")
    yield session
    session.close()


@pytest.fixture
def nr(system: RunningSystem) -> Iterator[FixSocket]:
    session = FixSocket(system.port("NR"), "BRAVO-NR", "KalshiNR")
    yield session
    session.close()


def logon(session: FixSocket, *flags: Field, reset: bool = False) -> Message:
    """Logs on; waits while the venue still holds the connection before."""

    def attempt() -> Message | None:
        try:
            return session.logon(flags, reset=reset)
        except ConnectionClosedError:
            return None

    return wait_until(attempt, "an answer to the Logon")


def now_and(seconds: float) -> str:
    return utc_text(time.time_ns(), seconds)


def test_the_answer_to_a_logon_carries_what_the_client_sent_and_nothing_else(rt: FixSocket) -> None:
    answer = logon(rt, reset=True)
    tags = [tag for tag, _ in answer.fields]
    assert sorted(tags) == sorted([8, 9, 35, 34, 49, 52, 56, 98, 108, 141, 10])
    assert answer.get(34) == "1"
    assert (answer.get(98), answer.get(108), answer.get(141)) == ("0", "30", "Y")
    assert (answer.get(49), answer.get(56)) == ("KalshiRT", "LOAD12-RT")
    rt.logout()
    answer = logon(rt)
    assert 141 not in answer
    assert answer.get(34) == "3"  # Logon and Logout before
    rt.logout()


def test_a_wrong_password_with_a_reset_is_answered_with_number_1_and_resets_nothing(
    rt: FixSocket,
) -> None:
    logon(rt, reset=True)
    rt.logout()
    numbers = rt.next_out, rt.next_in
    answer = logon(rt, (554, "wrong"), reset=True)
    assert (answer.msg_type, answer.get(34)) == ("5", "1")
    assert answer.get(58) != ""
    assert rt.wait_closed()
    rt.next_out, rt.next_in = numbers
    assert logon(rt).msg_type == "A"
    rt.logout()


def test_a_wrong_password_without_a_reset_uses_the_next_number_as_stock_clients_count_it(
    rt: FixSocket,
) -> None:
    logon(rt, reset=True)
    rt.logout()
    expected = rt.next_in
    answer = logon(rt, (554, "wrong"))
    assert (answer.msg_type, answer.get(34)) == ("5", str(expected))
    assert rt.wait_closed()
    rt.next_out -= 1  # the refused Logon was not counted
    answer = logon(rt)
    assert (answer.msg_type, answer.get(34)) == ("A", str(expected + 1))
    rt.logout()


@pytest.mark.parametrize(
    ("sender", "target"),
    [("NOBODY", "KalshiRT"), ("alpha-rt", "KalshiRT"), ("ALPHA-RT", "KalshiXX"),
     ("ALPHA-NR", "KalshiNR")],
)  # fmt: skip
def test_an_unknown_identity_is_closed_without_a_message(
    system: RunningSystem, sender: str, target: str
) -> None:
    session = FixSocket(system.port("RT"), sender, target, "demo-alpha")
    with pytest.raises(ConnectionClosedError):
        session.logon(reset=True)


def test_a_second_connection_is_closed_and_the_first_is_untouched(
    system: RunningSystem, rt: FixSocket
) -> None:
    logon(rt, reset=True)
    second = FixSocket(system.port("RT"), "LOAD12-RT", "KalshiRT")
    with pytest.raises(ConnectionClosedError):
        second.logon(reset=True)
    rt.send([(35, "H"), (11, "alive"), (55, "KXTEST-R"), (54, "1")])
    assert rt.receive().get(11) == "alive"
    rt.logout()


@pytest.mark.parametrize(
    "flags",
    [
        ((98, "1"),),
        ((108, "0"),),
        ((108, "1"),),
        ((108, "61"),),
        ((108, "-10"),),
        ((108, "x"),),
        ((52, "now-60"),),
        ((52, "now+60"),),
        ((8013, "maybe"),),
        ((20126, "1"),),
        ((20900, "yes"),),
    ],
    ids=lambda flags: "=".join(map(str, flags[0])),
)
def test_a_logon_with_a_wrong_value_gets_a_logout_that_says_why(
    rt: FixSocket, flags: tuple[Field, ...]
) -> None:
    tag, value = flags[0]
    if value.startswith("now"):
        flags = ((tag, now_and(float(value[3:]))),)
    answer = logon(rt, *flags, reset=True)
    assert (answer.msg_type, answer.get(34)) == ("5", "1")
    assert answer.get(58) != ""
    assert rt.wait_closed()


@pytest.mark.parametrize("missing", [98, 108, 553, 554])
def test_a_logon_without_a_needed_field_gets_a_logout_or_is_closed(
    rt: FixSocket, missing: int
) -> None:
    answer = rt.logon(reset=True, without=[missing])
    assert answer.msg_type == "5"
    assert answer.get(58) != ""
    assert rt.wait_closed()


def test_sessions_without_retransmission_must_ask_for_a_reset(nr: FixSocket) -> None:
    answer = logon(nr)
    assert answer.msg_type == "5"
    assert "141" in answer.get(58) or "RESET" in answer.get(58).upper()
    assert nr.wait_closed()
    assert logon(nr, reset=True).msg_type == "A"
    nr.logout()


def test_a_first_message_that_is_no_logon_is_closed(system: RunningSystem) -> None:
    session = FixSocket(system.port("RT"), "LOAD12-RT", "KalshiRT")
    session.connect()
    session.send([(35, "0")])
    assert session.wait_closed()
    assert session.inbox.get() is None


def test_a_connection_that_says_nothing_is_closed_soon(system: RunningSystem) -> None:
    session = FixSocket(system.port("RT"), "LOAD12-RT", "KalshiRT")
    session.connect()
    assert session.wait_closed(10)
    assert session.inbox.get() is None


def test_garbage_is_closed(system: RunningSystem) -> None:
    session = FixSocket(system.port("NR"), "ALPHA-NR", "KalshiNR")
    session.connect()
    session.send_bytes(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 10)
    assert session.wait_closed()
    assert session.inbox.get() is None


def test_a_second_logon_in_a_session_ends_it_with_a_reason(rt: FixSocket) -> None:
    logon(rt, reset=True)
    rt.send([(35, "A"), (98, "0"), (108, "30"), (553, rt.sender), (554, rt.password)])
    assert rt.wait_closed()


def test_the_logout_is_answered_and_the_numbers_go_on(rt: FixSocket) -> None:
    logon(rt, reset=True)
    rt.send([(35, "5")])
    answer = rt.receive()
    assert (answer.msg_type, answer.get(34)) == ("5", "2")
    assert rt.wait_closed()
    rt.close()
    assert logon(rt).get(34) == "3"
    rt.send([(35, "D"), (11, f"z{utc_now()}"), (55, "KXTEST-R"), (54, "1"), (38, "1"), (40, "2"),
             (44, "0.5"), (59, "3"), (60, utc_now())])  # fmt: skip
    assert rt.receive().get(34) == "4"
    rt.logout()
