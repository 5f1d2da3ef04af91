"""What is archived, what is trimmed, and that neither can lose anything."""

import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from kernel_limits import limited

sys.path.insert(0, str(Path(__file__).parents[1] / "processes"))

from tiny_machine import TinyMachine, deposit

from kalshi_fix.adapters.archive import ArchiveError
from kalshi_fix.adapters.logs import Log, open_log
from kalshi_fix.adapters.memory_bus import MemoryStore
from kalshi_fix.adapters.metrics import Metrics, read_samples
from kalshi_fix.adapters.settings import CoreSettings, LogSettings, Settings
from kalshi_fix.messages import commands as c
from kalshi_fix.messages.batch import CommandBatch
from kalshi_fix.processes import core_recovery as recovery
from kalshi_fix.processes.core_archive import Archive, Archivist
from kalshi_fix.processes.core_metrics import ArchiveMetrics, CoreMetrics
from kalshi_fix.processes.core_poison import Failures
from kalshi_fix.processes.core_recovery import RecoveryError
from kalshi_fix.processes.core_shard import CoreShard
from kalshi_fix.processes.core_snapshots import Snapshots

SETTINGS = Settings(core=CoreSettings(lease_ms=200))
LOG: Log = open_log("test", LogSettings(stderr_level="critical"))


class Shard:
    """A shard in memory, its core, its archivist."""

    def __init__(self, directory: Path) -> None:
        self.store = MemoryStore()
        self.bus = self.store.connect("s0")
        self.snapshots = Snapshots(directory)
        self.failures = Failures(directory)
        self.directory = directory / "archive"
        self.directory.mkdir()
        self.archive = Archive(self.directory, 100_000)
        self.core = self.start()
        self.archivist = self.new_archivist()

    def errors(self) -> float:
        ((_, count),) = read_samples(self.metrics.render().decode())["core_archive_errors_total"]
        return count

    def new_archivist(self) -> Archivist:
        self.metrics = Metrics("test")
        metrics = ArchiveMetrics.of(self.metrics)
        return Archivist(
            self.bus, self.archive, self.snapshots, seconds=1, metrics=metrics, log=LOG
        )

    def start(self) -> CoreShard:
        bus = self.store.connect("s0")
        replica = recovery.recover(
            bus,
            self.snapshots,
            self.failures,
            new=TinyMachine,
            restore=TinyMachine.restore,
            log=LOG,
            archived=self.archive.commands.read,
        )
        metrics = CoreMetrics.of(Metrics("test"))
        return CoreShard(bus, replica, settings=SETTINGS, owner="core", metrics=metrics, log=LOG)

    def restart(self) -> CoreShard:
        """Another core leads, having recovered."""
        self.core.release()
        core = self.start()
        core.step()
        assert core.is_leading
        return core

    def trade(self, count: int = 3) -> None:
        for _ in range(count):
            self.bus.append_commands(CommandBatch("t", {}, [deposit(2, "a")]).pack())
            self.core.step()
            self.core.step()

    def snapshot(self) -> int:
        self.snapshots.write(recovery.snapshot_of(self.core.replica))
        return self.core.replica.last_event

    def keep(self) -> None:
        """One round of the archivist's thread."""
        assert self.archive.is_open or self.archivist._open()
        self.archivist.keep()

    def first_event_kept(self) -> int:
        return int(self.bus.read_events(0, 1, 0)[0].id.partition("-")[0])


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[Shard]:
    shard = Shard(tmp_path)
    yield shard
    shard.archive.close()


def test_everything_committed_is_archived_and_nothing_else(shard: Shard) -> None:
    shard.trade()
    shard.bus.append_commands(CommandBatch("t", {}, [deposit(1, "not committed")]).pack())
    shard.keep()
    committed = shard.bus.read_commands("0-0", 99, 0)[:-1]
    assert list(shard.archive.commands.read()) == committed
    assert list(shard.archive.events.read()) == shard.bus.read_events(0, 99, 0)


def test_a_full_disk_is_counted_and_archiving_goes_on_when_there_is_room(shard: Shard) -> None:
    shard.trade()
    shard.keep()
    shard.trade()
    with limited(os.getpid(), resource.RLIMIT_FSIZE, 0):
        shard.archivist._turn()
        shard.archivist._turn()
    assert shard.errors() == 2
    shard.archivist._turn()
    assert shard.errors() == 2
    assert len(list(shard.archive.commands.read())) == len(shard.bus.read_commands("0-0", 100, 0))


def test_with_one_snapshot_nothing_is_trimmed(shard: Shard) -> None:
    shard.trade()
    shard.snapshot()
    shard.trade()
    shard.keep()
    assert shard.first_event_kept() == 2


