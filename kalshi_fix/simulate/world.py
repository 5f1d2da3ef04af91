"""One simulated system: store, cores and their standbys, gateways, edge, clients, auditor.

Builds it from a seed and keeps the processes running as the supervisor would: what dies starts
again after a moment. Which faults happen when is decided in `run`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from attrs import define, evolve, field

from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.settings import (
    AccountSettings,
    CoreSettings,
    FirmSettings,
    GatewaySettings,
    LaneSettings,
    MarketSettings,
    SeriesSettings,
    SessionSettings,
    Settings,
    ThrottleSettings,
)
from kalshi_fix.model import MONEY_UNIT, NANOS_PER_MS
from kalshi_fix.processes import core, gateway
from kalshi_fix.processes.exit_codes import CLEAN, GAVE_WAY
from kalshi_fix.simulate.auditor import Auditor, Shard
from kalshi_fix.simulate.edge import Controls, Edge
from kalshi_fix.simulate.engine import Ports
from kalshi_fix.simulate.errors import Violation
from kalshi_fix.simulate.machine import Machine, Process
from kalshi_fix.simulate.store import SimulatedStore
from kalshi_fix.simulate.trader import Trader

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

    from kalshi_fix.simulate.faults import Faults

_RESTART_MS: Final = (50, 1_200)
_BOTH_FIRMS: Final = ("ALPHA", "BRAVO")
# what no run may see in any log
FORBIDDEN: Final = frozenset(
    {
        "message_not_translated",
        "event_not_rendered",
        "crashed",
        "gateway_thread_failed",
        "engine_callback_failed",
        "poison_command",
        "shard_stopped",
        "refused",
        "lane_cannot_start",
        "position_lost",
        "snapshot_damaged",
        "snapshot_does_not_fit",
        "unknown_session_asked_for",
    }
)


@define(eq=False)
class Slot:
    """A process the supervisor keeps running."""

    name: str
    main: Callable[[], int]
    process: Process
    is_kept: bool = True
    starts: int = 1


@define(eq=False)
class World:
    """See the module."""

    machine: Machine
    faults: Faults
    settings: Settings
    data: DataDir
    auditor: Auditor
    store: SimulatedStore
    controls: Controls
    ports: Ports
    edge: Edge
    traders: list[Trader] = field(factory=list)
    slots: dict[str, Slot] = field(factory=dict)

    @classmethod
    def build(cls, machine: Machine, faults: Faults, directory: Path) -> World:
        """Everything but the running processes."""
        settings = draw_settings(machine.random)
        shards = {name: Shard(name, i) for i, name in enumerate(settings.core.shards)}
        auditor = Auditor(shards)
        controls, ports = Controls(machine), Ports(machine)
        return cls(
            machine,
            faults,
            settings,
            DataDir.create(directory),
            auditor,
            SimulatedStore(machine, faults, auditor),
            controls,
            ports,
            Edge(machine, controls, ports),
        )

    def start(self) -> None:
        """Starts the processes and the clients."""
        for shard in self.settings.core.shards:
            for copy in "ab":
                self._start(f"core-{shard}-{copy}", partial(core.main, shard, *self._inputs))
        for lane in self.settings.lanes:
            self._start(f"gateway-{lane.name}", partial(gateway.main, lane.name, *self._inputs))
        symbols = tuple(market.symbol for market in self.settings.markets)
        for session in self.settings.sessions:
            pace = self.machine.random.choice((80, 160, 320))
            trader = Trader(self.machine, session, self.edge, self.faults, symbols, pace)
            self.traders.append(trader)

    @property
    def _inputs(self) -> tuple[Settings, DataDir]:
        return self.settings, self.data

    def forbid(self, event: str, text: str) -> None:
        """A line of some log."""
        machine = self.machine
        if event in FORBIDDEN and machine.process.is_alive and machine.failure is None:
            machine.failure = Violation(f"{machine.process.name}: {text}")

    # --- processes

    def _start(self, name: str, main: Callable[[], int]) -> None:
        self.slots[name] = slot = Slot(name, main, Process(name))
        self._launch(slot)

    def start_second(self, lane: str) -> Slot:
        """A second gateway process of a lane; it waits for the lane's lock."""
        name = f"gateway-{lane}-2"
        if name not in self.slots:
            main: Callable[[], int] = partial(gateway.main, lane, *self._inputs)
            self._start(name, main)
        return self.slots[name]

    def _launch(self, slot: Slot) -> None:
        machine, process = self.machine, slot.process
        process.at_death.append(partial(self._died, slot))

        def run() -> None:
            code = slot.main()
            machine.note(slot.name, f"ended with {code}")
            if code not in {CLEAN, GAVE_WAY}:
                raise Violation(f"{slot.name} ended with exit code {code}")
            machine.kill(process, code)

        machine.note(slot.name, "starts")
        machine.spawn(process, "main", run)

    def _died(self, slot: Slot) -> None:
        if slot.is_kept:
            delay = self.machine.random.randrange(*_RESTART_MS) * NANOS_PER_MS
            self.machine.after(delay, partial(self._restart, slot))

    def _restart(self, slot: Slot) -> None:
        slot.process = Process(slot.name, skew=slot.process.skew)
        slot.starts += 1
        self._launch(slot)


