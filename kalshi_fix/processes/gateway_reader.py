"""One shard's way out: a thread that reads ``evt`` from the lane's position and feeds the router.

Starting is recovering: `catch_up` first renders everything since the recorded position again and
delivers what no session store shows as sent; then the thread goes on from there. While a lane asks
for nothing itself, it lets other lanes' events gather for a moment: being woken costs more than
reading them.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from attrs import frozen

from kalshi_fix.adapters.bus import Bus, BusError
from kalshi_fix.adapters.logs import Log
from kalshi_fix.adapters.settings import GatewaySettings
from kalshi_fix.processes.gateway_router import Router
from kalshi_fix.processes.gateway_threads import start_thread
from kalshi_fix.processes.gateway_writer import ShardWriter

_ENTRIES_PER_READ: Final = 200
_BLOCK_MS: Final = 500
_RETRY_SECONDS: Final = 0.1


class PositionError(Exception):
    """The stream ends before the recorded position: it is not the stream that was read."""


@frozen(kw_only=True)
class Spacing:
    """See ``GatewaySettings``. ``asked_at`` says when the lane last asked for anything."""

    seconds: float
    quiet_seconds: float
    asked_at: Callable[[], float]  # monotonic

    @classmethod
    def of(cls, settings: GatewaySettings, writer: ShardWriter) -> "Spacing":
        """As configured; what the lane asks for goes through ``writer``."""
        return cls(
            seconds=settings.quiet_spacing_us / 1_000_000,
            quiet_seconds=settings.quiet_after_ms / 1_000,
            asked_at=lambda: writer.appended_at,
        )


class EventReader:
    """See the module."""

    def __init__(self, bus: Bus, router: Router, spacing: Spacing, log: Log) -> None:
        self._bus = bus
        self._router = router
        self._spacing = spacing
        self._log = log
        self._read_at = 0.0  # when there was something last, monotonic
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.done = 0  # number of the last event delivered to the queues
        self.is_connected = False

    @property
    def newest(self) -> int:
        """Number of the last event that a client may have been told of."""
        return max(self.done, self._router.newest)

    def catch_up(self, position: int, since: int) -> int:
        """Delivers what is there since ``since``; returns the last event's number.

        Args:
            position: The event up to which this lane has read.
            since: That, or before it, to read again.

        Raises:
            BusError: the store cannot be read; may be called again.
            PositionError: the store lost events this lane has read.
        """
        self.done = max(self.done, since)
        newest = self._bus.last_event()
        end = int(newest.id.partition("-")[0]) if newest else 0
        if end < position:
            raise PositionError(
                f"shard {self._bus.shard} ends at event {end}, this lane has read {position}"
            )
        while self.done < end:
            self._read(0)
        return self.done

    def start(self) -> None:
        """Starts the thread."""
        self.is_connected = True
        self._thread = start_thread(f"events {self._bus.shard}", self._run, self._log)

    def stop(self, seconds: float) -> None:
        """Ends the thread; what it has read is delivered."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(seconds)
        self._bus.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            pause = self._pause()
            if pause and self._stop.wait(pause):
                return
            try:
                self._read(_BLOCK_MS)
            except BusError as error:
                if self.is_connected:
                    self._log.error("events_not_readable", shard=self._bus.shard, error=str(error))
                self.is_connected = False
                self._stop.wait(_RETRY_SECONDS)

    def _pause(self) -> float:
        """Seconds, where nobody here waits for an answer and events keep coming; else 0."""
        now = time.monotonic()
        if now - self._spacing.asked_at() <= self._spacing.quiet_seconds:
            return 0.0
        return max(0.0, self._read_at + self._spacing.seconds - now)

    def _read(self, block_ms: int) -> None:
        entries = self._bus.read_events(self.done, _ENTRIES_PER_READ, block_ms)
        self.is_connected = True
        if entries:
            self._read_at = self._router.read_at = time.monotonic()
        for entry in entries:
            self.done = self._router.take(entry.payload)
