"""Which machine serves a lane: said in the store, kept up by the pulse, taken over when it is not.

Whoever has a lane's directory has its sessions' stores. So the store names the directory that holds
the lane, with a note of what another machine would have to know. A process with another directory
waits until the holder is silent or has stopped; from then on the holder can record and append
nothing, and ends as soon as it tries. Knows no session rule and compares no clocks.
"""

import platform
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from attrs import define

from kalshi_fix.adapters.bus import Bus, BusError, LaneHolder, LaneRecord, Position
from kalshi_fix.adapters.logs import Log
from kalshi_fix.processes.gateway_state import LaneStateError

_LOOK_SECONDS: Final = 0.2
_QUICKLY: Final = 1  # a level: a tenth of the bytes, every second, in the store's file


class Mark(msgspec.Struct, frozen=True):
    """Up to which events (by shard) a client has surely read; the next numbers at that time."""

    number: int  # outgoing
    events: list[int]
    incoming: int = 0  # 0 = not known


class Note(msgspec.Struct, frozen=True):
    """What a lane's process says of itself once a second, for one that has not its directory."""

    directory: str  # whose session stores the rest describes
    boot: int
    numbers: dict[str, int]  # session -> next outgoing MsgSeqNum
    marks: dict[str, Mark]
    strangers: list[str]  # sessions of whose refusals nothing is known since the lane moved
    files: dict[str, str]  # the lane's small files


@define(slots=True, eq=False)
class LaneHold:
    """This process's hold on a lane; ``note`` is that of the process before it, once taken."""

    reader: str  # the lane's gateway, as in ``pos``
    bus: Bus  # of the first shard, which keeps the record; for the main thread
    identity: str  # of this lane's directory
    silent_seconds: float
    log: Log
    note: Note | None = None

    @classmethod
    def of(cls, reader: str, bus: Bus, path: Path, silent_seconds: float, log: Log) -> "LaneHold":
        """Of the directory whose identity stands in the file ``path``; a new one is given one."""
        if not path.exists():
            fresh = path.with_suffix(".new")
            fresh.write_text(f"{platform.node()}-{time.time_ns()}")
            fresh.replace(path)
        return cls(reader, bus, path.read_text(), silent_seconds, log)

    @property
    def is_moved(self) -> bool:
        """Whether the lane was last served from another directory."""
        return self.note is not None and self.note.directory != self.identity

    @property
    def holder(self) -> LaneHolder:
        """Who appends for the lane."""
        return LaneHolder(self.reader, self.identity)

    def take(self, told_to_stop: Callable[[float], bool]) -> bool:
        """Waits for the lane and takes it. False: told to stop before.

        Args:
            told_to_stop: Waits so many seconds; True if the process has to end.

        Raises:
            LaneStateError: the note of the process before cannot be read.
        """
        seen, since = LaneRecord(), time.monotonic()
        place: Position | None = None
        while True:
            try:
                found = self.bus.lane(self.reader)
                if found.holder in {"", self.identity}:
                    if self.bus.take_lane(self.reader, found.holder, self.identity):
                        return self._taken(found)
                    continue
                now_at = self.bus.positions().get(self.reader)
                if (seen, place) != (found, now_at):
                    seen, place, since = found, now_at, time.monotonic()
                elif time.monotonic() - since < self.silent_seconds:
                    pass
                elif self.bus.take_lane(self.reader, found.holder, self.identity):
                    return self._taken(found)
            except BusError as error:
                self.log.warning("store_not_reachable", error=str(error))
                since = time.monotonic()  # nor could the holder say anything
            if told_to_stop(_LOOK_SECONDS):
                return False

    def _taken(self, found: LaneRecord) -> bool:
        try:
            self.note = _unpack(found.note) if found.note else None
        except (msgspec.MsgspecError, zlib.error) as error:
            raise LaneStateError(f"the note of {self.reader} cannot be read: {error}") from error
        if self.is_moved:
            self.log.warning("lane_moved_here", was_held_by=found.holder or "nobody")
        return True

    def record(self, note: Note) -> LaneRecord:
        """For the store; it refuses it once the lane has moved on."""
        return LaneRecord(self.identity, zlib.compress(msgspec.msgpack.encode(note), _QUICKLY))

    def release(self) -> None:
        """After a clean stop nobody need wait. A store that is away keeps the hold."""
        try:
            self.bus.take_lane(self.reader, self.identity, "")
        except BusError as error:
            self.log.info("lane_not_released", error=str(error))


def _unpack(note: bytes) -> Note:
    return msgspec.msgpack.decode(zlib.decompress(note), type=Note)
