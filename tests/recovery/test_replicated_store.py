"""A primary with replicas under Sentinel: acknowledged means replicated, and survives failover."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from recovery.recovery_parts import (
    PATIENCE_SECONDS,
    accepted,
    client,
    configuration,
    open_orders,
    system_of,
    takes_orders,
)
from recovery.store_nodes import Nodes
from waiting import wait_until

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
        wait_until(lambda: takes_orders(session), "the failover", PATIENCE_SECONDS)
        orders |= {accepted(session).get(37) for _ in range(ORDERS)}
        assert orders <= set(open_orders(session))
        session.close()
        assert system.returncode is None, system.story()
    finally:
        system.kill()
