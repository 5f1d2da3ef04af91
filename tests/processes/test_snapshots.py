import time
from pathlib import Path
from typing import NoReturn

import msgpack
import pytest

from kalshi_fix.processes import core_snapshots
from kalshi_fix.processes.core_snapshots import (
    KEPT,
    NewerSnapshotError,
    Snapshot,
    SnapshotDamagedError,
    Snapshots,
    read,
)


def snapshot(number: int) -> Snapshot:
    return Snapshot("5-0", number, b"hash", 20261122, {"orders": [1, 2], "cash": {"A": 3}})


def outcome(snapshots: Snapshots) -> str:
    deadline = time.monotonic() + 10
    while not (found := snapshots.reap()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return found


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read(Snapshots(tmp_path).write(snapshot(7))) == snapshot(7)


def test_a_child_writes_while_the_parent_goes_on(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path)
    snapshots.write_in_child(lambda: snapshot(7))
    assert snapshots.is_writing
    assert outcome(snapshots) == "ok"
    assert not snapshots.is_writing
    assert [read(path).last_event for path in snapshots.newest_first()] == [7]


def test_a_child_that_fails_is_told_and_leaves_no_snapshot(tmp_path: Path) -> None:
    def fail() -> NoReturn:
        raise ValueError("bug")

    snapshots = Snapshots(tmp_path)
    snapshots.write_in_child(fail)
    assert outcome(snapshots) == "the snapshot's process ended with code 1"
    assert list(snapshots.newest_first()) == []


def test_a_broken_invariant_is_told_as_one(tmp_path: Path) -> None:
    def broken() -> NoReturn:
        raise AssertionError("money vanished")

    snapshots = Snapshots(tmp_path)
    snapshots.write_in_child(broken)
    assert "invariant of the exchange is broken" in outcome(snapshots)
    assert list(snapshots.newest_first()) == []


def test_a_child_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang() -> NoReturn:
        while True:
            time.sleep(1)

    monkeypatch.setattr(core_snapshots, "CHILD_SECONDS_MAX", 0.05)
    snapshots = Snapshots(tmp_path)
    snapshots.write_in_child(hang)
    assert "was given up" in outcome(snapshots)
    assert not snapshots.is_writing


def test_only_the_newest_few_are_kept(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path)
    for number in (3, 12, 100, 7_000, 80_000):
        snapshots.write(snapshot(number))
    kept = [read(path).last_event for path in snapshots.newest_first()]
    assert kept == [80_000, 7_000, 100][:KEPT]


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_a_torn_file_is_damaged(tmp_path: Path, cut: int) -> None:
    path = Snapshots(tmp_path).write(snapshot(7))
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(SnapshotDamagedError):
        read(path)


@pytest.mark.parametrize("at", range(0, 90, 7))
def test_a_flipped_bit_is_damage(tmp_path: Path, at: int) -> None:
    path = Snapshots(tmp_path).write(snapshot(7))
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 4
    path.write_bytes(content)
    with pytest.raises((SnapshotDamagedError, NewerSnapshotError)):
        read(path)


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = Snapshots(tmp_path).write(snapshot(7))
    _, checksum, body = msgpack.unpackb(path.read_bytes())
    path.write_bytes(msgpack.packb([2, checksum, body]))
    with pytest.raises(NewerSnapshotError, match="version 2, this program reads 1"):
        read(path)
