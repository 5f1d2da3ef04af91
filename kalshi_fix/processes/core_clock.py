"""The exchange's clock: while its core leads, appends AdvanceTime, and StartTradingDay at midnight.

A thread with a connection of its own, so that waiting for the store's disk never holds matching
up. Only the process's clock is read here; what time does is the core's business.
"""

import threading
import time
from collections.abc import Callable

from kalshi_fix.adapters.bus import Bus, BusError
from kalshi_fix.adapters.logs import Log
from kalshi_fix.adapters.metrics import Counter
from kalshi_fix.adapters.trading_day import trading_day
from kalshi_fix.messages import commands as c
from kalshi_fix.messages.batch import CommandBatch
from kalshi_fix.processes import seeds


class Clock:
    """Ticks while `leading` is set. ``current_day`` tells the day the exchange is in."""

    def __init__(
        self,
        bus: Bus,
        period_ms: int,
        current_day: Callable[[], int],
        errors: Counter,
        log: Log,
    ) -> None:
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)
        self.leading = threading.Event()
        self._stopping = threading.Event()
        self._bus = bus
        self._period = period_ms / 1000
        self._current_day = current_day
        self._errors = errors
        self._log = log
        self._failing = False

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether the thread turns."""
        return self._thread.is_alive()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopping.is_set():
            if self.leading.wait(0.2):
                self._tick()
            now = time.monotonic()
            due = max(due + self._period, now)  # a late tick is not made up for
            self._stopping.wait(due - now)
        self._bus.close()

    def _tick(self) -> None:
        at = time.time_ns()
        commands: list[c.Command] = [c.AdvanceTime(at)]
        today = trading_day(at)
        if today.date > self._current_day():
            request_id = seeds.day_request_id(today.date)
            commands.append(
                c.StartTradingDay(
                    request_id, seeds.OPERATOR, "calendar", at, today.date, today.ends_at
                )
            )
        try:
            self._bus.append_commands(CommandBatch(f"core:{self._bus.shard}", {}, commands).pack())
            self._failing = False
        except BusError as error:  # the next tick stands for this one
            self._errors.inc()
            if not self._failing:
                self._log.warning("clock_append_failed", error=str(error))
            self._failing = True

    def stop(self) -> None:
        """Ends the thread and its connection."""
        self._stopping.set()
        self.leading.set()
        self._bus.close()
        self._thread.join(2)
