import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_machine import TinyMachine, deposit

from kalshi_fix.adapters.bus import (
    Bus,
    BusDownError,
    Entry,
    FencedError,
    Offset,
    OutcomeUnknownError,
    StaleOffsetError,
)
from kalshi_fix.adapters.logs import Log, open_log
from kalshi_fix.adapters.memory_bus import MemoryBus, MemoryStore
from kalshi_fix.adapters.metrics import Metrics
from kalshi_fix.adapters.settings import CoreSettings, FirmSettings, LogSettings, Settings
from kalshi_fix.messages import commands as c
from kalshi_fix.messages.batch import CommandBatch, EventEntry
from kalshi_fix.processes import core_recovery as recovery
from kalshi_fix.processes.core_poison import Failures
from kalshi_fix.processes.core_recovery import RecoveryError
from kalshi_fix.processes.core_replica import PoisonError
from kalshi_fix.processes.core_shard import CoreMetrics, CoreShard
from kalshi_fix.processes.core_snapshots import Snapshot, Snapshots

SETTINGS = Settings(core=CoreSettings(lease_ms=200), firms=(FirmSettings(name="F"),))
NO_SEEDS = Settings(core=CoreSettings(lease_ms=200))


class World:
    """A store, and cores that come and go."""

    def __init__(self, directory: Path) -> None:
        self.store = MemoryStore()
        self.bus = self.store.connect("s0")
        self.log: Log = open_log("test", LogSettings(stderr_level="critical"))
        self.snapshots = Snapshots(directory)
        self.failures = Failures(directory)
        self._cores = 0

    def core(self, settings: Settings = NO_SEEDS, bus: Bus | None = None) -> CoreShard:
        """A core that starts = recovers."""
        self._cores += 1
        bus = bus or self.store.connect("s0")
        replica = recovery.recover(
            bus,
            self.snapshots,
            self.failures,
            new=TinyMachine,
            restore=TinyMachine.restore,
            log=self.log,
        )
        return CoreShard(
            bus,
            replica,
            settings=settings,
            owner=f"core-{self._cores}",
            metrics=CoreMetrics.of(Metrics("test")),
            log=self.log,
        )

    def tell(self, *commands: c.Command) -> str:
        return self.bus.append_commands(CommandBatch("test", {}, list(commands)).pack())

    def events(self) -> list[tuple[int, str]]:
        rows = [EventEntry.unpack(entry.payload) for entry in self.bus.read_events(0, 10_000, 0)]
        return [(event.number, event.account) for row in rows for event in row.events()]

    def expire_lease(self) -> None:
        time.sleep(SETTINGS.core.lease_ms / 1000 + 0.02)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_core_leads_applies_and_commits(world: World) -> None:
    core = world.core()
    last = world.tell(deposit(2, "a"), deposit(1, "b"))
    core.step()
    core.step()
    assert world.events() == [(1, "a"), (2, "a"), (3, "b")]
    assert world.bus.state().offset == Offset(last)
    assert core.is_leading


def test_a_killed_core_s_successor_continues_without_a_repeat(world: World) -> None:
    first = world.core()
    world.tell(deposit(2, "a"))
    first.step(), first.step()
    world.tell(deposit(1, "b"))  # the first one dies here
    world.expire_lease()
    second = world.core()
    second.step(), second.step()
    assert world.events() == [(1, "a"), (2, "a"), (3, "b")]
    assert (
        second.replica.state_hash
        == EventEntry.unpack(world.bus.read_events(2, 1, 0)[0].payload).state_hash
    )


def test_a_standby_follows_and_takes_over_when_the_lease_ends(world: World) -> None:
    leader, standby = world.core(), world.core()
    world.tell(deposit(1, "a"))
    leader.step(), leader.step()
    assert standby.step() is False
    assert standby.replica.last_event == 1
    assert not standby.is_leading
    world.tell(deposit(1, "b"))
    world.expire_lease()
    standby.step(), standby.step()
    assert standby.is_leading
    assert world.events() == [(1, "a"), (2, "b")]


def test_a_released_lead_is_taken_over_at_once(world: World) -> None:
    leader, standby = world.core(), world.core()
    leader.step()
    leader.release()
    standby.step()
    assert standby.is_leading


