"""A shard's audit chain: the hash of every entry of its archive, chained.

What stands in the archive is the exchange's whole history; what stands here makes it impossible to
change that history without a trace. Written by whoever archives, with it, never ahead of what the
next round would find. Knows the archive, no command and no event.
"""

import time
from collections.abc import Iterable
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

from kalshi_fix.adapters.archive import ArchiveError, StreamArchive
from kalshi_fix.adapters.audit.records import Kind, Row, pack, unpack
from kalshi_fix.adapters.audit.segments import AuditError
from kalshi_fix.adapters.audit.trail import (
    TrailMetrics,
    publish_head,
    recovered_facts,
    started_facts,
)
from kalshi_fix.adapters.audit.writer import ChainWriter
from kalshi_fix.adapters.bus import Entry
from kalshi_fix.adapters.logs import Log
from kalshi_fix.adapters.settings import AuditSettings
from kalshi_fix.processes.core_recovery import parse_id

_ENTRIES_PER_BLOCK: Final = 500
_BEGINNING: Final = "0-0"


class ArchiveChain:
    """See the module. For the archiving thread."""

    def __init__(
        self,
        directory: Path,
        settings: AuditSettings,
        metrics: TrailMetrics,
        log: Log,
    ) -> None:
        """The chain's name is its directory's."""
        self._name = directory.name
        self._directory = directory
        self._settings = settings
        self._metrics = metrics
        self._log = log
        self._writer: ChainWriter | None = None
        self._published = 0.0
        self._places = {Kind.COMMANDS: _BEGINNING, Kind.EVENTS: _BEGINNING}

    def open(self, commands: StreamArchive, events: StreamArchive) -> None:
        """Takes the chain and adds what was archived and not chained.

        Raises:
            ArchiveError: the chain cannot be used.
            OSError: the disk.
        """
        writer = ChainWriter(self._directory, self._name, self._settings.segment_bytes)
        try:
            found = writer.open()
        except AuditError as error:
            raise ArchiveError(str(error)) from error
        self._writer = writer
        rows = [*recovered_facts(found, writer.sequence)]
        if rows:
            self._metrics.recovered.inc()
            self._log.warning("audit_recovered", chain=self._name, **rows[0][4])
        rows.append((Kind.STARTED, time.time_ns(), "", "", started_facts(), None))
        self._find_places(found.content)
        self._append(rows)
        for kind, archive in ((Kind.COMMANDS, commands), (Kind.EVENTS, events)):
            missed = archive.read_after(self._places[kind])
            while entries := list(islice(missed, _ENTRIES_PER_BLOCK)):
                self.extend(kind, entries)

    def _find_places(self, content: bytes) -> None:
        """The first record of every block but a start's says how far the streams were chained."""
        for row in unpack(content) if content else ():
            if row[0] == Kind.PLACE:
                self._places = {Kind.COMMANDS: row[4][0], Kind.EVENTS: row[4][1]}

    def extend(self, kind: Kind, entries: Iterable[Entry]) -> None:
        """Chains entries that were archived; those chained before are passed over.

        Raises:
            OSError: the disk.
        """
        place = parse_id(self._places[kind])
        fresh = [entry for entry in entries if parse_id(entry.id) > place]
        if not fresh:
            return
        before = self._places[kind]
        self._places[kind] = fresh[-1].id
        try:
            self._append([entry_row(kind, entry) for entry in fresh])
        except OSError:
            self._places[kind] = before
            raise

    def _append(self, rows: list[Row]) -> None:
        assert self._writer is not None, "the chain is open"
        at = time.time_ns()
        places = [self._places[Kind.COMMANDS], self._places[Kind.EVENTS]]
        content = pack([*rows, (Kind.PLACE, at, "", "", places, None)])
        self._writer.append(content, len(rows) + 1, at, time.monotonic_ns())
        self._metrics.records.inc(len(rows) + 1)
        self._metrics.last.set(self._writer.sequence)

    def sync(self) -> None:
        """What was chained is on the disk when it returns; now and then its head is published.

        Raises:
            OSError: the disk.
        """
        assert self._writer is not None, "the chain is open"
        self._writer.sync()
        if time.monotonic() - self._published >= self._settings.publish_seconds:
            self._publish(self._writer)

    def close(self, *, in_order: bool = False) -> None:
        """Gives the chain back; ``in_order`` says so in it."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        if in_order:
            self._writer = writer
            self._append([(Kind.STOPPED, time.time_ns(), "", "", None, None)])
            self._writer = None
            writer.sync()
            self._publish(writer)
        writer.close()

    def _publish(self, writer: ChainWriter) -> None:
        self._published = time.monotonic()
        publish_head(self._name, writer, self._metrics, self._log)


def entry_row(kind: Kind, entry: Entry) -> Row:
    """What the chain keeps of an entry."""
    facts = [sha256(entry.payload).digest(), len(entry.payload)]
    return (kind, time.time_ns(), "", "", entry.id, facts)
