"""Lanes: a second process takes over, a silent one is noticed, ExecIDs stay one stream."""

import os
import shutil
import signal
import subprocess
import time

import pytest
from clients.fix_socket import FixSocket, Message
from recovery.conftest import Start
from recovery.recovery_parts import (
    PATIENCE_SECONDS,
    accepted,
    client,
    log_on,
    open_orders,
    report,
    send_order,
)
from running_system import KALSHI_FIX, RunningSystem
from waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]
SILENT_SECONDS = 5.0  # then a gateway counts as dead
TAKEOVER_SECONDS = 5.0


def gateway(system: RunningSystem, lane: str) -> list[int]:
    return system.processes(f"kalshi-fix gateway --name {lane}")


def standby(system: RunningSystem, lane: str) -> "subprocess.Popen[bytes]":
    """A second process of the lane, waiting for the first to go."""
    log = system.data / "logs" / f"gateway-{lane}.log"
    process = subprocess.Popen(
        [str(KALSHI_FIX), "gateway", "--name", lane, *system.options], stderr=subprocess.DEVNULL
    )
    wait_until(lambda: holds_open(process.pid, "lock"), f"a standby; see {log}", PATIENCE_SECONDS)
    return process


def holds_open(pid: int, name: str) -> bool:
    """Whether a process has a file of this name open."""
    directory = f"/proc/{pid}/fd"
    for descriptor in os.listdir(directory):  # noqa: PTH208 - they come and go
        try:
            if os.readlink(f"{directory}/{descriptor}").endswith(f"/{name}"):  # noqa: PTH115
                return True
        except FileNotFoundError:
            continue
    return False


def exec_number(message: Message) -> int:
    return int(message.get(17).split(";")[1])


def test_a_second_process_of_the_same_name_takes_the_lane_over(system: RunningSystem) -> None:
    session = client(system, "ONE-RT")
    numbers = [exec_number(accepted(session)) for _ in range(3)]
    (first,) = gateway(system, "gw1")
    second = standby(system, "gw1")
    try:
        os.kill(first, signal.SIGKILL)
        killed = time.monotonic()
        assert session.wait_closed()
        log_on(session)
        numbers.append(exec_number(accepted(session)))
        took = time.monotonic() - killed
        assert second.poll() is None
        assert holds_open(second.pid, "lock")
        assert numbers == sorted(set(numbers)), "ExecIDs are one stream"
        assert took < TAKEOVER_SECONDS, took
        assert len(open_orders(session)) == len(numbers)
        session.logout()
    finally:
        second.terminate()
        assert second.wait(PATIENCE_SECONDS) == 0
    after = client(system, "ONE-RT", reset=False)
    assert accepted(after)
    after.logout()


def test_a_gateway_that_falls_silent_is_noticed_by_the_core(system: RunningSystem) -> None:
    careful = FixSocket(system.port("RT"), "ONE-RT", "KalshiRT")
    log_on(careful, reset=True, flags=((8013, "Y"),))
    order = accepted(careful).get(37)
    (silent,) = gateway(system, "gw1")
    other = client(system, "TWO-RT")
    os.kill(silent, signal.SIGSTOP)
    began = time.monotonic()
    try:  # nobody else rests at this price: it trades with the order until that is cancelled
        wait_until(lambda: rests(other), "the order to be cancelled", PATIENCE_SECONDS)
        took = time.monotonic() - began
    finally:
        os.kill(silent, signal.SIGCONT)
    assert SILENT_SECONDS - 1 < took < SILENT_SECONDS + 5, took
    wait_until(
        lambda: careful.connected or log_on(careful) is None, "the session", PATIENCE_SECONDS
    )
    told = report(careful, lambda m: m.get(37) == order and m.get(150) == "4")
    assert told.get(58) == "CANCEL_ON_DISCONNECT"
    for session in (careful, other):
        session.close()


def rests(session: FixSocket) -> bool:
    """Whether a FOK sell at the resting price finds nobody."""
    name = send_order(session, side="2", force="4", quantity="0.01")
    last = report(session, lambda m: m.get(11) == name and m.get(39) != "0")
    return last.get(58) == "FOK_INSUFFICIENT_VOLUME"


def test_a_lane_whose_directory_is_lost_serves_clients_that_begin_anew(start: Start) -> None:
    """As on another machine without it: numbers begin at 1, no order is lost, ExecIDs go on."""
    system = start("lost")
    session = client(system, "ONE-RT")
    order = accepted(session)
    session.close()
    assert system.stop() == 0
    shutil.rmtree(system.data / "lanes" / "gw1")
    again = start("lost")
    session = client(again, "ONE-RT", reset=True)
    assert order.get(37) in open_orders(session)
    assert exec_number(accepted(session)) > exec_number(order)
    session.close()
