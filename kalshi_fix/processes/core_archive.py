"""Keeps a shard's streams short: archives what is committed, then trims what nobody needs.

The rule: nothing is dropped from the store that is not in the archive, below the snapshot before
the newest one, and read by every reader in ``pos``. Only the leader does it, on a thread and a
connection of its own; an ex-leader that lags behind can only archive and trim the same.
"""

import fcntl
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Final, TextIO

from kalshi_fix.adapters.archive import ArchiveError, StreamArchive
from kalshi_fix.adapters.audit.records import Kind
from kalshi_fix.adapters.bus import Bus, BusError, Entry
from kalshi_fix.adapters.logs import Log
from kalshi_fix.messages.batch import EventEntry
from kalshi_fix.processes.core_audit import ArchiveChain
from kalshi_fix.processes.core_metrics import ArchiveMetrics
from kalshi_fix.processes.core_recovery import parse_id, snapshot_fault
from kalshi_fix.processes.core_snapshots import (
    NewerSnapshotError,
    SnapshotDamagedError,
    SnapshotHead,
    Snapshots,
    read_head,
)

FINISH_SECONDS: Final = 5.0
READ_ENTRIES: Final = 50  # each may be 64 kB
COMMANDS: Final = "cmd"
EVENTS: Final = "evt"


