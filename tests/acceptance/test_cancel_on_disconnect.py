"""Cancel on disconnect on a running system: every trigger, how long it takes, and what is none.

The time is from the loss to the exchange's own time of the last cancel. ``OUTAGE_SECONDS`` makes
the outages longer than the few seconds that prove the rule (``make outage`` takes a minute).
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from clients.fix_socket import ConnectionClosedError, FixSocket, Message, utc_now
from running_system import RunningSystem
from waiting import wait_for_time, wait_until

pytestmark = pytest.mark.acceptance
ORDERS = 50
OUTAGE_SECONDS = float(os.environ.get("OUTAGE_SECONDS", "6"))  # a silent gateway has 5 s
MARKET = "KXTEST-Y"


class Watcher(FixSocket):
    """The firm's drop copy."""

    def ends(self, count: int, reason: str) -> list[Message]:
        """The next cancels of a reason, so many."""
        found: list[Message] = []
        while len(found) < count:
            message = self.receive(30)
            if message.get(58) == reason:
                found.append(message)
        return found


@pytest.fixture
def watcher(own: RunningSystem) -> Iterator[Watcher]:
    client = Watcher(own.port("DC"), "ALPHA-DC", "KalshiDC")
    wait_until(lambda: client.logon(reset=True).msg_type == "A", "a Logon")
    yield client
    client.close()


def trader(own: RunningSystem, heartbeat: int = 30) -> FixSocket:
    """A session with resting orders that end with its connection."""
    client = FixSocket(own.port("RT"), "ALPHA-RT", "KalshiRT")
    logon = lambda: client.logon([(8013, "Y")], reset=True, heartbeat=heartbeat).msg_type  # noqa: E731
    wait_until(lambda: logon() == "A", "a Logon")
    stamp = time.time_ns()
    for number in range(ORDERS):
        terms = [(55, MARKET), (54, "1"), (38, "1"), (40, "2"), (44, "0.01"), (60, utc_now())]
        client.send([(35, "D"), (11, f"{stamp}-{number}"), *terms])
    for _ in range(ORDERS):
        assert client.receive().get(150) == "0"
    return client


def open_orders(client: FixSocket) -> int:
    client.send([(35, "AF"), (584, f"{time.time_ns()}"), (585, "7")])
    first = client.receive()
    count = int(first.get(911))
    for _ in range(count - 1):
        client.receive()
    return count


def flat_after(ends: list[Message], lost_at: float) -> float:
    last = max(message.get(60) for message in ends)
    at = datetime.strptime(last, "%Y%m%d-%H:%M:%S.%f").replace(tzinfo=UTC).timestamp()
    return at - lost_at


def mute(client: FixSocket) -> None:
    client.muted = True


TRIGGERS: dict[str, tuple[Callable[[FixSocket], None], int, float]] = {
    # what ends it, heartbeat in seconds, seconds it may take (this machine may be busy)
    "socket lost": (FixSocket.close, 30, 3.0),
    "clean Logout": (FixSocket.logout, 30, 3.0),
    "heartbeat missed": (mute, 2, 15.0),
}


@pytest.mark.parametrize("trigger", sorted(TRIGGERS))
def test_a_lost_session_is_flat_soon(own: RunningSystem, watcher: Watcher, trigger: str) -> None:
    end, heartbeat, allowed = TRIGGERS[trigger]
    client = trader(own, heartbeat)
    lost_at = time.time()
    end(client)
    seconds = flat_after(watcher.ends(ORDERS, "CANCEL_ON_DISCONNECT"), lost_at)
    print(f"{trigger}: {ORDERS} orders flat after {seconds * 1000:.0f} ms")  # noqa: T201
    client.close()
    assert seconds < allowed


def test_a_killed_gateway_leaves_nothing_in_the_book(own: RunningSystem) -> None:
    client = trader(own)
    watcher = Watcher(own.port("DC"), "ALPHA-DC", "KalshiDC")
    wait_until(lambda: watcher.logon(reset=True).msg_type == "A", "a Logon")
    (gateway,) = [pid for pid in own.processes("kalshi-fix gateway") if _serves(pid, "gw1")]
    lost_at = time.time()
    os.kill(gateway, signal.SIGKILL)
    wait_until(lambda: not watcher.connected, "the end of the connection")
    wait_until(lambda: _back(watcher), "a Logon after the restart", 30)
    seconds = flat_after(watcher.ends(ORDERS, "CANCEL_ON_DISCONNECT"), lost_at)
    print(f"gateway killed: {ORDERS} orders flat after {seconds * 1000:.0f} ms")  # noqa: T201
    for each in (client, watcher):
        each.close()
    assert seconds < 20


@pytest.mark.parametrize("part", ["store", "core"])
def test_an_outage_of_the_exchange_cancels_nothing(own: RunningSystem, part: str) -> None:
    client = trader(own)
    pids = _store(own) if part == "store" else own.processes("kalshi-fix core")
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        wait_for_time(OUTAGE_SECONDS)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    wait_for_time(6.0)  # the time in which a silent gateway would be noticed
    assert client.connected
    assert wait_until(lambda: _count(client), "an answer") == ORDERS
    client.logout()


def _count(client: FixSocket) -> int:
    """Open orders, 0 while the exchange does not answer yet."""
    try:
        return open_orders(client)
    except (TimeoutError, ValueError):
        return 0


def _serves(pid: int, lane: str) -> bool:
    return lane.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def _store(own: RunningSystem) -> list[int]:
    return [pid for pid in own.processes("") if _name(pid).startswith(("valkey", "redis"))]


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _back(client: FixSocket) -> bool:
    try:
        return client.logon().msg_type == "A"
    except (OSError, ConnectionClosedError):
        return False
