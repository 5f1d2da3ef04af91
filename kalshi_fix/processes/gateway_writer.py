"""One shard's way in: a thread that appends what is waiting, strictly in order.

The rule: a batch whose outcome is unknown is sent again, unchanged, until the answer is known (the
core ignores repeats); nothing overtakes it. What was certainly not taken is refused at once and
never sent later. Knows commands and the bus, no FIX session and no message.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from queue import Empty, SimpleQueue
from typing import Final

from attrs import define, frozen

from kalshi_fix.adapters.bus import Bus, BusDownError, FencedError, LaneHolder, OutcomeUnknownError
from kalshi_fix.adapters.logs import Log
from kalshi_fix.adapters.settings import GatewaySettings
from kalshi_fix.messages.batch import CommandBatch
from kalshi_fix.messages.commands import Command
from kalshi_fix.processes.gateway_acks import Request
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
    refused: Callable[[], bool | None] | None = None  # certainly not taken; True: kept all the same
    is_tried_again: Callable[[], bool] | None = None  # asked before what was kept so goes again
    is_kept: bool = False  # if certainly not taken, goes first when the store is back
    is_in_doubt: bool = False  # perhaps taken before: sent until it is taken, never refused
    request: Request | None = None  # whose time is measured


@frozen(kw_only=True)
class WriterLimits:
    """See ``GatewaySettings``."""

    queue_max: int
    batch_max_commands: int
    batch_max_bytes: int

    @classmethod
    def of(cls, settings: GatewaySettings) -> "WriterLimits":
        """The configured ones."""
        return cls(
            queue_max=settings.inbound_queue_max,
            batch_max_commands=settings.batch_max_commands,
            batch_max_bytes=settings.batch_max_bytes,
        )


class _Outcome(Enum):
    TAKEN = 0
    REFUSED = 1  # certainly not taken
    UNKNOWN = 2


@define(slots=True, eq=False)
class _Batch:
    """One entry of ``cmd``, packed; ``is_in_doubt`` once an attempt had no answer."""

    payload: bytes
    submissions: list[Submission]
    is_in_doubt: bool = False


class ShardWriter:
    """See the module. ``submit`` may be called by any thread."""

    def __init__(
        self,
        writer: str,
        bus: Bus,
        limits: WriterLimits,
        *,
        confirmed: Callable[[], Confirmed],
        lane: LaneHolder | None = None,
        metrics: GatewayMetrics,
        log: Log,
    ) -> None:
        """``lane``: without it nobody else can serve the lane."""
        self._writer = writer
        self._bus = bus
        self._limits = limits
        self._confirmed = confirmed
        self._lane = lane
        self._lost: FencedError | None = None  # the lane, to another machine
        self._metrics = metrics
        self._log = log
        self._queue: SimpleQueue[Submission | None] = SimpleQueue()
        self._waiting: deque[_Batch] = deque()  # packed, before anything in the queue
        self._kept: list[Submission] = []
        self._append_lock = threading.Lock()  # held by whoever uses the bus
        self._count_lock = threading.Lock()
        self._open = 0  # submissions queued and not yet dealt with
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.is_available = True  # False while the store does not take anything
        self.appended_at = 0.0  # when it was last given something to append, monotonic

    def start(self) -> None:
        """Starts the thread."""
        self._thread = start_thread(f"commands {self._bus.shard}", self._run, self._log)

    def submit(self, submission: Submission) -> bool:
        """Queues a command; False where there is no room: it is certainly not taken."""
        must_go = submission.is_kept or submission.is_in_doubt
        if self._open >= self._limits.queue_max and not must_go:
            return False
        with self._count_lock:
            self._open += 1
        self._queue.put(submission)
        return True

    def submit_now(self, submission: Submission) -> bool:
        """As `submit`; appends on the caller's thread where nothing is before it.

        For a client that sends one message at a time: its thread has nothing else to do, and two
        changes of thread are saved. An append that fails is left to the writer's own thread.
        """
        if not self._is_idle() or not self._append_lock.acquire(blocking=False):
            return self.submit(submission)
        try:
            if not self._is_idle():
                return self.submit(submission)
            batch = self._pack([submission])
            outcome = self._try(batch)
            if outcome is _Outcome.TAKEN:
                self._settle(batch)
            elif outcome is _Outcome.REFUSED:
                self._refuse(batch.submissions)
            else:
                with self._count_lock:
                    self._open += 1
                self._waiting.append(batch)
                self._queue.put(None)
        finally:
            self._append_lock.release()
        return True

    def _is_idle(self) -> bool:
        return self._open == 0

    def stop(self, seconds: float) -> None:
        """Appends what is waiting, then ends."""
        self._stop.set()
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join(seconds)

    # --- the thread

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            kept, self._kept = self._kept, []
            with self._append_lock:
                while self._waiting:
                    self._append(self._waiting.popleft())
                submissions = self._gather(kept, first)
                if submissions:
                    self._waiting.extend(self._packed(submissions))
                while self._waiting:
                    self._append(self._waiting.popleft())
            if self._stop.is_set() and self._queue.empty():
                return

    def _gather(self, kept: list[Submission], first: Submission | None) -> list[Submission]:
        """What was kept, the first and what waits behind it, in the order it came in."""
        since, self._kept = self._kept, []  # the first was ours already when these were refused
        if first is None:
            self._kept = kept + since
            return []
        submissions = [*self._to_try_again(kept), first, *self._to_try_again(since)]
        while len(submissions) < self._limits.batch_max_commands:
            try:
                item = self._queue.get_nowait()
            except Empty:
                break
            if item is not None:
                submissions.append(item)
        return submissions

    def _to_try_again(self, kept: list[Submission]) -> list[Submission]:
        found = [item for item in kept if item.is_tried_again is None or item.is_tried_again()]
        self._dealt_with(len(kept) - len(found))
        return found

    def _packed(self, submissions: list[Submission]) -> list[_Batch]:
        """As one entry, or as several where it would be too large."""
        batch = self._pack(submissions)
        if len(batch.payload) <= self._limits.batch_max_bytes or len(submissions) == 1:
            return [batch]
        half = len(submissions) // 2
        return [*self._packed(submissions[:half]), *self._packed(submissions[half:])]

    def _pack(self, submissions: list[Submission]) -> _Batch:
        commands = [submission.command for submission in submissions]
        payload = CommandBatch(self._writer, self._confirmed(), commands).pack()
        in_doubt = any(submission.is_in_doubt for submission in submissions)
        return _Batch(payload, submissions, in_doubt)

    def _append(self, batch: _Batch) -> None:
        """Until the outcome is known, or the process ends.

        Raises:
            FencedError: another machine serves the lane; it tells the clients what became of this.
        """
        pause = _RETRY_SECONDS_FIRST
        while (outcome := self._try(batch)) is _Outcome.UNKNOWN:
            if self._lost is not None:
                raise self._lost
            self._refuse_waiting()
            if self._stop.wait(pause):
                return  # the numbers stay unconfirmed: the next start asks for them again
            pause = min(pause * 2, _RETRY_SECONDS_MAX)
        if outcome is _Outcome.TAKEN:
            self._settle(batch)
            self._dealt_with(len(batch.submissions))
        else:
            self._dealt_with(self._refuse(batch.submissions))

    def _try(self, batch: _Batch) -> _Outcome:
        """One attempt. What was in doubt before stays so until it succeeds."""
        started = time.perf_counter()
        self.appended_at = time.monotonic()
        try:
            self._bus.append_commands(batch.payload, self._lane)
        except FencedError as error:  # for the thread to end by; nobody is told anything here
            self._log.critical("lane_lost", shard=self._bus.shard)
            self._lost = error
            return _Outcome.UNKNOWN
        except BusDownError as error:
            self._note("down", error)
            return _Outcome.UNKNOWN if batch.is_in_doubt else _Outcome.REFUSED
        except OutcomeUnknownError as error:
            self._note("unknown", error)
            batch.is_in_doubt = True
            return _Outcome.UNKNOWN
        self.is_available = True
        self._metrics.append_seconds.add(((), time.perf_counter() - started))
        return _Outcome.TAKEN

    def _settle(self, batch: _Batch) -> None:
        self._metrics.batch.add(((), len(batch.submissions)))
        now = time.monotonic()
        for submission in batch.submissions:
            if submission.request is not None:
                submission.request.durable_at = now
            if submission.progress is not None:
                submission.progress.settle(submission.number)

    def _note(self, kind: str, error: Exception) -> None:
        self._metrics.append_errors(kind).inc()
        if self.is_available:
            self._log.error("append_failed", shard=self._bus.shard, outcome=kind, error=str(error))
        self.is_available = False

    def _refuse_waiting(self) -> None:
        """Behind a batch in doubt nothing is taken; say so rather than let clients wait."""
        waiting = [
            item for batch in self._waiting if not batch.is_in_doubt for item in batch.submissions
        ]
        self._waiting = deque(batch for batch in self._waiting if batch.is_in_doubt)
        while True:
            try:
                item = self._queue.get_nowait()
            except Empty:
                break
            if item is not None:
                waiting.append(item)
        in_doubt = [item for item in waiting if item.is_in_doubt]
        if in_doubt:
            self._waiting.extend(self._packed(in_doubt))
        self._dealt_with(self._refuse([item for item in waiting if not item.is_in_doubt]))

    def _refuse(self, submissions: list[Submission]) -> int:
        """Says so to whoever waits; returns how many are not kept for later."""
        refused = 0
        for submission in submissions:
            if submission.is_kept or (submission.refused is not None and submission.refused()):
                self._kept.append(submission)
            else:
                refused += 1
        return refused

    def _dealt_with(self, count: int) -> None:
        with self._count_lock:
            self._open -= count
