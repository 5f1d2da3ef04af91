"""A hot standby takes over, and hands back."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from recovery.recovery_parts import (
    PATIENCE_SECONDS,
    accepted,
    client,
    open_orders,
    takes_orders,
)
from running_system import KALSHI_FIX, METRICS_PORTS, RunningSystem, readyz
from waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]
SUPERVISOR_PORT = 9305
TAKEOVER_SECONDS = 5.0  # a second, and generously more for a busy machine


@pytest.fixture
def standby(system: RunningSystem) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [str(KALSHI_FIX), "core", *system.options], stderr=subprocess.DEVNULL
    )
    port = METRICS_PORTS["core"] + 10 + system.offset
    wait_until(lambda: "following" in readyz(port), "the standby to follow", PATIENCE_SECONDS)
    yield process
    process.kill()
    process.wait()


def test_a_standby_leads_within_a_second_and_the_system_is_ready_again(
    system: RunningSystem, standby: "subprocess.Popen[bytes]"
) -> None:
    session = client(system, "ONE-RT")
    order = accepted(session).get(37)
    (leader,) = [p for p in system.processes("kalshi-fix core") if p != standby.pid]
    os.kill(leader, signal.SIGKILL)
    killed = time.monotonic()
    wait_until(lambda: takes_orders(session), "orders to be taken", PATIENCE_SECONDS)
    took = time.monotonic() - killed
    assert order in open_orders(session)
    standby.kill()  # and back: whoever was restarted meanwhile leads, on whatever port it has
    wait_until(lambda: takes_orders(session), "orders to be taken", PATIENCE_SECONDS)
    wait_until(
        lambda: readyz(SUPERVISOR_PORT + system.offset).startswith("ok"),
        "the system to be ready",
        PATIENCE_SECONDS,
    )
    assert took < TAKEOVER_SECONDS, took
    session.close()
