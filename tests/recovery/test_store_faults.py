"""A store that cannot write refuses new orders and loses none; when it can again all goes on."""

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from clients.fix_socket import FixSocket, Message
from recovery.conftest import Start
from recovery.recovery_parts import (
    PATIENCE_SECONDS,
    UNAVAILABLE,
    accepted,
    client,
    configuration,
    log_on,
    open_orders,
    report,
    send_order,
    taken,
    takes_orders,
)
from running_system import RunningSystem
from waiting import wait_until

from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.settings import StoreSettings
from kalshi_fix.adapters.store import Store

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(150)]
ORDERS = 5


def configure(system: RunningSystem, name: str, value: str) -> None:
    connection = Store.of(StoreSettings(), DataDir.find(system.data)).connect("s0")
    connection.call("CONFIG", "SET", name, value)
    connection.close()


def refused(session: FixSocket) -> Message:
    """The first j to a new order. One whose outcome is unknown gets no answer at all for now."""

    def attempt() -> Message | None:
        send_order(session)
        try:
            return report(session, lambda m: m.msg_type == "j", 0.3)
        except TimeoutError:
            return None

    return wait_until(attempt, "a new order to be refused", PATIENCE_SECONDS)


@contextmanager
def no_larger_files(pid: int, size: int) -> Iterator[None]:
    """A full disk, as one process and its children see it."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def test_memory_full_refuses_new_orders_and_loses_none(system: RunningSystem) -> None:
    session = client(system, "ONE-RT")
    orders = {accepted(session).get(37) for _ in range(ORDERS)}
    configure(system, "maxmemory", "1")
    try:
        found = refused(session)
        assert found.get(380) == UNAVAILABLE
        assert found.get(58).startswith("EXCHANGE_UNAVAILABLE")
    finally:
        configure(system, "maxmemory", "0")
    wait_until(lambda: takes_orders(session), "orders to be taken again", PATIENCE_SECONDS)
    assert orders <= set(open_orders(session))
    session.close()


@pytest.mark.parametrize("fsync", ["always", "no"])
def test_disk_full_refuses_new_orders_and_loses_none(start: Start, fsync: str) -> None:
    system = start(toml=configuration(store=f'appendfsync = "{fsync}"'))
    session = client(system, "ONE-RT")
    orders = {accepted(session).get(37) for _ in range(ORDERS)}
    (journal,) = (system.data / "store" / "appendonlydir").glob("*.incr.aof")
    full = journal.stat().st_size + 2_000
    with no_larger_files(system.pid, full):
        for pid in system.processes("valkey-server"):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
        found = refused(session)
        assert found.get(380) == UNAVAILABLE
    for pid in system.processes("valkey-server"):
        os.kill(pid, signal.SIGKILL)  # one started meanwhile has the limit still
    wait_until(lambda: takes_orders(session), "orders to be taken again", PATIENCE_SECONDS)
    assert orders <= set(open_orders(session))
    session.close()


def test_without_fsync_a_killed_store_loses_no_acknowledged_order(start: Start) -> None:
    system = start(toml=configuration(store='appendfsync = "no"'))
    session = client(system, "ONE-RT")
    orders: set[str] = set()
    for _ in range(3):
        orders |= {taken(session).get(37) for _ in range(ORDERS)}
        for pid in system.processes("valkey-server"):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: takes_orders(session), "orders to be taken again", PATIENCE_SECONDS)
    assert orders <= set(open_orders(session))
    session.close()


def test_a_store_that_hangs_holds_no_session_up(start: Start) -> None:
    """A client whose order is on its way to it is told 380=4 for the next one, not a timeout on."""
    system = start(toml=configuration(store="socket_timeout_ms = 120000"))
    session = client(system, "ONE-RT")
    accepted(session)
    stores = system.processes("valkey-server")
    for pid in stores:
        os.kill(pid, signal.SIGSTOP)
    try:
        in_doubt = send_order(session)
        found = refused(session)
        assert found.get(380) == UNAVAILABLE
        assert found.get(379) != in_doubt
    finally:
        for pid in stores:
            os.kill(pid, signal.SIGCONT)
    assert report(session, lambda m: m.get(11) == in_doubt).get(150) == "0"
    session.close()


OUTAGE_SECONDS = 12.0  # a gateway counts as dead after 5 s of the exchange's clock


def test_an_outage_of_the_store_cancels_nobody_s_orders(system: RunningSystem) -> None:
    session = FixSocket(system.port("RT"), "TWO-RT", "KalshiRT")
    log_on(session, reset=True, flags=((8013, "Y"),))
    order = accepted(session).get(37)
    stores = system.processes("valkey-server")
    for pid in stores:
        os.kill(pid, signal.SIGSTOP)
    try:
        seconds = float(os.environ.get("RECOVERY_OUTAGE_SECONDS", OUTAGE_SECONDS))
        assert outlives(session, seconds), "the session ended"
    finally:
        for pid in stores:
            os.kill(pid, signal.SIGCONT)
    wait_until(lambda: takes_orders(session), "orders to be taken again", PATIENCE_SECONDS)
    assert order in open_orders(session)
    session.close()


def outlives(session: FixSocket, seconds: float) -> bool:
    """Whether a connection stays for so long."""
    return not session.wait_closed(seconds)
