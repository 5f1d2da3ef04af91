"""Whether the core moves: polls the committed offset on a connection of its own.

It moves every 50 ms, in a quiet market too, so when it has not for a second new orders must not be
taken. The answer is a time compared when it is asked for, so a poll that hangs says the same.
"""

import time

from kalshi_fix.adapters.bus import Bus, BusError, Offset


class CoreWatch:
    """One shard's core and store."""

    def __init__(self, bus: Bus, stalled_ms: int) -> None:
        self._bus = bus
        self._stalled_seconds = stalled_ms / 1000
        self._offset: Offset | None = None
        self._moved_at = float("-inf")
        self.is_store_up = False

    @property
    def bus(self) -> Bus:
        """The connection, for the one thread that polls."""
        return self._bus

    def poll(self) -> None:
        """Looks whether the offset has moved."""
        try:
            offset = self._bus.state().offset
        except BusError:
            self.is_store_up = False
            return
        self.is_store_up = True
        if offset != self._offset:
            self._offset = offset
            self._moved_at = time.monotonic()

    def is_stalled(self, now: float) -> bool:
        """Whether new orders must be refused; ``now`` is monotonic seconds."""
        return now - self._moved_at > self._stalled_seconds
