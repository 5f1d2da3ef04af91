"""A process's audit trail: records go into a bounded queue, a thread writes them as blocks.

The rule: recording costs its caller an append and never waits. What cannot be kept (queue full,
disk full) is counted and, as soon as there is room, said in the trail itself; whether trading goes
on without it is configured. Every ``publish_seconds`` the chain's head is published, so that even
who can rewrite the files cannot rewrite what was published. Knows no message.
"""

import os
import platform
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from attrs import asdict, define

from kalshi_fix import __version__
from kalshi_fix.adapters.audit.records import Kind, Row, pack, unpack
from kalshi_fix.adapters.audit.writer import ChainWriter, Found
from kalshi_fix.adapters.logs import Log
from kalshi_fix.adapters.metrics import Counter, Gauge, Histogram, Metrics
from kalshi_fix.adapters.settings import AuditSettings
from kalshi_fix.model import NANOS

HEAD_EVENT: Final = "audit_head"  # log lines that `verify` looks for
_ROWS_PER_BLOCK: Final = 4_096
_RETRY_SECONDS: Final = 0.5
_HASH_BITS_SHOWN: Final = 48  # exact in a metric's value
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")

Prepare = Callable[[list[Row]], list[Row]]


@define
class TrailMetrics:
    """What a trail counts."""

    records: Counter
    lost: Counter
    waiting: Gauge
    failing: Gauge
    last: Gauge
    head: Gauge
    recovered: Counter
    write: Histogram

    @classmethod
    def of(cls, metrics: Metrics) -> "TrailMetrics":
        """Registers them."""
        return cls(
            metrics.counter("audit_records_total", "Records written to the audit trail [rises]"),
            metrics.counter("audit_lost_records_total", "Records that could not be kept [0]"),
            metrics.gauge("audit_waiting_records", "Records not yet written [< 10,000]"),
            metrics.gauge("audit_failing", "1 while the audit trail cannot be written [0]"),
            metrics.gauge("audit_last_sequence", "Number of the last record of the chain [rises]"),
            metrics.gauge("audit_head_hash48", "First 48 bits of the last published hash [any]"),
            metrics.counter("audit_recovered_total", "Starts that found a torn end [0]"),
            metrics.histogram("audit_write_seconds", "Packing, hashing, writing a block [< 0.05]"),
        )


@define
class _Lost:
    """A run of records that were not kept."""

    count: int = 0
    since: int = 0
    until: int = 0
    why: str = ""

    def add(self, count: int, at: int, why: str) -> None:
        self.since = self.since or at
        self.count += count
        self.until, self.why = at, why


