"""A primary with replicas, under Sentinel and in a Cluster: what is acknowledged is replicated.

So it survives the primary.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clients.fix_socket import FixSocket
from recovery.recovery_parts import (
    accepted,
    client,
    configuration,
    open_orders,
    report,
    send_order,
    system_of,
    taken,
)
from recovery.store_nodes import SETTINGS, Nodes, ask, says
from waiting import wait_until

from kalshi_fix.adapters.redis_url import parse
from kalshi_fix.adapters.store import Store

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(150)]
ORDERS = 10


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    found = Nodes(tmp_path)
    yield found
    found.close()


def test_no_acknowledged_order_is_lost_in_a_failover(tmp_path: Path, nodes: Nodes) -> None:
    primary, sentinel = nodes.sentinel()
    store = f'url = "redis+sentinel://127.0.0.1:{sentinel}/main"\nreplicas = 1'
    system = system_of(tmp_path, configuration(store=store))
    try:
        system.start()
        session = client(system, "ONE-RT")
        orders = {accepted(session).get(37) for _ in range(ORDERS)}
        nodes.kill(primary)
        orders |= {taken(session).get(37) for _ in range(ORDERS)}
        assert orders <= set(open_orders(session))
        session.close()
        assert system.returncode is None, system.story()
    finally:
        system.kill()


def test_no_acknowledged_order_is_lost_when_a_cluster_promotes_a_replica(
    tmp_path: Path, nodes: Nodes
) -> None:
    """Three primaries, because a majority of them promotes; one has a replica, and the shard.

    The promoted one has no replica left, so nothing is acknowledged until the dead server is
    back as one: that is what `replicas = 1` means. One that only stalled believes for a moment
    that it is the primary still, and has connections.
    """
    url = "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in nodes.cluster(3))
    first = shard_s_server(url)
    replica = nodes.cluster_replica(first)
    system = system_of(
        tmp_path, configuration(store=f'url = "{url},127.0.0.1:{replica}"\nreplicas = 1')
    )
    try:
        system.start()
        session = client(system, "ONE-RT")
        everything = client(system, "ONE-DC")
        orders = {accepted(session).get(37) for _ in range(ORDERS)}
        sent = {send_order(session) for _ in range(ORDERS)}
        fail_over(
            "killed", session, replica, lambda: nodes.kill(first), lambda: nodes.start_again(first)
        )
        nodes.wait_for_link(first)
        sent |= {send_order(session) for _ in range(ORDERS)}
        fail_over(
            "stalled", session, first, lambda: nodes.stall(replica), lambda: nodes.go_on(replica)
        )
        nodes.wait_for_link(replica)
        sent |= {send_order(session) for _ in range(ORDERS)}
        ask(replica, "CLUSTER", "FAILOVER")  # as an operator would
        wait_until(lambda: shard_s_server(url) == replica, "the planned failover")
        orders |= {taken(session).get(37) for _ in range(ORDERS)}
        found = open_orders(session)
        assert orders <= set(found)
        told = told_until(everything, taken(session).get(37))
        assert {line.get(11) for line in found.values()} <= set(told.values())
        assert len(told) == len(set(told.values())), "an order was taken twice"
        assert set(told) == set(open_orders(session)), "what was told and what is differ"
        assert sent & set(told.values()), "none of those sent into the failovers was taken"
        everything.close()
        session.close()
        assert system.returncode is None, system.story()
    finally:
        system.kill()


def fail_over(
    how: str,
    session: FixSocket,
    replica: int,
    lose: Callable[[], None],
    bring_back: Callable[[], None],
) -> None:
    """The primary goes; once the replica is promoted it comes back, as the replica."""
    lost_at = time.monotonic()
    lose()
    wait_until(lambda: says(replica, b"role:master", "INFO", "replication"), "the promotion")
    promoted_at = time.monotonic()
    bring_back()
    taken(session)
    print(  # noqa: T201 - shown with -s
        f"primary of a Cluster {how}: replica promoted after {promoted_at - lost_at:.1f} s, "
        f"orders taken again after {time.monotonic() - lost_at:.1f} s"
    )


def shard_s_server(url: str) -> int:
    """The port of the server that holds the first shard now."""
    connection = Store(SETTINGS, parse(url)).connect("s0")
    connection.close()
    return connection.address.port


def told_until(drop_copy: FixSocket, order_id: str) -> dict[str, str]:
    """OrderID -> ClOrdID of every order that drop copy called accepted, up to one of them."""
    found: dict[str, str] = {}
    while order_id not in found:
        line = report(drop_copy, lambda m: m.get(150) == "0")
        assert line.get(37) not in found, f"told twice: {line}"
        found[line.get(37)] = line.get(11)
    return found
