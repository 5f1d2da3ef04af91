"""The store's network: the real memory bus behind requests that take time, get lost, or come late.

A request travels, is carried out at the store whatever has become of who sent it, and an answer
travels back; either way may fail. What the store itself promises (fencing, offsets, order) is the
memory bus's own code, which keeps the same contract as the real store. Every write is shown to the
auditor at the instant it is done.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from attrs import define, field

from kalshi_fix.adapters.bus import (
    BusDownError,
    BusError,
    Entry,
    LaneHolder,
    LaneRecord,
    Offset,
    OutcomeUnknownError,
    Position,
    ShardState,
)
from kalshi_fix.adapters.memory_bus import MemoryBus, MemoryStore
from kalshi_fix.model import NANOS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from kalshi_fix.simulate.faults import Faults
    from kalshi_fix.simulate.machine import Machine, Process, Task

_TRIP_NANOS: Final = 150_000  # one way, up to
_LATE_MS: Final = 1_500  # a request that was given up is carried out within
_LATE_MS_AFTER_DEATH: Final = 10_000  # long enough for its sender's successor to ask again


class Witness(Protocol):
    """Sees what the store did, in the order it did it."""

    def appended(self, shard: str, entry: Entry) -> None:
        """A batch of commands is durable."""
        ...

    def committed(self, shard: str, token: str, after: Offset, entries: list[Entry]) -> None:
        """A core's commit was carried out."""
        ...

    def acquired(self, shard: str, state: ShardState) -> None:
        """A core took the lead."""
        ...


