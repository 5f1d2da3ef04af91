"""Sequence numbers, resends and bad bytes after the Logon, as a client on a socket sees them."""

import time
from collections.abc import Iterator

import pytest
from clients.fix_socket import ConnectionClosedError, Field, FixSocket, Message, utc_now
from running_system import RunningSystem
from scenarios.scenario_matching import utc_text
from waiting import wait_until

pytestmark = pytest.mark.acceptance
MARKET = "KXTEST-T"


class Trader(FixSocket):
    """A session with names for orders."""

    def __init__(self, system: RunningSystem, sender: str, target: str) -> None:
        super().__init__(system.port(sender.split("-")[1]), sender, target)
        self._orders = 0

    def enter(self, *more: Field, reset: bool = False) -> Message:
        """Logs on, waiting while the venue still holds the connection before."""

        def attempt() -> Message | None:
            try:
                return self.logon(more, reset=reset)
            except ConnectionClosedError:
                return None

        return wait_until(attempt, "an answer to the Logon")

    def order(self, side: str, price: str, quantity: str = "1", *more: Field) -> str:
        """Sends an order and returns its ClOrdID."""
        self._orders += 1
        name = f"{time.time_ns():x}-{self._orders}"
        terms = [(55, MARKET), (54, side), (38, quantity), (40, "2"), (44, price)]
        self.send([(35, "D"), (11, name), *terms, *more, (60, utc_now())])
        return name

    def cancel(self, order: str, side: str) -> None:
        """Cancels an order and takes the answer."""
        terms = [(55, MARKET), (54, side), (60, utc_now())]
        self.send([(35, "F"), (11, f"{order}-c"), (41, order), *terms])
        assert self.receive().get(150) == "4"


@pytest.fixture
def rt(system: RunningSystem) -> Iterator[Trader]:
    trader = Trader(system, "LOAD13-RT", "KalshiRT")
    assert trader.enter(reset=True).msg_type == "A"
    yield trader
    trader.close()


@pytest.fixture
def nr(system: RunningSystem) -> Iterator[Trader]:
    trader = Trader(system, "BRAVO-NR", "KalshiNR")
    assert trader.enter(reset=True).msg_type == "A"
    yield trader
    trader.close()


def test_reports_made_while_away_are_resent_at_the_next_logon(rt: Trader, nr: Trader) -> None:
    order = rt.order("1", "0.45")
    assert rt.receive().get(150) == "0"
    number = rt.next_in
    rt.logout()
    nr.order("2", "0.45")
    assert nr.receive().get(150) == "0"
    assert nr.receive().get(150) == "F"

    assert rt.enter().get(34) > str(number)
    fill = rt.receive()
    assert (fill.get(11), fill.get(150), fill.get(39)) == (order, "F", "2")
    assert fill.get(43) == "Y"
    assert fill.get(122) != ""
    assert fill.get(122) <= fill.get(52)


def test_a_reset_drops_the_history(rt: Trader, nr: Trader) -> None:
    rt.order("1", "0.45")
    assert rt.receive().get(150) == "0"
    rt.logout()
    nr.order("2", "0.45")
    assert nr.receive().get(150) == "0"
    assert nr.receive().get(150) == "F"
    answer = rt.enter(reset=True)
    assert (answer.msg_type, answer.get(34)) == ("A", "1")
    order = rt.order("1", "0.01")
    report = rt.receive()
    assert (report.get(11), report.get(34)) == (order, "2")
    rt.cancel(order, "1")


def test_everything_can_be_asked_for_again_on_a_session_with_retransmission(rt: Trader) -> None:
    order = rt.order("1", "0.02")
    first = rt.receive()
    rt.cancel(order, "1")
    rt.next_in = int(first.get(34))  # as if both reports had been lost
    rt.send([(35, "2"), (7, first.get(34)), (16, "0")])
    again = rt.receive()
    assert (again.get(43), again.get(17), again.get(11)) == ("Y", first.get(17), order)
    assert rt.receive().get(150) == "4"