def test_a_stalled_leader_writes_nothing_and_gives_way(world: World) -> None:
    stalled, other = world.core(), world.core()
    stalled.step()
    world.expire_lease()
    other.step()
    world.tell(deposit(1, "a"))
    with pytest.raises(FencedError):
        stalled.step()
    other.step()
    assert world.events() == [(1, "a")]


def test_a_core_that_stalls_while_it_takes_the_lead_gives_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalled, other = world.core(), world.core()
    look = stalled._bus.last_event

    def much_later() -> Entry | None:
        monkeypatch.undo()
        world.expire_lease()
        other.step()
        world.tell(deposit(1, "a"))
        other.step()
        return look()

    monkeypatch.setattr(stalled._bus, "last_event", much_later)
    with pytest.raises(FencedError):
        stalled.step()
    assert world.events() == [(1, "a")]


def test_an_idle_leader_keeps_its_lease(world: World) -> None:
    leader, standby = world.core(), world.core()
    leader.step()
    for _ in range(8):  # each step waits a quarter of the lease
        leader.step()
        standby.step()
    assert not standby.is_leading


@pytest.mark.parametrize(("commands", "waits"), [(1, False), (4, False), (5, True)])
def test_only_a_loaded_core_spaces_its_batches(world: World, commands: int, waits: bool) -> None:
    spaced = CoreSettings(lease_ms=5_000, spacing_us=50_000, spacing_from_commands=5)
    core = world.core(Settings(core=spaced))
    core.step()
    world.tell(*[deposit(0)] * commands)
    core.step()
    world.tell(deposit(0))
    began = time.monotonic()
    core.step()
    assert (time.monotonic() - began > 0.03) == waits


class Breaking(MemoryBus):
    """A connection that breaks at the next commit, before or after it is carried out."""

    breaks = ""

    def commit(self, *args: Any) -> None:
        broken, self.breaks = self.breaks, ""
        if broken == "before":
            raise OutcomeUnknownError("no answer")
        super().commit(*args)
        if broken == "after":
            raise OutcomeUnknownError("no answer")


@pytest.mark.parametrize("breaks", ["before", "after"])
def test_a_commit_of_unknown_outcome_happens_exactly_once(world: World, breaks: str) -> None:
    bus = Breaking(world.store, "s0")
    core = world.core(bus=bus)
    core.step()
    world.tell(deposit(1, "a"))
    bus.breaks = breaks
    with pytest.raises(OutcomeUnknownError):
        core.step()
    core.lost_store()
    world.tell(deposit(1, "b"))
    core.step()
    assert world.events() == [(1, "a"), (2, "b")]


@pytest.mark.parametrize("breaks", ["before", "after"])
def test_chunks_survive_a_broken_commit(world: World, breaks: str) -> None:
    bus = Breaking(world.store, "s0")
    core = world.core(bus=bus)
    core.step()
    world.tell(deposit(1_800, "a"))
    bus.breaks = breaks
    with pytest.raises(OutcomeUnknownError):
        core.step()
    core.lost_store()
    core.step()
    assert [number for number, _ in world.events()] == list(range(1, 1_801))


def test_a_core_that_dies_between_chunks_is_finished_by_the_next(world: World) -> None:
    bus = Breaking(world.store, "s0")
    dies = world.core(bus=bus)
    dies.step()
    world.tell(deposit(1_800, "a"))
    bus.breaks = "after"
    with pytest.raises(OutcomeUnknownError):
        dies.step()
    assert world.bus.state().offset.chunk == 1
    world.expire_lease()
    world.tell(deposit(1, "b"))
    heir = world.core()
    heir.step(), heir.step()
    assert [number for number, _ in world.events()] == list(range(1, 1_802))


def test_an_outage_keeps_the_lead_and_the_state(world: World) -> None:
    core = world.core()
    world.tell(deposit(1, "a"))
    core.step(), core.step()
    world.store.down = True
    with pytest.raises(BusDownError):
        core.step()
    core.lost_store()
    assert not core.is_ready
    world.store.down = False
    world.tell(deposit(1, "b"))
    core.step()
    assert world.events() == [(1, "a"), (2, "b")]


def test_after_an_outage_in_which_another_led_a_core_gives_way(world: World) -> None:
    core = world.core()
    core.step()
    core.lost_store()
    world.expire_lease()
    world.core().step()
    with pytest.raises(FencedError):
        core.step()


