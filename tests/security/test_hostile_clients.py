"""While somebody attacks, an honest client trades as if nobody did, and nothing dies or grows."""

import os
import time
from collections.abc import Iterator

import pytest
from clients.fix_socket import FixSocket, utc_now
from fuzz import memory
from hostile import ATTACKS, Attack, under
from running_system import FIX_PORTS, RunningSystem

pytestmark = pytest.mark.acceptance

ORDERS = 120
SECONDS = float(os.environ.get("HOSTILE_SECONDS", "1.5"))  # before each attack and under it
NORMAL_FACTOR = 2
FLOOR_SECONDS = 0.25  # a busy machine's own noise
GROWTH_MAX_BYTES = 150_000_000
MARKETS = [f"KXTEST-{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]


@pytest.fixture(scope="module")
def honest(besieged: RunningSystem) -> Iterator[FixSocket]:
    session = FixSocket(besieged.port("RT"), "HONEST-RT", "KalshiRT", "none")
    assert session.logon(reset=True).msg_type == "A"
    order_to_ack(session)  # warm
    yield session
    session.close()


def order_to_ack(session: FixSocket) -> float:
    """p99 in seconds of orders one at a time."""
    taken = []
    until = time.monotonic() + SECONDS
    while len(taken) < ORDERS or time.monotonic() < until:
        order = [(11, f"h{time.time_ns()}"), (55, "KXTEST-A"), (54, "1"), (38, "1"), (40, "2")]
        began = time.perf_counter()
        session.send([(35, "D"), *order, (44, "0.01"), (59, "3"), (60, utc_now())])
        while session.receive().get(150) != "0":
            pass
        taken.append(time.perf_counter() - began)
    while session.inbox.qsize():
        session.receive()
    return sorted(taken)[len(taken) * 99 // 100]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_an_honest_client_trades_on_while_somebody_attacks(
    besieged: RunningSystem, honest: FixSocket, attack: Attack
) -> None:
    normal = order_to_ack(honest)
    before = memory(besieged)
    ports = {role: besieged.port(role) for role in FIX_PORTS}
    with under(attack, ports, "HOSTILE", MARKETS) as connections:
        p99 = order_to_ack(honest)
        tries = connections()
    after = memory(besieged)
    growth = max(after.get(pid, 0) - size for pid, size in before.items())
    print(  # noqa: T201 - shown with -s
        f"\n| {attack.__name__} | {tries} | {normal * 1e3:.1f} ms | {p99 * 1e3:.1f} ms "
        f"| {p99 / normal:.1f} | +{growth / 1e6:.1f} MB |"
    )
    assert after.keys() == before.keys(), besieged.story()
    assert growth < GROWTH_MAX_BYTES
    assert p99 < max(NORMAL_FACTOR * normal, FLOOR_SECONDS)
    assert honest.connected