def test_a_gap_from_the_client_is_asked_for_with_retransmission(rt: Trader) -> None:
    rt.next_out += 3  # three messages that were never sent: the client fills the gap
    order = rt.order("1", "0.03")
    report = rt.receive()
    assert (report.get(11), report.get(150)) == (order, "0")
    rt.cancel(order, "1")


def test_a_gap_from_the_client_ends_a_session_without_retransmission(nr: Trader) -> None:
    nr.next_out += 3
    nr.order("1", "0.03")
    answer = nr.receive()
    assert answer.msg_type == "5"
    assert "MsgSeqNum gap" in answer.get(58)
    assert nr.wait_closed()


def test_nothing_is_resent_without_retransmission(nr: Trader) -> None:
    order = nr.order("1", "0.03")
    assert nr.receive().get(150) == "0"
    nr.next_in = 2
    nr.send([(35, "2"), (7, "2"), (16, "0")])
    nr.send([(35, "H"), (11, "after"), (55, MARKET), (54, "1")])
    answer = nr.receive()
    assert answer.get(11) == "after"
    assert 43 not in answer
    nr.cancel(order, "1")


def test_a_number_too_low_ends_the_session_with_a_reason(rt: Trader) -> None:
    rt.send([(35, "H"), (34, "1"), (11, "old"), (55, MARKET), (54, "1")])
    answer = rt.receive()
    assert answer.msg_type == "5"
    assert "MsgSeqNum too low" in answer.get(58)
    assert rt.wait_closed()


def test_a_garbled_message_is_ignored_and_its_number_is_still_free(rt: Trader) -> None:
    body = b"35=H\x0149=LOAD13-RT\x0156=KalshiRT\x0134=2\x0152=x\x0111=bad\x01"
    rt.send_bytes(b"8=FIX.4.4\x019=%d\x01%s10=000\x01" % (len(body), body))
    order = rt.order("1", "0.04")
    assert rt.receive().get(11) == order
    rt.cancel(order, "1")


def test_control_characters_never_reach_the_exchange(rt: Trader) -> None:
    rt.send([(35, "H"), (34, str(rt.next_out)), (11, "a\x07b"), (55, MARKET), (54, "1")])
    order = rt.order("1", "0.05")
    first = rt.receive()
    if first.msg_type == "3":
        pytest.fail(f"expected the frame to be ignored as garbled, received {first}")
    assert first.get(11) == order
    rt.cancel(order, "1")


def test_a_sending_time_far_off_is_rejected_and_ends_the_session(rt: Trader) -> None:
    late = utc_text(time.time_ns(), -300)
    rt.send([(35, "H"), (52, late), (11, "late"), (55, MARKET), (54, "1")])
    answer = rt.receive()
    assert (answer.msg_type, answer.get(373)) == ("3", "10")
    assert rt.receive().msg_type == "5"
    assert rt.wait_closed()


def test_a_test_request_is_answered(rt: Trader) -> None:
    rt.send([(35, "1"), (112, "are-you-there")])
    order = rt.order("1", "0.06")
    assert rt.receive().get(11) == order
    rt.cancel(order, "1")


def test_a_client_that_falls_silent_is_asked_and_then_dropped(system: RunningSystem) -> None:
    silent = Trader(system, "LOAD14-RT", "KalshiRT")
    silent.connect()
    credentials = [(553, "LOAD14-RT"), (554, "demo-load")]
    silent.muted = True
    silent.send([(35, "A"), (98, "0"), (108, "2"), (141, "Y"), *credentials])
    assert silent.receive().msg_type == "A"
    assert silent.wait_closed(15)


def test_a_wrong_company_id_in_a_session_is_rejected_and_ends_it(rt: Trader) -> None:
    body = (
        f"35=H\x0149=SOMEBODY\x0156=KalshiRT\x0134={rt.next_out}\x0152={utc_now()}\x01"
        f"11=x\x0155={MARKET}\x0154=1\x01"
    ).encode()
    data = b"8=FIX.4.4\x019=%d\x01%s" % (len(body), body)
    rt.send_bytes(b"%s10=%03d\x01" % (data, sum(data) % 256))
    assert rt.wait_closed()
