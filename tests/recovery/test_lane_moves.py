"""Lanes without a shared disk: a gateway on another machine (another directory) takes over."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from clients.fix_socket import ConnectionClosedError, FixSocket, Message
from recovery.conftest import Start
from recovery.recovery_parts import (
    PATIENCE_SECONDS,
    accepted,
    client,
    configuration,
    log_on,
    open_orders,
    report,
    send_order,
)
from running_system import FIX_PORTS, KALSHI_FIX, RunningSystem, free_offset
from waiting import wait_until

from kalshi_fix.adapters.bus import LaneHolder
from kalshi_fix.adapters.paths import DataDir

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]
LANE = "gw1"
TOO_LONG = "x" * 65
QUICKLY = "[gateway]\nlane_silent_seconds = 2\n"


class OtherMachine:
    """A gateway of the lane and an edge, with a data directory of their own and the same store."""

    def __init__(self, system: RunningSystem, data: Path) -> None:
        self.data = data
        self.offset = free_offset()
        self._system = system
        self.gateway = self._start("gateway", "--name", LANE)
        self.edge = self._start("edge")

    def _start(self, *role: str) -> "subprocess.Popen[bytes]":
        places = ["--config", self._system.config, "--data", self.data]
        command = [KALSHI_FIX, *role, *places, "--port-offset", self.offset]
        store = f"unix://{DataDir.find(self._system.data).store_socket}"
        return subprocess.Popen(
            [str(word) for word in command],
            env={**os.environ, "REDIS_URL": store},
            stderr=subprocess.DEVNULL,
        )

    def port(self, role: str) -> int:
        return FIX_PORTS[role] + self.offset

    def log(self) -> str:
        path = self.data / "logs" / f"gateway-{LANE}.log"
        return path.read_text() if path.exists() else ""

    def end(self) -> None:
        for process in (self.gateway, self.edge):
            process.kill()
            process.wait(PATIENCE_SECONDS)


Away = Callable[[RunningSystem], OtherMachine]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Away]:
    made: list[OtherMachine] = []

    def start(system: RunningSystem) -> OtherMachine:
        made.append(OtherMachine(system, tmp_path / f"machine-{len(made) + 2}"))
        return made[-1]

    yield start
    for machine in made:
        machine.end()


def gateways_of(system: RunningSystem) -> list[int]:
    return system.processes(f"kalshi-fix gateway --name {LANE}")


def lose(system: RunningSystem) -> None:
    """The machine's gateway dies and nobody starts it again."""
    os.kill(system.pid, signal.SIGSTOP)
    (gateway,) = gateways_of(system)
    os.kill(gateway, signal.SIGKILL)


def move(session: FixSocket, port: int) -> None:
    """The client goes on at another machine, with its own numbers."""
    session.close()
    session.address = ("127.0.0.1", port)
    log_on(session)


def all_until(session: FixSocket, order: str) -> list[Message]:
    """Every message up to the acceptance of an order."""
    found: list[Message] = session.left_over
    session.left_over = []
    while not found or found[-1].get(11) != order:
        found.append(report(session, lambda m: m.msg_type in {"8", "9", "j"}))
    return found


def fill(other: FixSocket, orders: int) -> None:
    """Another firm sells to the first resting orders, one by one."""
    for _ in range(orders):
        name = send_order(other, side="2", force="3")
        report(other, lambda m, n=name: m.get(11) == n and m.get(39) == "2")