def test_what_is_below_the_snapshot_before_the_newest_is_trimmed(shard: Shard) -> None:
    shard.trade()
    before = shard.snapshot()
    shard.trade()
    shard.snapshot()
    shard.trade()
    shard.keep()
    assert shard.first_event_kept() == before
    core = shard.restart()
    assert core.replica.state_hash == shard.core.replica.state_hash


def test_a_damaged_newest_snapshot_leaves_one_to_start_from_after_a_trim(shard: Shard) -> None:
    for _ in range(2):
        shard.trade()
        shard.snapshot()
    shard.keep()
    newest = next(shard.snapshots.newest_first())
    newest.write_bytes(newest.read_bytes()[:-3])
    assert shard.restart().replica.state_hash == shard.core.replica.state_hash


def test_trimming_waits_for_the_slowest_reader(shard: Shard) -> None:
    shard.trade()
    shard.snapshot()
    shard.trade()
    shard.snapshot()
    shard.bus.set_position("gateway:gw1", 4, time.time_ns())
    shard.keep()
    assert shard.first_event_kept() == 4
    assert [entry.id for entry in shard.bus.read_events(4, 1, 0)] == ["6-0"]


def test_without_any_snapshot_a_trimmed_shard_is_rebuilt_from_the_archive(shard: Shard) -> None:
    for _ in range(3):
        shard.trade()
        shard.snapshot()
    shard.keep()
    shard.trade()
    for path in shard.snapshots.newest_first():
        path.unlink()
    core = shard.restart()
    assert core.replica.last_event == shard.core.replica.last_event
    assert core.replica.state_hash == shard.core.replica.state_hash


def test_commands_may_be_trimmed_where_a_slow_reader_keeps_every_event(shard: Shard) -> None:
    shard.bus.set_position("gateway:gw1", 0, time.time_ns())
    for _ in range(3):
        shard.trade()
        shard.snapshot()
    shard.keep()
    assert shard.first_event_kept() == 2  # the first entry
    assert shard.bus.read_commands("0-0", 1, 0)[0] != next(shard.archive.commands.read())
    for path in shard.snapshots.newest_first():
        path.unlink()
    assert shard.restart().replica.state_hash == shard.core.replica.state_hash


def test_a_trimmed_shard_without_snapshot_and_archive_is_refused(shard: Shard) -> None:
    for _ in range(3):
        shard.trade()
        shard.snapshot()
    shard.keep()
    shard.archive.close()
    for path in (*shard.snapshots.newest_first(), *shard.archive.commands.segments()):
        path.unlink()
    with pytest.raises(RecoveryError, match="restore a snapshot or the archive"):
        shard.start()


def test_an_archive_of_another_store_is_not_continued(shard: Shard) -> None:
    shard.trade()
    shard.keep()
    shard.archive.close()
    shard.store = MemoryStore()
    shard.bus = shard.store.connect("s0")
    shard.core = shard.start()
    shard.archivist = shard.new_archivist()
    shard.trade(1)
    with pytest.raises(ArchiveError, match="is not the stream's"):
        shard.archivist._open()


def test_a_missing_segment_stops_archiving_before_anything_is_trimmed(shard: Shard) -> None:
    for _ in range(3):
        shard.trade()
        shard.snapshot()
    shard.keep()
    shard.archive.close()
    for path in shard.archive.events.segments():
        path.unlink()
    first = shard.first_event_kept()
    with pytest.raises(ArchiveError, match="restore the missing segments"):
        shard.keep()
    assert shard.first_event_kept() == first


def test_only_one_core_archives_at_a_time(shard: Shard) -> None:
    shard.keep()
    other = Archive(shard.directory, 100_000)
    assert other.open() is False
    shard.archive.close()
    assert other.open() is True
    other.close()


def test_a_quarantine_that_was_trimmed_away_does_not_stop_the_next_start(shard: Shard) -> None:
    entry_id = shard.bus.append_commands(
        CommandBatch("t", {}, [c.Quarantine("q", "op", "why", 1, "1-0", 0)]).pack()
    )
    shard.failures.record((entry_id, 0))
    shard.failures.record((entry_id, 0))
    for _ in range(3):
        shard.trade()
        shard.snapshot()
    shard.keep()
    assert (entry_id, 0) in recovery.quarantined_places(shard.bus, shard.failures)


def test_commands_are_trimmed_in_a_quiet_market_too(shard: Shard) -> None:
    shard.trade()
    shard.snapshot()
    for _ in range(3):
        shard.bus.append_commands(CommandBatch("t", {}, [c.AdvanceTime(1)]).pack())
        shard.core.step()
        shard.snapshot()
    shard.keep()
    assert len(shard.bus.read_commands("0-0", 99, 0)) == 2
    assert shard.restart().replica.state_hash == shard.core.replica.state_hash
