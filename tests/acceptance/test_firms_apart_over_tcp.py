"""Over the wire: whatever two firms do, a third one's connections carry nothing of it."""

import queue
import time
from collections.abc import Iterator

import pytest
from clients.fix_socket import FixSocket, Message, utc_now
from running_system import RunningSystem
from waiting import wait_until

pytestmark = pytest.mark.acceptance
MARKET = "KXTEST-W"


@pytest.fixture
def onlookers(system: RunningSystem) -> Iterator[list[FixSocket]]:
    """All a firm can have: a listener session, drop copy, post trade."""
    clients = [
        FixSocket(system.port("RT"), "ALPHA-RT", "KalshiRT"),
        FixSocket(system.port("DC"), "ALPHA-DC", "KalshiDC"),
        FixSocket(system.port("PT"), "ALPHA-PT", "KalshiPT"),
    ]
    for client in clients:
        flags = [(20126, "Y")] if client.sender == "ALPHA-RT" else []
        wait_until(
            lambda who=client, how=flags: who.logon(how, reset=True).msg_type == "A", "a Logon"
        )
    yield clients
    for client in clients:
        client.logout()


def trade(system: RunningSystem) -> list[Message]:
    """Two other firms trade, cancel and are refused; what they were told."""
    told: list[Message] = []
    makers = [
        FixSocket(system.port("RT"), "BRAVO-RT", "KalshiRT"),
        FixSocket(system.port("RT"), "LOAD15-RT", "KalshiRT", "demo-load"),
    ]
    for client in makers:
        wait_until(lambda who=client: who.logon(reset=True).msg_type == "A", "a Logon")
    stamp = time.time_ns()
    for client, side, name, price, reports in (
        (makers[0], "1", "maker", "0.50", 1), (makers[1], "2", "taker", "0.50", 2),
        (makers[0], "1", "bad", "1.50", 2),
    ):  # fmt: skip
        terms = [(55, MARKET), (54, side), (38, "3"), (40, "2"), (44, price), (60, utc_now())]
        client.send([(35, "D"), (11, f"{name}-{stamp}"), *terms])
        told += [client.receive() for _ in range(reports)]
    for client in makers:
        client.logout()
    return told


def heard(client: FixSocket) -> list[Message]:
    found: list[Message] = []
    while True:
        try:
            message = client.inbox.get_nowait()
        except queue.Empty:
            return found
        if message is not None:
            found.append(message)


def test_a_firm_hears_nothing_of_what_others_do(
    system: RunningSystem, onlookers: list[FixSocket]
) -> None:
    told = trade(system)
    assert {message.get(150) for message in told} >= {"0", "F", "8"}
    order_ids = {message.get(37) for message in told} - {"NONE"}
    asker = onlookers[0]
    for order_id in sorted(order_ids):  # what it asks for by number is unknown to it
        asker.send([(35, "H"), (11, "x"), (37, order_id), (55, MARKET), (54, "1"), (20901, "F")])
        answer = asker.receive()
        assert (answer.get(58), answer.get(37)) == ("UNKNOWN_ORDER", "NONE")
    for client in onlookers:
        assert [str(message) for message in heard(client)] == []
