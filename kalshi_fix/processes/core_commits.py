"""Plans commits: pieces of consecutive entries, grouped into steps the store carries out whole.

A step writes at most one event entry and moves the offset. Where an entry's output is too large
for one step, the offset counts the pieces of it that are written.
"""

from collections.abc import Sequence

from attrs import define, frozen

from kalshi_fix.adapters.bus import Entry, Offset
from kalshi_fix.processes.core_replica import (
    PIECE_BYTES_MAX,
    PIECE_EVENTS_MAX,
    Applied,
    Piece,
    merged_payload,
)


@frozen
class Commit:
    """One step: the offset before and after, and the entry to write, if any."""

    before: Offset
    after: Offset
    entries: list[Entry]
    last_event: int  # of the stream after it
    state_hash: bytes  # of the stream after it


@define
class Tail:
    """Where the stream of events ends, and the offset that goes with it."""

    offset: Offset
    last_event: int
    state_hash: bytes


def plan(applied: Sequence[Applied], tail: Tail) -> list[Commit]:
    """Commits that write everything applied, from ``tail`` on.

    The first entry's pieces that ``tail.offset.chunk`` counts are there already.
    """
    planner = _Planner(tail)
    written = tail.offset.chunk
    for one in applied:
        for number, piece in enumerate(one.pieces):
            if number >= written:
                planner.add(piece, Offset(planner.entry_id, number))
        planner.entry_id = one.entry_id
        written = 0
    planner.flush(Offset(planner.entry_id))
    return planner.commits


class _Planner:
    def __init__(self, tail: Tail) -> None:
        self._tail = tail
        self._pieces: list[Piece] = []
        self._rows = self._size = 0
        self.entry_id = tail.offset.entry_id
        self.commits: list[Commit] = []

    def add(self, piece: Piece, offset: Offset) -> None:
        """Adds a piece; ``offset`` is what is complete before it."""
        rows, size = self._rows + len(piece.rows), self._size + piece.size
        if self._pieces and (rows > PIECE_EVENTS_MAX or size > PIECE_BYTES_MAX):
            self.flush(offset)
        self._pieces.append(piece)
        self._rows += len(piece.rows)
        self._size += piece.size

    def flush(self, after: Offset) -> None:
        tail = self._tail
        if after == tail.offset and not self._pieces:
            return
        entries = []
        last_event, state_hash = tail.last_event, tail.state_hash
        if self._pieces:
            last_event = self._pieces[-1].last
            state_hash = self._pieces[-1].state_hash
            entries = [Entry(f"{last_event}-0", merged_payload(self._pieces))]
        self.commits.append(Commit(tail.offset, after, entries, last_event, state_hash))
        self._tail = Tail(after, last_event, state_hash)
        self._pieces = []
        self._rows = self._size = 0