@define(eq=False)
class SimulatedStore:
    """The server and its network."""

    machine: Machine
    faults: Faults
    witness: Witness
    server: MemoryStore = field(init=False)
    leaders: dict[str, Process] = field(factory=dict)  # shard -> who took the lead last
    _readers: list[tuple[Task, int]] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.server = MemoryStore(lambda: self.machine.now // NANOS_PER_MS)

    # --- what processes see instead of `adapters.store.Store`

    def of(self, *_settings: object) -> SimulatedStore:
        """The one store there is."""
        return self

    def impatient(self, _milliseconds: int) -> SimulatedStore:
        """Every request has its end here."""
        return self

    def bus(self, shard: str) -> SimulatedBus:
        """A connection."""
        return SimulatedBus(self, shard)

    def check(self, _shard: str) -> str:
        """What kind of store this is."""
        if self.server.down:
            raise BusDownError("the store is down")
        return "simulated"

    # --- its own life

    def crash(self) -> None:
        """Refuses everything; what was written stays."""
        self.server.down = True
        self.wake_readers()

    def start(self) -> None:
        """Serves again."""
        self.server.down = False

    def wait_for_news(self, nanos: int) -> None:
        """The current task waits for a write."""
        self._readers.append(self.machine.ticket())
        self.machine.wait(nanos)

    def wake_readers(self) -> None:
        """Something was written."""
        waiting, self._readers = self._readers, []
        for ticket in waiting:
            self.machine.wake(ticket)


class SimulatedBus:
    """`Bus`: one connection of one process."""

    def __init__(self, store: SimulatedStore, shard: str) -> None:
        self.shard = shard
        self._store = store
        self._machine = store.machine
        self._server = MemoryBus(store.server, shard)
        self._is_closed = False

    # --- commands

    def append_commands(self, payload: bytes, lane: LaneHolder | None = None) -> str:
        """See `Bus`."""

        def append() -> str:
            entry_id = self._server.append_commands(payload, lane)
            self._store.witness.appended(self.shard, Entry(entry_id, payload))
            self._store.wake_readers()
            return entry_id

        return str(self._write("append", append))

    def seeds(self) -> dict[str, str]:
        """See `Bus`."""
        found: dict[str, str] = self._ask(self._server.seeds)
        return found

    def append_seed(self, payload: bytes, before: dict[str, str], after: dict[str, str]) -> str:
        """See `Bus`."""

        def append() -> str:
            entry_id = self._server.append_seed(payload, before, after)
            if entry_id:
                self._store.witness.appended(self.shard, Entry(entry_id, payload))
                self._store.wake_readers()
            return entry_id

        return str(self._write("append_seed", append))

    def read_commands(self, after: str, count: int, block_ms: int) -> list[Entry]:
        """See `Bus`."""
        return self._read(partial(self._server.read_commands, after, count, 0), block_ms)

    # --- the leading core

    def acquire(self, owner: str, lease_ms: int) -> ShardState | None:
        """See `Bus`."""
        process = self._machine.process

        def acquire() -> ShardState | None:
            state = self._server.acquire(owner, lease_ms)
            if state is not None:
                self._store.leaders[self.shard] = process
                self._store.witness.acquired(self.shard, state)
            return state

        found: ShardState | None = self._write("acquire", acquire)
        return found

    def renew(self, token: str, lease_ms: int) -> None:
        """See `Bus`."""
        self._write("renew", partial(self._server.renew, token, lease_ms))

    def release(self, token: str) -> None:
        """See `Bus`."""
        self._write("release", partial(self._server.release, token))

    def commit(
        self, token: str, before: Offset, after: Offset, entries: list[Entry], lease_ms: int
    ) -> None:
        """See `Bus`."""

        def commit() -> None:
            self._server.commit(token, before, after, entries, lease_ms)
            self._store.witness.committed(self.shard, token, after, entries)
            self._store.wake_readers()

        self._write("commit", commit)

    def state(self) -> ShardState:
        """See `Bus`."""
        found: ShardState = self._ask(self._server.state)
        return found

    # --- events

    def read_events(self, after: int, count: int, block_ms: int) -> list[Entry]:
        """See `Bus`."""
        return self._read(partial(self._server.read_events, after, count, 0), block_ms)

    def last_event(self) -> Entry | None:
        """See `Bus`."""
        found: Entry | None = self._ask(self._server.last_event)
        return found

    def set_position(
        self, reader: str, number: int, at: int, lane: LaneRecord | None = None
    ) -> None:
        """See `Bus`."""
        self._write("position", partial(self._server.set_position, reader, number, at, lane))

    def lane(self, reader: str) -> LaneRecord:
        """See `Bus`; at once, so that seeds from before there were records mean what they did."""
        return self._server.lane(reader)

    def take_lane(self, reader: str, before: str, after: str) -> bool:
        """See `Bus`; at once as well."""
        return self._server.take_lane(reader, before, after)

    def hold_lane(self, lane: LaneHolder) -> None:
        """See `Bus`; at once as well."""
        self._server.hold_lane(lane)

    def get_books(self, symbols: list[str]) -> dict[str, bytes]:
        """See `Bus`; at once: nobody publishes market data here."""
        return self._server.get_books(symbols)

    def positions(self) -> dict[str, Position]:
        """See `Bus`."""
        found: dict[str, Position] = self._ask(self._server.positions)
        return found

    def trim(self, commands_below: str, events_below: int) -> None:
        """See `Bus`."""
        self._write("trim", partial(self._server.trim, commands_below, events_below))

    def close(self) -> None:
        """See `Bus`."""
        self._is_closed = True
        self._store.wake_readers()

    # --- a request and its answer

    def _read(self, look: Callable[[], list[Entry]], block_ms: int) -> list[Entry]:
        machine = self._machine
        deadline = machine.now + block_ms * NANOS_PER_MS
        found = self._ask(look)
        while not found and machine.now < deadline:
            self._store.wait_for_news(deadline - machine.now)
            if self._is_closed:
                raise BusDownError("this connection was closed")
            found = self._now(look)
        entries: list[Entry] = found
        return entries

    def _now(self, look: Callable[[], Any]) -> Any:
        """What a reader that is waiting at the store is told."""
        self._machine.sleep(self._trip())
        return look()

    def _ask(self, look: Callable[[], Any]) -> Any:
        """A request that changes nothing: whatever happens to it is harmless."""
        machine = self._machine
        machine.sleep(self._trip())
        if self._is_closed:
            raise BusDownError("this connection was closed")
        if self._store.faults.read_fails():
            raise BusDownError("the connection broke")
        return look()

    def _write(self, kind: str, action: Callable[[], Any]) -> Any:
        """A request that changes something, and what may become of it."""
        store, machine = self._store, self._machine
        if self._is_closed:
            raise BusDownError("this connection was closed")
        fate = store.faults.of_write(kind)
        if fate == "asked":
            return self._carried_out(kind, action)
        machine.note("store", f"{machine.process.name} {kind}: {fate}")
        if fate == "down":
            machine.sleep(self._trip())
            raise BusDownError("the connection was refused")
        is_killed = self._perhaps_kill()
        if fate == "late":
            most = _LATE_MS_AFTER_DEATH if is_killed else _LATE_MS
            late = machine.random.randrange(most) * NANOS_PER_MS
            machine.after(late, partial(_outcome, action))
        machine.sleep(machine.random.randrange(1, 200) * NANOS_PER_MS)
        raise OutcomeUnknownError("no answer in time")

    def _carried_out(self, kind: str, action: Callable[[], Any]) -> Any:
        """There and back; the request is carried out even if who asked dies meanwhile."""
        store, machine = self._store, self._machine
        machine.after(self._trip(), partial(_do, action, machine, machine.ticket()))
        value = machine.wait()
        machine.sleep(self._trip())
        if isinstance(value, BusError):
            raise value
        if store.server.down or store.faults.answer_lost(kind):
            machine.note("store", f"{machine.process.name} {kind}: done, answer lost")
            self._perhaps_kill()
            raise OutcomeUnknownError("the connection broke before the answer")
        return value

    def _perhaps_kill(self) -> bool:
        """The worst moment to die: something was sent, and nobody knows what became of it."""
        machine = self._machine
        is_killed = self._store.faults.happens("killed_in_doubt")
        if is_killed:
            machine.note("fault", f"killed_in_doubt {machine.process.name}")
            soon = machine.random.randrange(200) * NANOS_PER_MS
            machine.after(soon, partial(machine.kill, machine.process))
        return is_killed

    def _trip(self) -> int:
        return self._machine.random.randrange(20_000, _TRIP_NANOS)


def _outcome(action: Callable[[], Any]) -> Any:
    """The answer, or the error that is one."""
    try:
        return action()
    except BusError as error:
        return error


def _do(action: Callable[[], Any], machine: Machine, asker: tuple[Task, int]) -> None:
    machine.wake(asker, _outcome(action))