class AuditTrail:
    """See the module. ``record`` may be called by any thread."""

    def __init__(
        self,
        directory: Path,
        chain: str,
        settings: AuditSettings,
        *,
        metrics: TrailMetrics,
        log: Log,
        prepare: Prepare = list,
        halt: Callable[[], None] | None = None,
    ) -> None:
        """Builds a trail.

        Args:
            directory: Of the chain; its own.
            chain: Its name, the process's.
            settings: Limits.
            metrics: Of the process.
            log: Of the process.
            prepare: Makes plain rows of what was recorded, on the writing thread.
            halt: Ends trading; called once, where ``when_full`` is "halt" and nothing could be
                written for ``halt_seconds``.
        """
        self.chain = chain
        self._settings = settings
        self._metrics = metrics
        self._log = log
        self._prepare = prepare
        self._halt = halt if settings.when_full == "halt" else None
        self._writer = ChainWriter(directory, chain, settings.segment_bytes)
        self._queue: deque[Row] = deque()
        self._queue_max = settings.queue_max
        self._unwritten: list[Row] = []  # a block the disk did not take
        self._overflow = 0
        self._overflow_lock = threading.Lock()
        self._lost = _Lost()
        self._failing_since = 0.0
        self._unsynced = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"audit {chain}", daemon=True)
        metrics.waiting.set_function(lambda: float(len(self._queue)))

    # --- what the process does

    def start(self, facts: dict[str, Any] | None = None) -> None:
        """Takes the chain, says that the process has started, and writes from now on.

        Raises:
            AuditError: another process writes it, or a newer version wrote it.
            OSError: the disk; nothing can be recorded.
        """
        found = self._writer.open()
        self._tell_end_of_last_run(found)
        self.record(Kind.STARTED, "", "", started_facts() | (facts or {}))
        self._write(time.monotonic())
        if self._failing_since and self._settings.when_full == "halt":
            raise OSError(f"audit trail {self.chain}: the disk does not take it")
        self._sync(time.monotonic())
        self._publish()
        self._thread.start()

    def record(self, kind: int, session: str, connection: str, data: Any, more: Any = None) -> None:
        """One record, with the time of now. ``data`` must not be changed afterwards."""
        if len(self._queue) < self._queue_max:
            self._queue.append((kind, time.time_ns(), session, connection, data, more))
        else:
            with self._overflow_lock:
                self._overflow += 1

    def stop(self, seconds: float = 5.0) -> None:
        """Writes what waits, says that the process stops, publishes the head."""
        if self._thread.is_alive():
            self._stopping.set()
            self._thread.join(seconds)

    # --- the thread

    def _run(self) -> None:
        settings = self._settings
        flush = settings.flush_ms / 1_000
        now = time.monotonic()
        publish_at, sync_at = now + settings.publish_seconds, now + settings.sync_seconds
        while not self._stopping.wait(_RETRY_SECONDS if self._failing_since else flush):
            now = time.monotonic()
            self._write(now)
            if now >= sync_at:
                self._sync(now)
                sync_at = now + settings.sync_seconds
            if now >= publish_at:
                self._sync(now)  # what is published must not be lost with the machine
                self._publish()
                publish_at = now + settings.publish_seconds
        self.record(Kind.STOPPED, "", "", None)
        self._write(time.monotonic())
        self._sync(time.monotonic())
        self._publish()
        self._writer.close()

    def _write(self, now: float) -> None:
        """Everything that waits."""
        while rows := self._unwritten or self._take():
            began = time.perf_counter()
            try:
                content = pack(rows)
                self._writer.append(content, len(rows), time.time_ns(), time.monotonic_ns())
            except OSError as error:
                self._unwritten = rows
                self._failed(now, error)
                return
            self._unwritten = []
            self._metrics.write.observe(time.perf_counter() - began)
            self._metrics.records.inc(len(rows))
            self._metrics.last.set(self._writer.sequence)
            self._unsynced = True
            if self._failing_since:
                self._failing_since = 0.0
                self._metrics.failing.set(0)
                self._log.warning("audit_written_again", chain=self.chain)

    def _take(self) -> list[Row]:
        """What waits, as rows; before it what could not be kept."""
        self._count_overflow()
        pop = self._queue.popleft
        rows = self._prepare([pop() for _ in range(min(len(self._queue), _ROWS_PER_BLOCK))])
        if self._lost.count:
            rows.insert(0, (Kind.LOST, time.time_ns(), "", "", asdict(self._lost), None))
            self._lost = _Lost()
        return rows

    def _count_overflow(self) -> None:
        with self._overflow_lock:
            count, self._overflow = self._overflow, 0
        if count:
            self._lost.add(count, time.time_ns(), f"more than {self._queue_max} records waited")
            self._metrics.lost.inc(count)

    def _failed(self, now: float, error: OSError) -> None:
        """The disk does not take it; what waits is kept as long as the queue has room."""
        self._count_overflow()
        if not self._failing_since:
            self._failing_since = now
            self._metrics.failing.set(1)
            self._log.critical("audit_not_written", chain=self.chain, error=str(error))
        if self._halt is not None and now - self._failing_since >= self._settings.halt_seconds:
            halt, self._halt = self._halt, None
            self._log.critical("audit_halts_trading", chain=self.chain)
            halt()

    def _sync(self, now: float) -> None:
        if not self._unsynced:
            return
        try:
            self._writer.sync()
        except OSError as error:
            self._failed(now, error)
            return
        self._unsynced = False

    def _publish(self) -> None:
        """Where the chain stands, outside of its files."""
        publish_head(self.chain, self._writer, self._metrics, self._log)

    def _tell_end_of_last_run(self, found: Found) -> None:
        for row in recovered_facts(found, self._writer.sequence):
            self._metrics.recovered.inc()
            self._queue.append(row)
            self._log.warning("audit_recovered", chain=self.chain, **row[4])


def started_facts() -> dict[str, Any]:
    """Which process, where, and of what version."""
    return {
        "pid": os.getpid(),
        "host": platform.node(),
        "boot_id": _BOOT_ID.read_text().strip(),
        "version": __version__,
        "python": platform.python_version(),
    }


def recovered_facts(found: Found, sequence: int) -> list[Row]:
    """The record of a last run that did not stop in order; nothing where it did."""
    now = time.time_ns()
    rows = unpack(found.content) if found.content else []
    is_clean = not sequence or any(row[0] == Kind.STOPPED for row in rows)
    if is_clean and not found.torn_bytes:
        return []
    last_at = rows[-1][1] if rows else 0
    facts = {
        "last_record": sequence,
        "last_at": last_at,
        "silent_seconds": (now - last_at) // NANOS if last_at else 0,
        "torn_bytes": found.torn_bytes,
        "torn_file": found.torn_file,
        "torn_sha256": found.torn_hash,
        "why": found.why or "the last run did not stop in order",
    }
    return [(Kind.RECOVERED, now, "", "", facts, None)]


def publish_head(chain: str, writer: ChainWriter, metrics: TrailMetrics, log: Log) -> None:
    """Where a chain stands, said outside of its files: a log line and a metric."""
    head = writer.head
    metrics.head.set(int.from_bytes(head, "big") >> (8 * len(head) - _HASH_BITS_SHOWN))
    log.info(HEAD_EVENT, chain=chain, sequence=writer.sequence, head=head.hex())
