"""One session's way out: a bounded queue and a writer thread while it is logged on.

The rule: reports leave in the order they came in, and none is lost for a session that keeps its
history. Away, such a session's reports are numbered and stored at once; a session without history
loses them, counted. A client that does not read is cut, never waited for; only where a send cannot
block is a report sent without the queue. Knows the engine's port, not what a report means.
"""

import threading
import time
from enum import Enum
from queue import Empty, SimpleQueue
from typing import Final

from kalshi_fix.adapters.audit.recorder import UNRECORDED, Recorder
from kalshi_fix.adapters.audit.records import Kind
from kalshi_fix.adapters.engine import Engine
from kalshi_fix.adapters.logs import Log
from kalshi_fix.processes.gateway_metrics import GatewayMetrics
from kalshi_fix.processes.gateway_outgoing import (
    WAKE,
    OutboxLimits,
    Outgoing,
    Places,
    StoreWriteError,
)
from kalshi_fix.processes.gateway_relogon import Replay
from kalshi_fix.processes.gateway_threads import start_thread
from kalshi_fix.processes.gateway_wires import SessionWires

_PATIENCE_SECONDS: Final = 0.002
_BLOCKED_SECONDS: Final = 0.25  # one send: the engine's buffer is full, nobody reads


class _State(Enum):
    AWAY = 0
    EXPECTED = 1  # the core has the session open, the Logon is on its way
    HERE = 2  # a writer thread runs; also while it puts away what is left after a disconnect


