"""Makes the faults of a run happen: who is killed, frozen, cut off or slowed down, and when.

Draws the victims; what a fault does is the business of the machine, the network or the store.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from attrs import define

from kalshi_fix.model import NANOS, NANOS_PER_MS
from kalshi_fix.simulate.faults import EVENT_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from kalshi_fix.simulate.machine import Process
    from kalshi_fix.simulate.network import Connection
    from kalshi_fix.simulate.trader import Trader
    from kalshi_fix.simulate.world import Slot, World

_LOOK_MS: Final = 100
_SKEW_MAX_MS: Final = 5_000
_REPLAYS: Final = 0.5  # of the resets


@define(eq=False)
class Trouble:
    """See the module."""

    world: World

    def start(self) -> None:
        """From now on until the faults are over."""
        self._look()

    def _look(self) -> None:
        faults, machine = self.world.faults, self.world.machine
        if faults.are_over:
            return
        for kind in EVENT_KINDS:
            if faults.happens(kind, _LOOK_MS / 1_000):
                machine.note("fault", kind)
                action: Callable[[], None] = getattr(self, f"_{kind}")
                action()
        machine.after(_LOOK_MS * NANOS_PER_MS, self._look)

    def end(self) -> None:
        """Nothing is broken any more; what was, is repaired."""
        world = self.world
        world.faults.are_over = True
        world.store.start()
        for slot in world.slots.values():
            if slot.process.is_frozen:
                world.machine.thaw(slot.process)
        for connection in world.edge.connections.values():
            if connection.to_client.is_slow:
                connection.to_client.read_again()
            if connection.to_client.is_silent:
                connection.fall_silent()

    # --- processes

    def _gateway_killed(self) -> None:
        self._kill(self._slots("gateway"))

    def _leader_killed(self) -> None:
        self._kill([slot for slot in self._slots("core") if self._leads(slot)])

    def _standby_killed(self) -> None:
        self._kill([slot for slot in self._slots("core") if not self._leads(slot)])

    def _gateway_stopped(self) -> None:
        slot = self._one(self._slots("gateway"))
        if slot is not None:
            self.world.machine.terminate(slot.process)

    def _lane_taken_over(self) -> None:
        """A second process of the lane waits; then the first one dies."""
        slot = self._one(self._slots("gateway"))
        if slot is not None:
            lane = slot.name.split("-")[1]
            self.world.start_second(lane)
            self.world.machine.after(NANOS // 5, partial(self._kill_now, slot))

    def _leader_frozen(self) -> None:
        self._freeze([slot for slot in self._slots("core") if self._leads(slot)], 3_000)

    def _gateway_frozen(self) -> None:
        self._freeze(self._slots("gateway"), 4_000)

    def _clock_stepped(self) -> None:
        slot = self._one(list(self.world.slots.values()))
        if slot is not None:
            skew = self.world.machine.random.randrange(-_SKEW_MAX_MS, _SKEW_MAX_MS)
            slot.process.skew = skew * NANOS_PER_MS

    def _store_crashed(self) -> None:
        world = self.world
        if not world.store.server.down:
            world.store.crash()
            pause = world.machine.random.randrange(50, 2_500) * NANOS_PER_MS
            world.machine.after(pause, world.store.start)

    def _slots(self, kind: str) -> list[Slot]:
        return [
            slot
            for name, slot in self.world.slots.items()
            if name.startswith(kind) and slot.process.is_alive and not slot.process.is_frozen
        ]

    def _leads(self, slot: Slot) -> bool:
        return slot.process is self.world.store.leaders.get(slot.name.split("-")[1])

    def _one(self, slots: list[Slot]) -> Slot | None:
        return self.world.machine.random.choice(slots) if slots else None

    def _kill(self, slots: list[Slot]) -> None:
        slot = self._one(slots)
        if slot is not None:
            self.world.machine.kill(slot.process)

    def _kill_now(self, slot: Slot) -> None:
        if not self.world.faults.are_over:
            self.world.machine.kill(slot.process)

    def _freeze(self, slots: list[Slot], most_ms: int) -> None:
        slot = self._one(slots)
        if slot is None:
            return
        machine = self.world.machine
        process: Process = slot.process
        machine.freeze(process)
        pause = machine.random.randrange(100, most_ms) * NANOS_PER_MS
        machine.after(pause, partial(self._thaw, process))

    def _thaw(self, process: Process) -> None:
        if process.is_frozen:
            self.world.machine.thaw(process)

    # --- connections and clients

    def _connection_cut(self) -> None:
        for connection in self._connections(1):
            connection.cut(in_message=False)

    def _connection_cut_in_message(self) -> None:
        for connection in self._connections(1):
            connection.cut(in_message=True)

    def _connection_silent(self) -> None:
        for connection in self._connections(1):
            connection.fall_silent()

    def _reconnect_storm(self) -> None:
        for connection in self._connections(100):
            connection.cut(in_message=False)

    def _reader_slow(self) -> None:
        machine = self.world.machine
        for connection in self._connections(1):
            connection.to_client.is_slow = True
            pause = machine.random.randrange(100, 6_000) * NANOS_PER_MS
            machine.after(pause, connection.to_client.read_again)

    def _numbers_reset(self) -> None:
        for trader in self._traders():
            if trader.session.keeps_numbers:
                trader.reset(replay=self.world.machine.random.random() < _REPLAYS)
                return

    def _logged_out(self) -> None:
        for trader in self._traders():
            if not trader.book.open_requests():
                trader.log_out()
                return

    def _connections(self, most: int) -> list[Connection]:
        found = list(self.world.edge.connections.values())
        self.world.machine.random.shuffle(found)
        return found[:most]

    def _traders(self) -> list[Trader]:
        found = [trader for trader in self.world.traders if trader.session.is_logged_on]
        self.world.machine.random.shuffle(found)
        return found
