"""A client that does not read is cut; nobody else notices, and it loses nothing."""

from contextlib import suppress
from pathlib import Path

from gateway_support import Client, Rig, rig, wait_until

from kalshi_fix.messages import commands as c

CUTS = "fixgw_slow_consumer_disconnects_total"


def flood(system: Rig, name: str, role: str) -> Client:
    """Sends orders, never reads a report, until it is cut."""
    client = system.client(name, role)
    client.receive_bytes = 4_096
    client.log_on(reset=True)
    with suppress(OSError):
        for number in range(40_000):
            client.order(f"o{number}")
            if number % 100 == 0 and system.metric(CUTS):
                break
    wait_until(lambda: system.lane.links[name].outbox.is_away, 20)
    assert system.metric(CUTS) == 1
    return client


def test_a_full_queue_cuts_the_connection_and_the_history_is_complete(tmp_path: Path) -> None:
    with rig(tmp_path, outbound_queue_max=200) as system:
        other = system.client("BRAVO-RT")
        other.log_on(reset=True)
        slow = flood(system, "ALPHA-RT", "RT")
        other.order("mine")
        assert other.receive().get(11) == "mine"
        taken = [order.cl_ord_id for order in system.core.executed(c.NewOrder)]
        taken.remove("mine")
        slow.receive_bytes = 0
        assert slow.log_on().get(34) == str(len(taken) + 2)
        slow.send("2", (7, "2"), (16, "0"))
        reports = [slow.receive_until("8").get(11) for _ in taken]
        assert reports == taken == [f"o{number}" for number in range(len(taken))]


def test_one_send_that_does_not_end_cuts_the_connection(tmp_path: Path) -> None:
    with rig(tmp_path, outbound_stall_seconds=0.3, outbound_queue_max=100_000) as system:
        slow = flood(system, "ALPHA-NR", "NR")
        dropped = 'fixgw_outbound_dropped_total{session="ALPHA-NR"}'
        wait_until(lambda: system.metric(dropped) > 0, 20)
        assert slow.log_on(reset=True).msg_type == "A"


def test_a_client_that_reads_in_time_is_never_cut_however_much_there_is(tmp_path: Path) -> None:
    with rig(tmp_path, outbound_queue_max=50) as system:
        client = system.client("ALPHA-RT")
        client.log_on(reset=True)
        for number in range(1_000):
            client.order(f"o{number}")
        assert [client.receive().get(11) for _ in range(1_000)] == [f"o{n}" for n in range(1_000)]
        assert system.metric(CUTS) == 0
