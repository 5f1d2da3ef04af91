"""One shard's way in: a thread that appends what is waiting, strictly in order.

The rule: a batch whose outcome is unknown is sent again, unchanged, until the answer is known (the
core ignores repeats); nothing overtakes it. What was certainly not taken is refused at once and
never sent later. Knows commands and the bus, no FIX session and no message.
"""

import threading
import time
from collections.abc import Callable
from enum import Enum
from queue import Empty, SimpleQueue
from typing import Final

from attrs import define, frozen

from kalshi_fix.adapters.bus import Bus, BusDownError, OutcomeUnknownError
from kalshi_fix.adapters.logs import Log
from kalshi_fix.messages.batch import CommandBatch
from kalshi_fix.messages.commands import Command
from kalshi_fix.processes.gateway_metrics import GatewayMetrics
from kalshi_fix.processes.gateway_progress import Progress
from kalshi_fix.processes.gateway_threads import start_thread

Confirmed = dict[str, tuple[int, int]]
_RETRY_SECONDS_FIRST: Final = 0.02
_RETRY_SECONDS_MAX: Final = 0.5


@define(slots=True, eq=False)
class Submission:
    """A command on its way. Exactly one of ``taken`` and ``refused`` happens to it."""

    command: Command
    progress: Progress | None = None
    number: int = 0  # MsgSeqNum to settle when it is durable
    refused: Callable[[], None] | None = None  # certainly not taken
    is_kept: bool = False  # if certainly not taken, goes first when the store is back


@frozen(kw_only=True)
class WriterLimits:
    """See ``GatewaySettings``."""

    queue_max: int
    batch_max_commands: int
    batch_max_bytes: int


class _Outcome(Enum):
    TAKEN = 0
    REFUSED = 1  # certainly not taken
    UNKNOWN = 2


class ShardWriter:
    """See the module. ``submit`` may be called by any thread."""

    def __init__(
        self,
        writer: str,
        bus: Bus,
        limits: WriterLimits,
        *,
        confirmed: Callable[[], Confirmed],
        metrics: GatewayMetrics,
        log: Log,
    ) -> None:
        self._writer = writer
        self._bus = bus
        self._limits = limits
        self._confirmed = confirmed
        self._metrics = metrics
        self._log = log
        self._queue: SimpleQueue[Submission | None] = SimpleQueue()
        self._kept: list[Submission] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.is_available = True  # False while the store does not take anything

    def start(self) -> None:
        """Starts the thread."""
        self._thread = start_thread(f"commands {self._bus.shard}", self._run, self._log)

    def submit(self, submission: Submission) -> bool:
        """Queues a command; False where there is no room: it is certainly not taken."""
        if self._queue.qsize() >= self._limits.queue_max and not submission.is_kept:
            return False
        self._queue.put(submission)
        return True

    def stop(self, seconds: float) -> None:
        """Appends what is waiting, then ends."""
        self._stop.set()
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(seconds)

    # --- the thread

    def _run(self) -> None:
        while True:
            batch, is_last = self._gather()
            if batch:
                self._append(batch)
            if is_last:
                return

    def _gather(self) -> tuple[list[Submission], bool]:
        """What is waiting; waits while nothing is."""
        batch, self._kept = self._kept, []
        item = self._queue.get()
        while item is not None:
            batch.append(item)
            if len(batch) >= self._limits.batch_max_commands:
                return batch, False
            try:
                item = self._queue.get_nowait()
            except Empty:
                return batch, False
        return batch, True

    def _append(self, batch: list[Submission]) -> None:
        commands = [submission.command for submission in batch]
        payload = CommandBatch(self._writer, self._confirmed(), commands).pack()
        if len(payload) > self._limits.batch_max_bytes and len(batch) > 1:
            half = len(batch) // 2
            self._append(batch[:half])
            self._append(batch[half:])
            return
        started = time.perf_counter()
        outcome = self._write(payload)
        if outcome is _Outcome.REFUSED:
            self._refuse(batch)
        if outcome is not _Outcome.TAKEN:
            return
        self._metrics.append_seconds.observe(time.perf_counter() - started)
        self._metrics.batch.observe(len(batch))
        for submission in batch:
            if submission.progress is not None:
                submission.progress.settle(submission.number)

    def _write(self, payload: bytes) -> _Outcome:
        """Appends. Returns when the outcome is known, or at the end of the process."""
        is_in_doubt = False
        pause = _RETRY_SECONDS_FIRST
        while True:
            try:
                self._bus.append_commands(payload)
            except BusDownError as error:
                self._note("down", error)
                if not is_in_doubt:
                    return _Outcome.REFUSED
            except OutcomeUnknownError as error:
                self._note("unknown", error)
                is_in_doubt = True
            else:
                self.is_available = True
                return _Outcome.TAKEN
            self._refuse_waiting()
            if self._stop.wait(pause):
                # the numbers stay unconfirmed: the next start asks for them again
                return _Outcome.UNKNOWN
            pause = min(pause * 2, _RETRY_SECONDS_MAX)

    def _note(self, kind: str, error: Exception) -> None:
        self._metrics.append_errors(kind).inc()
        if self.is_available:
            self._log.error("append_failed", shard=self._bus.shard, outcome=kind, error=str(error))
        self.is_available = False

    def _refuse_waiting(self) -> None:
        """Behind a batch in doubt nothing is taken; say so rather than let clients wait."""
        waiting: list[Submission] = []
        while True:
            try:
                item = self._queue.get_nowait()
            except Empty:
                break
            if item is None:
                self._queue.put(None)
                break
            waiting.append(item)
        self._refuse(waiting)

    def _refuse(self, submissions: list[Submission]) -> None:
        for submission in submissions:
            if submission.is_kept:
                self._kept.append(submission)
            elif submission.refused is not None:
                submission.refused()
