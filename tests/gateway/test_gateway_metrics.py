"""What a lane tells of its orders: how they were answered, how long each stage took, who waits."""

from pathlib import Path

from gateway_support import rig, wait_until

ORDERS = 'fixgw_orders_total{result="%s"}'
STAGE = 'fixgw_stage_seconds_%s{stage="%s"}'


def test_each_order_is_timed_as_a_whole_and_by_stage(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        for number in range(50):
            client.order(f"o{number}")
        for _ in range(50):
            client.receive()
        wait_until(lambda: system.metric(ORDERS % "ok") == 50)
        stages = ("translate", "append", "exchange", "report")
        assert [system.metric(STAGE % ("count", stage)) for stage in stages] == [50] * 4
        whole = system.metric('fixgw_order_ack_seconds_sum{msg_type="D"}')
        parts = sum(system.metric(STAGE % ("sum", stage)) for stage in stages)
        assert 0 < parts <= whole + 0.001
        assert system.metric(ORDERS % "error") == 0


def test_an_order_without_an_answer_shows_and_grows_old_until_it_has_one(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        system.core.pause()
        client.order("one")
        wait_until(lambda: system.metric("fixgw_unacked_orders") == 1)
        first = system.metric("fixgw_oldest_unacked_seconds")
        wait_until(lambda: system.metric("fixgw_oldest_unacked_seconds") > first + 0.2)
        system.core.resume()
        client.receive()
        wait_until(lambda: system.metric("fixgw_unacked_orders") == 0)
        assert system.metric("fixgw_oldest_unacked_seconds") == 0


def test_an_order_refused_because_the_core_stands_is_our_error(tmp_path: Path) -> None:
    with rig(tmp_path, stalled_core_ms=200) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        system.core.pause()
        wait_until(lambda: system.metric("fixgw_core_stalled") == 1)
        client.order("one")
        assert client.receive().msg_type in {"8", "j"}
        wait_until(lambda: system.metric(ORDERS % "error") == 1)
        assert system.metric("fixgw_unacked_orders") == 0
        system.core.resume()


def test_a_request_to_send_again_is_counted_by_session_with_what_it_costs(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        for number in range(5):
            client.order(f"o{number}")
            client.receive()
        client.send("2", (7, "2"), (16, "0"))
        client.receive_until("8")
        assert system.metric('fixgw_resend_requests_total{direction="in",session="ALPHA-RT"}') == 1
        assert system.metric('fixgw_resent_messages_total{session="ALPHA-RT"}') == 5
        # right after a Logon it is what was missed before it
        assert system.metric('fixgw_sequence_gaps_total{direction="out"}') == 0


def test_sessions_and_the_way_behind_the_core_are_shown(tmp_path: Path) -> None:
    with rig(tmp_path) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        wait_until(lambda: system.metric('fixgw_session_up{session="ALPHA-RT"}') == 1)
        assert system.metric('fixgw_session_last_rx_timestamp_seconds{session="ALPHA-RT"}') > 1e9
        assert system.metric('fixgw_session_up{session="BRAVO-RT"}') == 0
        assert system.metric('fixgw_store_up{shard="s0"}') == 1
        wait_until(lambda: system.metric('fixgw_stream_lag_events{shard="s0"}') == 0)
        client.drop()
        wait_until(lambda: system.metric('fixgw_session_up{session="ALPHA-RT"}') == 0)