class Archive:
    """A shard's two streams in a directory."""

    def __init__(self, directory: Path, segment_bytes: int = 0) -> None:
        self.directory = directory
        self.commands = StreamArchive(directory, COMMANDS, segment_bytes)
        self.events = StreamArchive(directory, EVENTS, segment_bytes)
        self._lock: TextIO | None = None

    def check(self) -> None:
        """Looks whether it can be gone on with.

        Raises:
            ArchiveError: a file is damaged or of a newer version.
        """
        self.commands.check()
        self.events.check()

    def open(self) -> bool:
        """Opens both for writing; False where another core has them.

        Raises:
            ArchiveError: a file is damaged or of a newer version.
        """
        lock = (self.directory / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._lock = lock
        self.commands.open()
        self.events.open()
        return True

    def close(self) -> None:
        """Lets another core write, whatever happens.

        Raises:
            OSError: the disk; what was archived last may be lost.
        """
        lock, self._lock = self._lock, None
        with ExitStack() as closed:
            if lock is not None:
                closed.callback(lock.close)
            closed.callback(self.events.close)
            closed.callback(self.commands.close)

    @property
    def is_open(self) -> bool:
        """Whether this process writes."""
        return self._lock is not None


class Archivist:
    """See the module. ``leading`` is set while its core leads."""

    def __init__(
        self,
        bus: Bus,
        archive: Archive,
        snapshots: Snapshots,
        *,
        seconds: float,
        metrics: ArchiveMetrics,
        log: Log,
        chain: ArchiveChain | None = None,
    ) -> None:
        """``chain`` None: the archive has no audit chain, as in tests of the archive alone."""
        self._chain = chain
        self._bus = bus
        self._archive = archive
        self._snapshots = snapshots
        self._seconds = seconds
        self._metrics = metrics
        self._log = log
        self._stopping = threading.Event()
        self._cut = threading.Event()  # ends a round that is under way
        self._finishes = False
        self._is_failing = False
        self._trimmed = ("", 0)
        self._slowest = ""
        self._heads: dict[Path, SnapshotHead | None] = {}
        self.leading = threading.Event()
        self._thread = threading.Thread(target=self._run, name="archive", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and its connection."""
        self._stopping.set()
        if self._finishes:
            self._thread.join(FINISH_SECONDS)
        self._cut.set()
        self._bus.close()
        self._thread.join(5)

    def finish(self) -> None:
        """A clean stop is coming: one last round, so that what stays behind is whole."""
        self._finishes = True

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            if self.leading.is_set():
                self._turn()
        if self._finishes and self.leading.is_set():
            self._turn()
        self._close(in_order=True)
        self._bus.close()

    def _turn(self) -> None:
        try:
            if self._archive.is_open or self._open():
                self.keep()
            self._is_failing = False
        except (BusError, OSError, ArchiveError) as error:
            self._close()  # what is in doubt is read again
            if self._cut.is_set():
                return
            self._metrics.errors.inc()
            if not self._is_failing:
                self._log.error("archive_failed", error=str(error))
            self._is_failing = True

    def _close(self, *, in_order: bool = False) -> None:
        try:
            self._archive.close()
        except OSError as error:  # a full disk again; it is read and archived anew
            if not self._is_failing:
                self._log.error("archive_not_closed", error=str(error))
        if self._chain is not None:
            try:
                self._chain.close(in_order=in_order)
            except OSError as error:
                self._log.error("audit_not_written", error=str(error))

    def _open(self) -> bool:
        """The archive must be the beginning of this very stream."""
        archive = self._archive
        if not archive.open():
            return False
        last = number_of(archive.events.last_id)
        found = self._bus.read_events(last - 1, 1, 0) if last else []
        if last and not (found and archive.events.ends_with(found[0])):
            raise ArchiveError(
                f"archive {archive.directory}: its event {last} is not the stream's; it belongs to "
                "another store, or the store lost events"
            )
        if self._chain is not None:
            self._chain.open(archive.commands, archive.events)
        return True

    def keep(self) -> None:
        """One round, with the archive open.

        Raises:
            BusError: the store.
            OSError: the disk.
            ArchiveError: the archive does not go with the stream; nothing is trimmed any more.
        """
        self._archive_commands()
        self._archive_events()
        for stream in (self._archive.commands, self._archive.events):
            stream.sync()
        if self._chain is not None:
            self._chain.sync()
        self._trim()

    def _archive_commands(self) -> None:
        """Up to what is committed; what is not may still be lost with the store."""
        end = parse_id(self._bus.state().offset.entry_id)
        archive = self._archive.commands
        while not self._cut.is_set():
            found = self._bus.read_commands(archive.last_id or "0-0", READ_ENTRIES, 0)
            committed = [entry for entry in found if parse_id(entry.id) <= end]
            archive.append(committed)
            self._chained(Kind.COMMANDS, committed)
            self._metrics.commands.inc(len(committed))
            if len(committed) < READ_ENTRIES:
                return

    def _archive_events(self) -> None:
        archive = self._archive.events
        while not self._cut.is_set():
            last = number_of(archive.last_id)
            found = self._bus.read_events(last, READ_ENTRIES, 0)
            for entry in found:
                first = EventEntry.unpack(entry.payload).first
                if first != last + 1:
                    raise ArchiveError(
                        f"archive {self._archive.directory} ends with event {last}, the stream "
                        f"goes on with {first}: restore the missing segments"
                    )
                last = number_of(entry.id)
            archive.append(found)
            self._chained(Kind.EVENTS, found)
            self._metrics.events.inc(len(found))
            if len(found) < READ_ENTRIES:
                return

    def _chained(self, kind: Kind, entries: list[Entry]) -> None:
        if self._chain is not None:
            self._chain.extend(kind, entries)

    def _trim(self) -> None:
        snapshot = self._snapshot_before_the_newest()
        if snapshot is None:
            return
        places = {name: place.number for name, place in self._bus.positions().items()}
        bound = min([snapshot.last_event, number_of(self._archive.events.last_id)])
        slowest = min(places, key=lambda name: places[name], default="")
        if slowest and places[slowest] < bound:
            bound = places[slowest]
        else:
            slowest = ""
        self._metrics.held.set(bool(slowest))
        if slowest != self._slowest:
            self._slowest = slowest
            self._log.info("trimming_waits", reader=slowest or "nobody", position=bound)
        if (snapshot.entry_id, bound) == self._trimmed:
            return
        self._bus.trim(snapshot.entry_id, bound)
        self._trimmed = (snapshot.entry_id, bound)
        self._metrics.trimmed.set(bound)
        self._log.info("trimmed", commands_below=snapshot.entry_id, events_below=bound)

    def _snapshot_before_the_newest(self) -> SnapshotHead | None:
        """The second newest that can be used; with only one, nothing is dropped."""
        paths = list(self._snapshots.newest_first())
        self._heads = {path: self._heads.get(path) or _head(path) for path in paths}
        usable = [
            head
            for head in self._heads.values()
            if head is not None and not snapshot_fault(self._bus, head)
        ]
        return usable[1] if len(usable) > 1 else None


def _head(path: Path) -> SnapshotHead | None:
    """Of a snapshot that can be used."""
    try:
        return read_head(path)
    except (SnapshotDamagedError, NewerSnapshotError):
        return None


def number_of(entry_id: str) -> int:
    """The event number that an id of ``evt`` is; 0 of none."""
    return int(entry_id.partition("-")[0]) if entry_id else 0