def test_a_store_that_came_back_with_an_older_state_is_not_written_to(world: World) -> None:
    core = world.core()
    world.tell(deposit(1, "a"))
    core.step(), core.step()
    core.lost_store()
    world.store.shard("s0").state = world.store.shard("s0").state.__class__(
        world.bus.state().token, 1, Offset("0-0")
    )
    with pytest.raises(StaleOffsetError):
        core.step()


def test_the_configuration_is_told_once_over_all_starts(world: World) -> None:
    for _ in range(3):
        core = world.core(SETTINGS)
        core.step(), core.step()
        core.release()
    told = world.core(SETTINGS)
    told.step()
    assert told.replica.machine.told == ["AdvanceTime", "StartTradingDay", "DefineFirm"]


def test_a_core_is_ready_when_it_leads_and_the_configuration_is_carried_out(world: World) -> None:
    core = world.core(SETTINGS)
    assert not core.is_ready
    core.step()
    assert not core.is_ready
    core.step(), core.step()
    assert core.is_ready


def test_a_start_from_a_snapshot_says_what_a_start_from_the_beginning_says(world: World) -> None:
    core = world.core()
    world.tell(deposit(3, "a"))
    core.step(), core.step()
    world.snapshots.write(recovery.snapshot_of(core.replica))
    world.tell(deposit(1, "b"))
    core.step()
    core.release()
    restored = world.core()
    assert restored.replica.last_event == 3
    restored.step()
    assert restored.replica.state_hash == core.replica.state_hash
    assert restored.replica.machine.told == ["Deposit", "Deposit"]


def test_no_snapshot_is_built_on_a_broken_invariant(world: World) -> None:
    core = world.core()
    world.tell(c.Dispute("r", "op1", "why", 1, "KX"))
    core.step(), core.step()
    with pytest.raises(AssertionError):
        recovery.snapshot_of(core.replica)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def forge(path: Path) -> None:
    snapshot = Snapshot("99-0", 99, b"other", 0, [0, [], 99])
    Snapshots(path.parent).write(snapshot)
    path.unlink()


@pytest.mark.parametrize("spoil", [damage, forge])
def test_a_snapshot_that_is_damaged_or_of_another_history_is_passed_over(
    world: World, spoil: Callable[[Path], None]
) -> None:
    core = world.core()
    world.tell(deposit(3, "a"))
    core.step(), core.step()
    spoil(world.snapshots.write(recovery.snapshot_of(core.replica)))
    core.release()
    again = world.core()
    assert again.replica.last_event == 0
    again.step()
    assert again.replica.last_event == 3


def test_a_stream_without_its_beginning_and_without_a_snapshot_is_refused(world: World) -> None:
    core = world.core()
    world.tell(deposit(1)), world.tell(deposit(1))
    core.step(), core.step()
    world.tell(deposit(1))
    core.step()
    world.bus.trim("1-0", 3)
    with pytest.raises(RecoveryError, match="no longer starts at event 1"):
        world.core()


def test_an_exchange_that_replays_differently_refuses_to_lead(world: World) -> None:
    core = world.core()
    world.tell(deposit(1, "a"))
    core.step(), core.step()
    core.release()
    world.store.shard("s0").cmd.entries.clear()
    world.store.shard("s0").cmd.ids.clear()
    world.store.shard("s0").cmd.last = (0, 0)
    world.tell(deposit(1, "changed"))
    with pytest.raises(RecoveryError, match="replaying gives event 1"):
        world.core().step()


def test_a_poisoned_command_stops_every_start_until_it_is_quarantined(world: World) -> None:
    entry_id = world.tell(deposit(1, "a"), deposit(1, "poison"), deposit(1, "b"))
    for _ in range(2):
        core = world.core()
        with pytest.raises(PoisonError) as failure:
            core.step(), core.step()
        world.failures.record(failure.value.place)
        world.expire_lease()
    assert world.failures.stops_at() == {(entry_id, 1)}
    world.tell(c.Quarantine("q1", "op1", "bug 7", 1, entry_id, 1))
    core = world.core()
    core.step(), core.step()
    assert world.events() == [(1, "a"), (2, "b")]
