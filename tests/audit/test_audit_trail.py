"""A trail over restarts, crashes and a disk that is full."""

import errno
import json
import os
from pathlib import Path

import pytest
from attrs import evolve
from audit_chains import QUICK, message, records_in, trail
from waiting import wait_until

from kalshi_fix.adapters.audit import writer as writer_module
from kalshi_fix.adapters.audit.records import Kind, pack, unpack
from kalshi_fix.adapters.audit.segments import AuditError, segments_of
from kalshi_fix.adapters.audit.trail import TrailMetrics
from kalshi_fix.adapters.audit.verify import published_in, verify
from kalshi_fix.adapters.logs import open_log
from kalshi_fix.adapters.metrics import Metrics
from kalshi_fix.adapters.settings import LogSettings


def every_record(directory: Path) -> list[tuple[object, ...]]:
    return [row for path in segments_of(directory) for row in records_in(path)]


def kinds(directory: Path) -> list[int]:
    return [int(str(row[0])) for row in every_record(directory)]


def test_records_come_back_as_they_were_and_the_chain_goes_on_over_restarts(tmp_path: Path) -> None:
    directory = tmp_path / "edge"
    for run in range(3):
        kept = trail(directory)
        kept.start()
        kept.record(Kind.IN, "ALPHA-RT", "c-1", message(run), None)
        kept.stop()
    found = every_record(directory)
    assert [row[0] for row in found] == [Kind.STARTED, Kind.IN, Kind.STOPPED] * 3
    assert [row[4] for row in found if row[0] == Kind.IN] == [message(run) for run in range(3)]
    report = verify(directory)
    assert (report.faults, report.notes, report.last) == ([], [], 9)


def test_segments_are_sealed_private_and_chained(tmp_path: Path) -> None:
    kept = trail(tmp_path / "edge", evolve(QUICK, segment_bytes=4_096))
    kept.start()
    for number in range(600):
        kept.record(Kind.IN, "ALPHA-RT", "c-1", message(number), None)
        if number % 100 == 0:
            wait_until(lambda: not kept._queue, "the queue to be written")
    kept.stop()
    paths = segments_of(tmp_path / "edge")
    assert len(paths) > 3
    assert [path.stat().st_mode & 0o777 for path in paths[:-1]] == [0o400] * (len(paths) - 1)
    assert paths[-1].stat().st_mode & 0o077 == 0
    assert not verify(tmp_path / "edge").faults


def test_passwords_signatures_and_the_engines_secret_never_reach_the_file(tmp_path: Path) -> None:
    kept = trail(tmp_path / "edge")
    kept.start()
    hidden = b"8=FIX.4.4\x0135=A\x01554=canary\x0195=3\x0196=canary\x01925=canary\x0110=1\x01"
    kept.record(Kind.IN, "A", "c", message(1))
    kept.record(Kind.IN, "A", "c", hidden)
    kept.record(
        Kind.IN, "A", "c", "35=D\x0120996=canary;1;2\x0120998=canary\x0189=canary\x0111=X\x01"
    )
    kept.stop()
    data = b"".join(path.read_bytes() for path in segments_of(tmp_path / "edge"))
    assert b"canary" not in data
    assert message(1) in data
    assert b"\x01554=***\x0195=3\x0196=***\x01" in data
    assert b"\x0111=X\x01" in data


def test_a_killed_process_leaves_its_records_and_the_next_says_so(tmp_path: Path) -> None:
    directory = tmp_path / "edge"
    killed = trail(directory)
    killed.start()
    killed.record(Kind.IN, "A", "c", message(1))
    wait_until(lambda: Kind.IN in kinds(directory), "the record")
    killed._stopping.set()
    killed._thread.join(5)
    path = segments_of(directory)[-1]
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])  # the last block, of STOPPED, is torn
    after = trail(directory)
    after.start()
    after.stop()
    found = every_record(directory)
    assert [row[0] for row in found] == [
        Kind.STARTED, Kind.IN, Kind.RECOVERED, Kind.STARTED, Kind.STOPPED,
    ]  # fmt: skip
    told = found[2][4]
    assert isinstance(told, dict)
    torn = directory / str(told["torn_file"])
    assert whole.endswith(torn.read_bytes() + whole[-20:])
    report = verify(directory)
    assert not report.faults
    assert f"{told['torn_bytes']} bytes torn off" in report.notes[0]


