"""Sequence numbers, resends and reports made while a client is away."""

import shutil
import threading
import time
from pathlib import Path

from gateway_support import LONG_AGO, Client, Rig, rig, wait_until

from kalshi_fix.messages import commands as c


def away(system: Rig, name: str) -> None:
    wait_until(lambda: system.lane.links[name].outbox.is_away)


def report_while_away(system: Rig, client: Client, cl_ord_id: str) -> None:
    """An order is on its way into the exchange when the client goes."""
    system.core.pause()
    client.order(cl_ord_id)
    wait_until(lambda: system.lane.links[client.name].progress.confirmed() >= client.out - 1)
    client.drop()
    away(system, client.name)
    system.core.resume()
    wait_until(lambda: system.core.executed(c.NewOrder))
    time.sleep(0.1)


def test_a_report_made_while_an_rt_client_is_away_is_numbered_and_comes_by_resend(
    tmp_path: Path,
) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        report_while_away(system, client, "one")
        assert client.log_on().get(34) == "3"
        client.send("2", (7, "2"), (16, "0"))
        report = client.receive()
        assert [report.get(tag) for tag in (11, 34, 43)] == ["one", "2", "Y"]
        assert report.get(122)
        assert (client.receive().get(36), "") == ("4", "")


def test_a_report_made_while_an_nr_client_is_away_is_gone_and_counted(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-NR", "NR")
        client.log_on(reset=True)
        report_while_away(system, client, "one")
        assert client.log_on(reset=True).get(34) == "1"
        client.send("1", (112, "anything?"))
        assert client.receive().get(112) == "anything?"
        assert system.metric('fixgw_outbound_dropped_total{session="ALPHA-NR"}') == 1


def test_a_reset_drops_the_history_and_the_next_report_is_number_two(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        report_while_away(system, client, "one")
        assert client.log_on(reset=True).get(34) == "1"
        client.order("two")
        assert (client.receive().get(34), "") == ("2", "")


def test_a_resend_request_of_an_nr_client_is_answered_by_one_gap_fill(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-NR", "NR")
        client.log_on(reset=True)
        for number in range(5):
            client.order(f"o{number}")
            client.receive()
        client.send("2", (7, "1"), (16, "0"))
        fill = client.receive()
        assert [fill.msg_type, fill.get(123), fill.get(36)] == ["4", "Y", "7"]
        client.send("1", (112, "next"))
        assert client.receive().get(34) == "7"


def test_a_gap_from_an_nr_client_ends_the_session_and_it_may_come_again(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-NR", "NR")
        client.log_on(reset=True)
        client.order("late", number=9)
        logout = client.receive_until("5")
        assert logout.get(58) == "MsgSeqNum gap"
        client.send("5", number=10)
        assert client.is_closed()
        assert client.log_on(reset=True).msg_type == "A"
        assert system.core.executed(c.NewOrder) == []


def test_a_gap_from_an_rt_client_is_asked_for_and_filled_in_order(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        client.order("second", number=3)
        request = client.receive_until("2")
        assert (request.get(7), request.get(16)) == ("2", "0")
        client.order("first")
        assert [client.receive().get(11) for _ in range(2)] == ["first", "second"]


def test_numbers_go_on_over_connections_and_utc_midnights(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        client.order("one")
        client.receive()
        client.log_out()
        system.lane.stop()
        store = tmp_path / "lanes" / "gw1" / "fix" / "FIX.4.4-KalshiRT-ALPHA-RT.session"
        store.write_text("20200101-00:00:00")  # as if the store were of another day
        system.start_lane()
        assert client.log_on().get(34) == "4"
        client.order("two")
        assert client.receive().get(11) == "two"


def test_a_repeat_below_what_the_core_carried_out_is_refused_and_not_forgotten(
    tmp_path: Path,
) -> None:
    """The process that refused it died before that was stored; the core would pass it over."""
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        client.order("one")
        client.receive()
        store = tmp_path / "lanes" / "gw1" / "fix"
        shutil.copytree(store, tmp_path / "before")
        system.core.pause()
        wait_until(lambda: system.lane.readiness() == "the core does not move")
        client.order("two")
        assert client.receive().msg_type == "j"
        client.cancel("three", "one")
        system.core.resume()
        assert client.receive().get(150) == "4"
        system.lane.stop()
        client.drop()
        shutil.rmtree(store)
        shutil.copytree(tmp_path / "before", store)
        system.core.confirmed["ALPHA-RT"] = (1, 2)
        system.start_lane()
        client.log_on()
        assert client.receive_until("2").get(7) == "3"
        again = ((43, "Y"), (122, LONG_AGO))
        client.order("two", *again, number=3)
        client.cancel("three", "one", *again, number=4)
        refusal = client.receive_until("j")
        assert [refusal.get(tag) for tag in (379, 380, 45)] == ["two", "4", "3"]
        assert [order.cl_ord_id for order in system.core.executed(c.NewOrder)] == ["one"]
        assert len(system.core.executed(c.CancelOrder)) == 1


def test_a_polite_restart_sends_nothing_twice(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        for number in range(20):
            client.order(f"o{number}")
            client.receive()
        system.lane.stop()
        client.drop()
        system.start_lane()
        assert client.log_on().get(34) == "23"  # Logon, 20 reports, Logout
        assert system.metric("fixgw_recovered_reports_total") == 0


def test_a_stopping_gateway_says_so_and_waits_for_the_answer(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        stopping = threading.Thread(target=system.lane.stop)
        stopping.start()
        assert client.receive_until("5")
        client.send("5")
        assert client.is_closed()
        stopping.join(5)
        (lost,) = system.core.executed(c.SessionLost)
        assert lost.cause == "logout"