class Outbox:
    """See the module. Methods say which thread calls them; all others may be called by any."""

    def __init__(
        self,
        session: str,
        engine: Engine,
        limits: OutboxLimits,
        *,
        shards: int,
        metrics: GatewayMetrics,
        log: Log,
        keeps_history: bool,
        audit: Recorder = UNRECORDED,
    ) -> None:
        self.session = session
        self._engine = engine
        self._limits = limits
        self._metrics = metrics
        self._log = log
        self._keeps_history = keeps_history
        self._audit = audit
        self._state = _State.AWAY
        self._lock = threading.Lock()
        self._queue: SimpleQueue[Outgoing | None] = SimpleQueue()
        self._connection = ""
        self._expected_until = 0.0
        self._claimed = False
        self._is_connected = False
        self._is_cut = False
        self._thread: threading.Thread | None = None
        self._busy_since = 0.0
        self.wires = SessionWires(limits.unsent_bytes_max)
        self.is_resending = False  # the engine answers a ResendRequest: a send would wait for it
        self._gate = threading.Event()  # closed while the numbers are reset within a session
        self._gate.set()
        self._replay: Replay | None = None  # goes out before anything else
        self._may_replay = False  # the engine has begun the store anew
        self._put_total = 0
        self._done_total = 0
        self.places = Places.of(shards)

    # --- life of a connection

    def expect(self, connection: str, now: float, seconds: float) -> bool:
        """Holds reports back for a Logon that may come. False: the session is in use."""
        with self._lock:
            if self._state is not _State.AWAY:
                return False
            self._state = _State.EXPECTED
            self._connection, self._claimed = connection, False
            self._replay = None
            self.wires.expect()
            self._expected_until = now + seconds
            return True

    def expect_no_more(self, connection: str) -> None:
        """The Logon is refused after all, or did not come: puts away what was held back."""
        with self._lock:
            if self._state is _State.EXPECTED and self._connection == connection:
                if self._claimed:
                    return
                self._replay = None  # all of it is in the store still
                while (item := self._next()) is not None:
                    self._put_away(item)
                    self._done(item)
                self._state = _State.AWAY

    def expire(self, now: float) -> None:
        """Gives up on a Logon that is overdue."""
        if now <= self._expected_until:
            return
        if self._state is _State.EXPECTED:
            self.expect_no_more(self._connection)
        self.resume()

    def pause(self, connection: str, now: float, seconds: float) -> bool:
        """Holds reports back within a session, for a Logon that resets its numbers.

        Returns when nothing is on its way to the engine any more. False: not this connection.
        """
        while self._replay is not None and self._is_connected:
            time.sleep(_PATIENCE_SECONDS)
        with self._lock:
            if self._connection != connection or not self._is_connected:
                return False
            self._gate.clear()
            self._expected_until = now + seconds
        while self._busy_since and self._is_connected:
            time.sleep(_PATIENCE_SECONDS)
        return True

    def resume(self) -> None:
        """The Logon in the session does not come."""
        with self._lock:
            if not self._may_replay:
                self._replay = None
            self._gate.set()

    def play_first(self, replay: Replay) -> None:
        """What the Logon that is expected is told before anything else, once the engine has it."""
        with self._lock:
            self._replay, self._may_replay = replay, False

    def claim(self, connection: str, now: float) -> bool:
        """The engine has the Logon of this connection; True once, if it is still expected."""
        with self._lock:
            if self._is_connected and self._connection == connection:
                self._may_replay = not self._gate.is_set()
                return self._may_replay
            if (
                self._state is not _State.EXPECTED
                or self._connection != connection
                or self._claimed
                or now > self._expected_until
            ):
                return False
            self._claimed = self._may_replay = True
            return True

    def open(self) -> None:
        """The session's engine thread: logged on. Starts the writer, or lets it go on."""
        self._gate.set()
        if self._replay is not None:
            self._queue.put(WAKE)
        if self._is_connected:
            return
        self.wires.tidy()  # the engine serves a session anew only when it is done with it
        self._is_connected = True
        self._is_cut = False
        self._start()

    def close(self, *, engine_looks_again: bool = True) -> bool:
        """The session's engine thread, holding the engine's lock: never waits for anything.

        Returns whether a connection of ours ended; for the argument see `SessionWires.leave`.
        """
        if not self._claimed:
            return False
        self._claimed = False
        self._is_connected = False
        self.wires.leave(engine_looks_again=engine_looks_again)
        if not self._may_replay:
            self._replay = None
        self._gate.set()
        self._queue.put(None)
        if self._state is _State.EXPECTED:  # refused between the claim and the Logon answer
            self._start()
        return True

    def _start(self) -> None:
        self._state = _State.HERE
        self._thread = start_thread(f"writer {self.session}", self._run, self._log)

    @property
    def connection(self) -> str:
        """Identity of the present or last connection."""
        return self._connection

    @property
    def is_here(self) -> bool:
        """Logged on."""
        return self._is_connected

    @property
    def is_away(self) -> bool:
        """Not logged on, and nothing left to put away."""
        return self._state is _State.AWAY

    # --- reports

    def put(self, item: Outgoing) -> None:
        """Sends, or stores, or drops; in the order of the calls. Never waits for the client."""
        with self._lock:
            if self._state is _State.AWAY:
                self._put_away(item)
                if item.progress is not None:
                    item.progress.settle(item.settles)
                return
            if self._may_send_now(item):
                self._busy_since = time.monotonic()
            else:
                self._put_total += 1
                self.places.queued(item)
                self._queue.put(item)
                return
        self._send(item)

    def make_room(self) -> None:
        """After `put`: where the queue is full, waits while the writer gets on, else cuts."""
        if self._queue.qsize() < self._limits.queue_max:
            return
        deadline = time.monotonic() + self._limits.stall_seconds
        while self._queue.qsize() >= self._limits.queue_max and self._is_connected:
            now = time.monotonic()
            busy_since = self._busy_since
            if (busy_since and now - busy_since > _BLOCKED_SECONDS) or now > deadline:
                self._cut("the queue is full")
            time.sleep(_PATIENCE_SECONDS)

    def forget(self, shard: int) -> None:
        """A new epoch: what a shard reported before it is history the client gave up."""
        with self._lock:
            for item in self._held():
                if item.shard == shard:
                    self._done(item)
                else:
                    self._queue.put(item)

    def say_again(self, shard: int, opening: int) -> None:
        """A new epoch that gives no history up: what is held back was never told, and says 97=Y."""
        with self._lock:
            held = self._held()
            mine = [item for item in held if item.shard == shard]
            self.places.epoch_began(shard, opening, mine)
            for item in mine:
                item.may_be_repeat()
            for item in held:
                self._queue.put(item)

    def _held(self) -> list[Outgoing]:
        """Takes out what is held back for a Logon; nothing once it is there."""
        held: list[Outgoing] = []
        if self._state is _State.EXPECTED:
            while (item := self._next()) is not None:
                held.append(item)
        return held

    def backlog(self) -> int:
        """Messages waiting."""
        return self._queue.qsize()

    def check_stall(self, now: float) -> None:
        """Cuts a connection on which one send takes too long."""
        busy_since = self._busy_since
        if busy_since and now - busy_since > self._limits.stall_seconds:
            self._cut("a send does not end")

    def serves(self, connection: str) -> bool:
        """Whether it is logged on over this connection."""
        return self._is_connected and self._connection == connection

    def join(self, seconds: float) -> None:
        """Waits for the writer to put everything away."""
        if self._thread is not None:
            self._thread.join(seconds)

    # --- inside

    def _run(self) -> None:
        while True:
            item = self._queue.get()
            if item is not None and self._is_connected:
                self._enter()
            self._play()
            if item is not None and item is not WAKE:
                (self._send if self._is_connected else self._put_away)(item)
                self._done(item)
            self._busy_since = 0.0
            if item is None:
                self._finish()
                return

    def _enter(self) -> None:
        """Waits while the session's numbers are being reset, then begins a send."""
        while True:
            self._gate.wait()
            with self._lock:
                if self._gate.is_set():
                    self._busy_since = time.monotonic()
                    return

    def _play(self) -> None:
        """A replay that is due: before everything that waits, and stored if the client is gone."""
        replay = self._replay
        if replay is None or not self._may_replay:
            return
        for message in replay.messages():
            self._busy_since = time.monotonic()
            self._hand_over(Outgoing(message))
        replay.finish()
        self._busy_since = time.monotonic()
        self._replay = None

    def _finish(self) -> None:
        """After the disconnect: puts away the rest, then leaves the field to direct calls."""
        while self._state is _State.HERE:
            while (item := self._next()) is not None:
                self._put_away(item)
                self._done(item)
            with self._lock:
                if self._queue.empty():
                    self._state = _State.AWAY

    def _next(self) -> Outgoing | None:
        while True:
            try:
                item = self._queue.get_nowait()
            except Empty:
                return None
            if item is not None and item is not WAKE:
                return item

    def _may_send_now(self, item: Outgoing) -> bool:
        """Nothing waits before it, and the kernel has room: the send cannot block."""
        return (
            item.shard >= 0
            and self._is_connected
            and self._put_total == self._done_total
            and self._replay is None
            and not self.is_resending
            and self._gate.is_set()
            and self.wires.has_room()
        )

    def _send(self, item: Outgoing) -> None:
        self.places.sending(item)
        self._hand_over(item)
        self._busy_since = 0.0
        if item.then_log_out:
            self._engine.log_out(self.session, item.then_log_out)

    def _put_away(self, item: Outgoing) -> None:
        """Numbers and stores for a session with history, drops for one without."""
        if self._keeps_history:
            self._hand_over(item)
        else:
            self._metrics.dropped(self.session).inc()

    def _hand_over(self, item: Outgoing) -> None:
        message = item.message
        connection = self._connection if self._is_connected else ""  # "": only stored
        self._audit.record(Kind.OUT, self.session, connection, message, (item.shard, item.number))
        if not self._engine.send(self.session, message):
            raise StoreWriteError(f"the engine cannot store for {self.session}")
        self._metrics.sent(message)
        if item.request is not None:
            item.request.answered_at = time.monotonic()
            self._metrics.answered(item.request)

    def _done(self, item: Outgoing) -> None:
        """Only the queue's one consumer of the moment comes here."""
        self._done_total += 1
        if item.progress is not None:
            item.progress.settle(item.settles)
        self.places.dealt_with(item)

    def _cut(self, why: str) -> None:
        if self._is_cut:
            return
        thread = self._thread.native_id if self._thread is not None else None
        if self.wires.shut():
            self._is_cut = True
        elif thread is not None:
            self._is_cut = self._engine.cut(self.session, thread)
        if self._is_cut:
            self._metrics.slow_consumers.inc()
            waiting = self._queue.qsize()
            self._log.warning("slow_consumer_cut", session=self.session, why=why, waiting=waiting)