def test_a_lane_goes_on_without_its_disk_and_every_report_arrives(
    start: Start, elsewhere: Away
) -> None:
    system = start("one", configuration(extra=QUICKLY))
    session, other = client(system, "ONE-RT"), client(system, "TWO-RT")
    seen = [accepted(session) for _ in range(4)]
    told = session.next_in
    send_order(session, name=TOO_LONG)  # the gateway itself refuses it, nobody reads that
    session.close()
    fill(other, 2)  # told to nobody yet: the reports are on this machine's disk
    lose(system)
    with suppress(ConnectionClosedError):
        send_order(session, name="lost")  # the client counts it as sent

    second = elsewhere(system)
    move(session, second.port("RT"))
    got = all_until(session, send_order(session))
    refused = {m.get(379): (m.get(380), m.get(97)) for m in got if m.msg_type == "j"}
    assert refused == {TOO_LONG: ("4", "Y"), "lost": ("4", "Y")}, "and nothing that was taken"
    again, new = [m for m in got[:-1] if m.msg_type == "8"], got[-1]
    assert (new.get(97), new.get(150)) == ("", "0")
    assert int(new.get(34)) > told + 10_000, "no number is given out twice"
    assert {m.get(97) for m in again} == {"Y"}
    by_id = {m.get(17): m for m in again}
    assert max(Counter(m.get(17) for m in again).values()) == 1
    assert {m.get(37) for m in again if m.get(150) == "F"} == {m.get(37) for m in seen[:2]}
    for first in seen:  # told in the last minute: told again, the same
        assert by_id[first.get(17)].get(37) == first.get(37)
    rest = {m.get(37) for m in seen[2:]} | {new.get(37)}
    assert set(open_orders(session)) == rest, "no order that was refused is there"

    # and back, to a directory of an earlier time
    second.end()
    os.kill(system.pid, signal.SIGCONT)
    session.address = ("127.0.0.1", system.port("RT"))
    move(session, system.port("RT"))
    last = accepted(session)
    assert last.get(97) == ""
    assert int(last.get(34)) > int(new.get(34)) + 10_000
    ids = [int(m.get(17).split(";")[1]) for m in (seen[-1], new, last)]
    assert ids == sorted(set(ids)), "ExecIDs are one stream"
    assert set(open_orders(session)) == rest | {last.get(37)}
    session.logout()
    other.close()


def test_a_gateway_appends_nothing_from_the_moment_its_lane_moves(start: Start) -> None:
    """It learns of the move within a second; until then clients go on sending."""
    system = start("one", configuration(shards=2, extra="[gateway]\nlane_silent_seconds = 5\n"))
    session = client(system, "ONE-RT")
    symbols = {"s0": "KXR-0", "s1": "KXR-1"}
    orders = {accepted(session, symbol).get(37) for symbol in symbols.values()}
    buses = {shard: system.store().bus(shard) for shard in symbols}
    for bus in buses.values():
        bus.hold_lane(LaneHolder(f"gateway:{LANE}", "another machine"))
    late = {shard: f"late-{shard}" for shard in symbols}
    for shard, symbol in symbols.items():
        with suppress(ConnectionClosedError):  # it may know already; the client counts it as sent
            send_order(session, symbol, name=late[shard])
    log = system.data / "logs" / f"gateway-{LANE}.log"
    wait_until(lambda: '"lane_lost"' in log.read_text(), "its end", PATIENCE_SECONDS)
    for shard, bus in buses.items():
        taken = b"".join(entry.payload for entry in bus.read_commands("0-0", 10_000, 0))
        assert late[shard].encode() not in taken
        bus.close()
    log_on(session)  # the next gateway has waited 5 s for a word of the other machine
    assert len(open_orders(session)) == len(orders | set(late)), "asked for again, and taken once"
    session.close()


def test_a_gateway_whose_lane_has_moved_ends_when_it_wakes(start: Start, elsewhere: Away) -> None:
    system = start("one", configuration(extra=QUICKLY))
    session = client(system, "ONE-RT")
    order = accepted(session)
    (stalled,) = gateways_of(system)
    os.kill(stalled, signal.SIGSTOP)
    try:
        second = elsewhere(system)
        move(session, second.port("RT"))
        assert order.get(37) in open_orders(session)
    finally:
        os.kill(stalled, signal.SIGCONT)
    log = system.data / "logs" / f"gateway-{LANE}.log"
    wait_until(lambda: '"lane_lost"' in log.read_text(), "its end", PATIENCE_SECONDS)
    wait_until(lambda: gateways_of(system) not in ([], [stalled]), "the next one", PATIENCE_SECONDS)
    assert accepted(session), "the lane stays where it is"
    assert second.gateway.poll() is None
    second.gateway.terminate()  # a clean stop hands it back at once
    began = time.monotonic()
    assert second.gateway.wait(PATIENCE_SECONDS) == 0
    move(session, system.port("RT"))
    assert accepted(session)
    assert time.monotonic() - began < PATIENCE_SECONDS
    session.close()