def draw_settings(random: Random) -> Settings:
    """A system of a size and with limits drawn from the seed."""
    shards = ("s0", "s1") if random.random() < 0.25 else ("s0",)
    lanes = ("gw1", "gw2") if random.random() < 0.3 else ("gw1",)
    return Settings(
        core=CoreSettings(
            shards=shards,
            clock_ms=100,
            lease_ms=800,
            batch_max_commands=random.choice((3, 20, 500)),
            snapshot_seconds=random.choice((2, 5, 300)),
            archive_seconds=random.choice((0.7, 3.0)),
            archive_segment_bytes=random.choice((4_000, 1_000_000)),
        ),
        gateway=GatewaySettings(
            batch_max_commands=random.choice((2, 20, 500)),
            outbound_queue_max=random.choice((20, 10_000)),
            outbound_stall_seconds=3.0,
            outbound_unsent_bytes_max=random.choice((0, 2_000, 65_536)),
            logon_hold_seconds=3.0,
            store_tail_messages=random.choice((20, 20_000)),
        ),
        lanes=tuple(LaneSettings(name=lane) for lane in lanes),
        firms=tuple(FirmSettings(name=firm) for firm in _BOTH_FIRMS),
        accounts=tuple(
            AccountSettings(name=f"{firm}-1", firm=firm, deposit=100_000 * MONEY_UNIT)
            for firm in _BOTH_FIRMS
        ),
        series=(SeriesSettings(name="S"),),
        markets=tuple(
            MarketSettings(symbol=f"M{n}", event_ticker="E", series="S", title="t", shard=shard)
            for n, shard in enumerate((*shards, *shards))
        ),
        sessions=tuple(_sessions(random, lanes)),
    )


def _sessions(random: Random, lanes: tuple[str, ...]) -> list[SessionSettings]:
    wanted = [("ALPHA", "RT"), ("BRAVO", "RT"), ("ALPHA", "NR"), ("ALPHA", "DC"), ("BRAVO", "DC")]
    if random.random() < 0.5:
        wanted.append(("BRAVO", "NR"))
    found: list[SessionSettings] = []
    for firm, role in wanted:
        more: dict[str, Any] = {"cancel_on_disconnect": random.random() < 0.15}
        found.append(
            SessionSettings(
                sender_comp_id=f"{firm}-{role}",
                name=f"{firm}-{role}",
                role=role,
                firm=firm,
                lane=random.choice(lanes),
                target_comp_id=f"Kalshi{role}",
                accounts=(f"{firm}-1",),
                throttle=ThrottleSettings(tokens_per_second=0),
                **more,
            )
        )
    for lane in lanes:  # every lane has a session
        if lane not in {session.lane for session in found}:
            found[0] = evolve(found[0], lane=lane)
    return found
