import os
import time
from pathlib import Path

import pytest
from recovery.test_archivist import Shard

from kalshi_fix.adapters.settings import CoreSettings
from kalshi_fix.processes import core_snapshots
from kalshi_fix.processes.core_recovery import RecoveryError
from kalshi_fix.processes.core_snapshots import Snapshot, Snapshots, SnapshotSchedule

SETTINGS = CoreSettings(snapshot_seconds=100, snapshot_commands=1_000)


@pytest.fixture
def snapshots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Snapshots:
    monkeypatch.setattr(core_snapshots, "LOOK_SECONDS", 0.0)
    return Snapshots(tmp_path)


def written(snapshots: Snapshots, number: int, seconds_ago: float) -> None:
    path = snapshots.write(Snapshot(f"{number}-0", number, b"hash", 0, []))
    at = time.time() - seconds_ago
    os.utime(path, (at, at))


@pytest.mark.parametrize(
    ("seconds_ago", "standby", "leader"),
    [(99, False, False), (110, True, False), (126, True, True)],
)
def test_a_standby_is_due_first_and_the_leader_where_none_is_there(
    snapshots: Snapshots, seconds_ago: float, *, standby: bool, leader: bool
) -> None:
    written(snapshots, 7, seconds_ago)
    schedule = SnapshotSchedule(snapshots, SETTINGS)
    assert schedule.is_due(0, is_leading=False) is standby
    assert schedule.is_due(0, is_leading=True) is leader


def test_so_many_commands_make_one_due_and_one_that_another_core_wrote_counts(
    snapshots: Snapshots,
) -> None:
    written(snapshots, 7, 0)
    schedule = SnapshotSchedule(snapshots, SETTINGS)
    assert not schedule.is_due(0, is_leading=False)
    assert not schedule.is_due(999, is_leading=False)
    assert schedule.is_due(1_000, is_leading=False)
    written(snapshots, 8, 0)
    assert not schedule.is_due(1_001, is_leading=False)
    assert schedule.is_due(2_001, is_leading=False)


def test_a_standby_may_write_one_where_it_agrees_with_the_stream(tmp_path: Path) -> None:
    shard = Shard(tmp_path)
    shard.core.step()
    standby = shard.start()
    standby.step()
    assert not standby.agrees_with_stream(), "there is nothing yet"
    shard.trade()
    standby.step()
    assert standby.agrees_with_stream()
    standby.replica.state_hash = b"another"
    with pytest.raises(RecoveryError, match="is not the stream's"):
        standby.agrees_with_stream()
    shard.archive.close()
