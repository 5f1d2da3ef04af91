"""The archive of a shard and the chain that vouches for it."""

import sys
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pytest
from audit_chains import LOG, QUICK

sys.path.insert(0, str(Path(__file__).parents[1] / "processes"))

from tiny_machine import deposit

from kalshi_fix.adapters import archive as archive_module
from kalshi_fix.adapters.archive import StreamArchive
from kalshi_fix.adapters.audit.records import Kind
from kalshi_fix.adapters.audit.trail import TrailMetrics
from kalshi_fix.adapters.bus import Entry
from kalshi_fix.adapters.metrics import Metrics
from kalshi_fix.messages.batch import CommandBatch
from kalshi_fix.processes.audit_check import check
from kalshi_fix.processes.core_archive import Archive
from kalshi_fix.processes.core_audit import ArchiveChain


class Shard:
    """A data directory with one shard's archive and its chain."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.archived = root / "shards" / "s0" / "archive"
        self.archived.mkdir(parents=True, exist_ok=True)
        self.audited = root / "audit" / "core-s0"
        self.audited.mkdir(parents=True, exist_ok=True)

    def run(self, first: int, count: int, *, chained: int | None = None) -> None:
        """One life of a core: archives entries and chains them, or only the first ``chained``."""
        archive = Archive(self.archived, 2_000)
        assert archive.open()
        chain = ArchiveChain(self.audited, QUICK, TrailMetrics.of(Metrics("test")), LOG)
        chain.open(archive.commands, archive.events)
        for number in range(first, first + count):
            entry = Entry(f"{number}-0", CommandBatch("t", {}, [deposit(number, "a")]).pack())
            for kind, stream in ((Kind.COMMANDS, archive.commands), (Kind.EVENTS, archive.events)):
                stream.append([entry])
                if chained is None or number < first + chained:
                    chain.extend(kind, [entry])
        archive.close()
        chain.close(in_order=chained is None)

    def faults(self) -> list[str]:
        return check(self.root, self.audited, ()).faults


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    made = Shard(tmp_path)
    made.run(1, 60)
    return made


def test_what_was_archived_is_vouched_for_over_restarts_and_crashes(shard: Shard) -> None:
    assert not shard.faults()
    shard.run(61, 10, chained=4)  # killed between archive and chain
    shard.run(71, 10)
    assert not shard.faults()
    report = check(shard.root, shard.audited, ())
    assert any("did not stop in order" in note for note in report.notes)
    assert report.records >= 2 * 80


def rewrite(path: Path, change: Callable[[list[Entry]], list[Entry]]) -> None:
    """A segment of the archive with other content and every checksum and seal right."""
    entries = list(archive_module._frames(path, archive_module._Segment()))
    path.unlink()
    forged = StreamArchive(path.parent, "forged", 2_000)
    forged.append(change(entries))
    forged.close()
    (made,) = forged.segments()
    made.rename(path)


def changed(entries: list[Entry]) -> list[Entry]:
    odd = entries[3]
    payload = odd.payload[:-1] + bytes([odd.payload[-1] ^ 1])
    assert crc32(payload) != crc32(odd.payload)
    return [*entries[:3], Entry(odd.id, payload), *entries[4:]]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (changed, "is not what was archived"),
        (lambda entries: [*entries[:3], *entries[4:]], "is expected"),
        (lambda entries: [*entries[:3], entries[4], entries[3], *entries[5:]], "is expected"),
        (lambda entries: entries[:-1], "is expected"),
    ],
)
@pytest.mark.parametrize("stream", ["cmd", "evt"])
def test_an_archive_forged_with_right_checksums_is_found(
    shard: Shard, stream: str, change: Callable[[list[Entry]], list[Entry]], line: str
) -> None:
    first = min(shard.archived.glob(f"{stream}-*.segment"))
    rewrite(first, change)
    assert list(StreamArchive(shard.archived, stream, 0).read())  # the archive itself is content
    (fault,) = shard.faults()
    assert line in fault


def test_an_archive_without_its_last_segment_is_found(shard: Shard) -> None:
    max(shard.archived.glob("evt-*.segment")).unlink()
    (fault,) = shard.faults()
    assert "ends before" in fault
