"""What the audit trail is said to do, measured: any change found, quick to verify, quick to search.

Writes chains in a directory of its own and removes them. Figures stand in docs/audit.md.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from attrs import define

from kalshi_fix.adapters.audit import search
from kalshi_fix.adapters.audit.records import Row, pack, unpack
from kalshi_fix.adapters.audit.segments import HASH_BYTES, HEAD, Segment, chained, segments_of
from kalshi_fix.adapters.audit.trail import AuditTrail, TrailMetrics
from kalshi_fix.adapters.audit.verify import verify
from kalshi_fix.adapters.audit.writer import ChainWriter
from kalshi_fix.adapters.logs import open_log
from kalshi_fix.adapters.metrics import Metrics
from kalshi_fix.adapters.settings import AuditSettings, LogSettings

SEGMENT_BYTES = 67_108_864
RECORDS_PER_BLOCK = 250
MESSAGES_PER_ORDER = 4  # order, report, cancel, report
BODY = (
    "35={kind}|34={number}|49=ALPHA-RT|52=20261122-12:00:00.000|56=KalshiRT|11=ORD-{order}|"
    "37={order}|1=ALPHA-1|55=KXTEST-A|54=1|38=10.00|40=2|44=0.5500|59=1|17={number};1|150=0|39=0|"
    "151=10.00|14=0.00|6=0.0000|60=20261122-12:00:00.000|"
).replace("|", "\x01")


def message(number: int) -> bytes:
    """One of an order's four messages; orders overlap, as they do on a busy day."""
    order = number // MESSAGES_PER_ORDER
    body = BODY.format(kind="D8F8"[number % MESSAGES_PER_ORDER], number=number, order=order)
    return f"8=FIX.4.4\x019={len(body)}\x01{body}10=000\x01".encode()


def write_chain(directory: Path, records: int) -> float:
    """Makes a chain; returns records per second."""
    directory.mkdir()
    writer = ChainWriter(directory, directory.name, SEGMENT_BYTES)
    writer.open()
    began = time.perf_counter()
    for first in range(0, records, RECORDS_PER_BLOCK):
        rows: list[Row] = [
            (10, first + n, "ALPHA-RT", "connection-1", message(first + n), None)
            for n in range(RECORDS_PER_BLOCK)
        ]
        writer.append(pack(rows), RECORDS_PER_BLOCK, first, first)
    writer.sync()
    writer.close()
    return records / (time.perf_counter() - began)


@define
class Forger:
    """Changes one record at a time, and puts it back."""

    random: Random
    paths: list[Path]

    def forge(self, trial: int) -> tuple[Path, int, bytes]:
        """Tampers with one record; returns file, place and what stood there before."""
        path = self.random.choice(self.paths)
        blocks = list(search.read_blocks(path))
        number = self.random.randrange(len(blocks))
        block = blocks[number]
        rows = unpack(block.content)
        at = self.random.randrange(len(rows) - 1)
        if trial % 3 == 0:
            del rows[at]
        elif trial % 3 == 1:
            rows[at] = (*rows[at][:4], rows[at][4].replace(b"38=10.00", b"38=10.01"), rows[at][5])
        else:
            rows[at], rows[at + 1] = rows[at + 1], rows[at]
        content = pack(rows)
        head = HEAD.pack(1, len(content), len(rows), block.first, block.at, block.monotonic)
        data = path.read_bytes()
        end = block.offset + HEAD.size + HASH_BYTES
        written = data[block.offset + HEAD.size : end]
        if trial % 2:  # by somebody who knows the format
            before = blocks[number - 1].offset + HEAD.size if number else 0
            previous = data[before : before + HASH_BYTES] if number else Segment.open(path).head
            written = chained(previous, head, content)
        path.chmod(0o600)
        path.write_bytes(
            data[: block.offset] + head + written + content + data[end + len(block.content) :]
        )
        return path, block.offset, data


def tampering(directory: Path, trials: int, seed: int) -> int:
    """How many of so many single changes of a chain are not found."""
    forger = Forger(Random(seed), segments_of(directory))  # noqa: S311 - repeatable, not secret
    missed = 0
    for trial in range(trials):
        path, _, before = forger.forge(trial)
        missed += not verify(directory).faults
        path.write_bytes(before)
    return missed


def searching(directory: Path, orders: int, seed: int) -> list[float]:
    """Seconds to find one order's life, sorted."""
    random = Random(seed)  # noqa: S311 - repeatable, not secret
    taken: list[float] = []
    for _ in range(20):
        order = random.randrange(orders)
        began = time.perf_counter()
        found = list(search.find(directory, [f"ORD-{order}"]))
        taken.append(time.perf_counter() - began)
        assert len(found) == MESSAGES_PER_ORDER, f"ORD-{order}: {len(found)} messages"
    return sorted(taken)


def recording(directory: Path, records: int) -> tuple[float, float]:
    """CPU microseconds per record: of the thread that records, and of all threads."""
    directory.mkdir()
    log = open_log("tool", LogSettings(stderr_level="critical"))
    trail = AuditTrail(
        directory,
        "edge",
        AuditSettings(),
        metrics=TrailMetrics.of(Metrics("tool")),
        log=log,
    )
    trail.start()
    frames = [message(number) for number in range(1_000)]
    process = time.process_time()
    own = 0.0
    for _ in range(records // 1_000):
        began = time.thread_time()
        for frame in frames:
            trail.record(10, "ALPHA-RT", "connection-1", frame)
        own += time.thread_time() - began
        time.sleep(0.02)  # 50,000 records/s, as a busy edge
    trail.stop()
    return own / records * 1e6, (time.process_time() - process) / records * 1e6


def main() -> None:
    """Runs everything and prints a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000, help="of the chain tampered with")
    parser.add_argument("--trials", type=int, default=90, help="changes made to it")
    parser.add_argument("--search", type=int, default=10_000_000, help="records searched")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="audit-"))
    try:
        own, whole = recording(root / "recorded", 200_000)
        print(f"recording: {own:.2f} us per record on the caller's thread, {whole:.2f} us in all")
        print(f"writing: {write_chain(root / 'edge', chosen.records):,.0f} records/s")
        began = time.perf_counter()
        report = verify(root / "edge")
        rate = report.records / (time.perf_counter() - began)
        print(f"verifying {report.records:,} records: {rate:,.0f} records/s, {report.faults=}")
        missed = tampering(root / "edge", chosen.trials, chosen.seed)
        print(f"removed, changed, swapped: {chosen.trials} trials, {missed} not found")
        shutil.rmtree(root / "edge")
        if chosen.search:
            write_chain(root / "edge", chosen.search)
            began = time.perf_counter()
            for path in search.unindexed(root / "edge"):
                search.build_index(path)
            indexed = time.perf_counter() - began
            taken = searching(root / "edge", chosen.search // MESSAGES_PER_ORDER, chosen.seed)
            print(
                f"one order of {chosen.search:,} records: p50 {taken[len(taken) // 2] * 1e3:.0f} "
                f"ms, max {taken[-1] * 1e3:.0f} ms; indexing took {indexed:.0f} s"
            )
        if missed or report.faults:
            sys.exit(1)
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