@pytest.mark.parametrize("cut", [1, 7, 30, 90, 200])
def test_a_chain_torn_anywhere_goes_on(tmp_path: Path, cut: int) -> None:
    directory = tmp_path / "edge"
    for _ in range(2):
        kept = trail(directory)
        kept.start()
        kept.stop()
        path = segments_of(directory)[-1]
        os.truncate(path, path.stat().st_size - cut)
    last = trail(directory)
    last.start()
    last.stop()
    report = verify(directory)
    assert not report.faults
    assert report.notes


def test_one_process_at_a_time_writes_a_chain(tmp_path: Path) -> None:
    first, second = trail(tmp_path / "edge"), trail(tmp_path / "edge")
    first.start()
    with pytest.raises(AuditError, match="another process"):
        second.start()
    first.stop()


class FullDisk:
    """Takes the place of ``os.write`` in the writer; is full for a while."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = False
        self._write = os.write
        monkeypatch.setattr(writer_module.os, "write", self)

    def __call__(self, descriptor: int, data: bytes) -> int:
        if not self.is_full:
            return self._write(descriptor, data)
        if len(data) > 40:  # as much as fits
            return self._write(descriptor, bytes(data[:40]))
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_loses_nothing_that_waits_and_says_what_did_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)
    metrics = Metrics("test")
    kept = trail(
        tmp_path / "edge", evolve(QUICK, queue_max=1_000), metrics=TrailMetrics.of(metrics)
    )
    kept.start()
    disk.is_full = True
    kept.record(Kind.IN, "A", "c", message(0))
    wait_until(lambda: b"audit_failing 1.0" in metrics.render(), "the metric")
    for number in range(1, 1_501):
        kept.record(Kind.IN, "A", "c", message(number))
    disk.is_full = False
    wait_until(lambda: b"audit_failing 0.0" in metrics.render(), "the disk to be taken up again")
    kept.stop()
    found = every_record(tmp_path / "edge")
    messages = [row[4] for row in found if row[0] == Kind.IN]
    assert messages == [message(number) for number in range(1_001)]
    (lost,) = [row[4] for row in found if row[0] == Kind.LOST]
    assert isinstance(lost, dict)
    assert lost["count"] == 500
    assert b"audit_lost_records_total 500.0" in metrics.render()
    report = verify(tmp_path / "edge")
    assert not report.faults
    assert any("500 records were not kept" in note for note in report.notes)


def test_no_trading_without_a_trail_where_that_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)
    halted: list[bool] = []
    settings = evolve(QUICK, when_full="halt", halt_seconds=0.1)
    kept = trail(tmp_path / "edge", settings, halt=lambda: halted.append(True))
    kept.start()
    disk.is_full = True
    kept.record(Kind.IN, "A", "c", message(0))
    wait_until(lambda: bool(halted), "the halt")
    disk.is_full = False
    kept.stop()
    assert halted == [True]
    unable = trail(tmp_path / "edge2", settings)
    disk.is_full = True
    with pytest.raises(OSError, match="does not take"):
        unable.start()


def test_the_head_is_published_and_verified_against_the_log(tmp_path: Path) -> None:
    log_file = tmp_path / "edge.log"
    log = open_log("edge", LogSettings(stderr_level="critical"), log_file)
    kept = trail(tmp_path / "edge", evolve(QUICK, publish_seconds=0.1))
    kept._log = log
    kept.start()
    kept.record(Kind.IN, "A", "c", message(1))
    wait_until(lambda: log_file.read_text().count("audit_head") >= 2, "two heads")
    kept.stop()
    published = list(published_in([log_file]))
    assert len(published) >= 3
    report = verify(tmp_path / "edge", published)
    assert (report.faults, report.published) == ([], len(published))
    lines = [json.loads(line) for line in log_file.read_text().splitlines()]
    assert lines[-1]["head"] == report.head.hex()


def test_text_that_is_not_unicode_is_kept() -> None:
    odd = "35=D\x0158=\udce9\x01"
    assert unpack(pack([(10, 1, "A", "c", odd, None)]))[0][4] == odd
