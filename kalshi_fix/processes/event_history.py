"""One shard's events from any number on: the stream's while it has them, else the archive's.

What the store has trimmed stands in the archive, so together they hold everything there ever was;
a hole is an error, never passed over. Knows no session and no message.
"""

from collections.abc import Iterator
from typing import Final

from kalshi_fix.adapters.archive import StreamArchive
from kalshi_fix.adapters.bus import Bus, BusError
from kalshi_fix.messages.batch import EventEntry

_ENTRIES_PER_READ: Final = 50  # each may be 64 kB


class HistoryError(Exception):
    """Events are neither in the stream nor in the archive."""


class ShardHistory:
    """See the module. For one thread."""

    def __init__(self, bus: Bus, archive: StreamArchive) -> None:
        """``archive`` of the shard's events; it need not be open: somebody else writes it."""
        self._bus = bus
        self._archive = archive

    def entries(self, after: int, until: int) -> Iterator[EventEntry]:
        """Every entry with events above ``after`` and not above ``until``, in order.

        Raises:
            HistoryError: there is a hole.
            BusError: the store cannot be read.
            ArchiveError: the archive cannot be used.
            OSError: the disk.
        """
        done = after
        while done < until:
            before = done
            for entry in self._piece(done):
                if entry.first > done + 1:
                    break
                done = entry.last
                yield entry
                if done >= until:
                    return
            if done == before:
                raise HistoryError(
                    f"shard {self._bus.shard}: event {done + 1} is neither in the stream nor in "
                    "the archive"
                )

    def everything(self, after: int) -> Iterator[EventEntry]:
        """Every entry there is now with events above ``after``; without the store the archive's.

        What is archived is final, so what it lacks is only the newest.

        Raises:
            HistoryError: there is a hole.
            BusError: the store went away meanwhile.
            ArchiveError: the archive cannot be used.
            OSError: the disk.
        """
        try:
            newest = self._bus.last_event()
        except BusError:
            newest = None
        if newest is None:
            yield from self._archived(after)
        else:
            yield from self.entries(after, int(newest.id.partition("-")[0]))

    def _archived(self, after: int) -> Iterator[EventEntry]:
        done = after
        for archived in self._archive.read_after(f"{after}-0"):
            entry = EventEntry.unpack(archived.payload)
            if entry.first > done + 1:
                raise HistoryError(f"shard {self._bus.shard}: event {done + 1} is not archived")
            done = entry.last
            yield entry

    def close(self) -> None:
        """Closes the connection."""
        self._bus.close()

    def _piece(self, done: int) -> Iterator[EventEntry]:
        """Entries behind an event number; some of them, where there are any."""
        found = self._bus.read_events(done, _ENTRIES_PER_READ, 0)
        if found and EventEntry.unpack(found[0].payload).first <= done + 1:
            yield from (EventEntry.unpack(entry.payload) for entry in found)
        else:
            for archived in self._archive.read_after(f"{done}-0"):
                yield EventEntry.unpack(archived.payload)
