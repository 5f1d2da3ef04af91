"""One core of one shard: follows, leads, survives outages of the store, and gives way when fenced.

``step`` does one thing and returns; the process calls it until it stops. Every write to the shard
is a fenced commit; after an unknown outcome the store is asked where it stands before anything is
written again.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from kalshi_fix.adapters.bus import Bus, Entry, Offset, ShardState, StaleOffsetError
from kalshi_fix.adapters.logs import Log
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.messages.batch import EventEntry
from kalshi_fix.processes import seeds
from kalshi_fix.processes.core_commits import Commit, Tail, plan
from kalshi_fix.processes.core_metrics import CoreMetrics
from kalshi_fix.processes.core_recovery import READ_ENTRIES, RecoveryError, parse_id
from kalshi_fix.processes.core_replica import Applied, Replica

ENTRIES_PER_READ: Final = 64
BLOCK_MS_MAX: Final = 250  # well below the socket's timeout


class CoreShard:
    """The core of ``bus.shard``; ``owner`` is unique per start."""

    def __init__(
        self,
        bus: Bus,
        replica: Replica,
        *,
        settings: Settings,
        owner: str,
        metrics: CoreMetrics,
        log: Log,
        progress: Callable[[str], None] = lambda _text: None,
    ) -> None:
        """``progress`` is told, now and then, how far a long replay is."""
        self._bus = bus
        self.replica = replica
        self._settings = settings
        self._owner = owner
        self._metrics = metrics
        self._log = log
        self._progress = progress
        self._lease_ms = settings.core.lease_ms
        self._token = ""
        self._tail = Tail(Offset(replica.entry_id), replica.last_event, replica.state_hash)
        self._spacing = settings.core.spacing_us / 1_000_000
        self._is_loaded = False  # judged by the last batch
        self._inbox: deque[Entry] = deque()
        self._outbox: deque[Commit] = deque()
        self._renewed = 0.0
        self._in_doubt = False
        self._is_aligned = False
        self._is_seeded = False
        self._ready_from = ""
        self.is_ready = False
        self.commands = 0  # carried out, leading or not

    @property
    def is_leading(self) -> bool:
        """Whether this core holds the shard, as far as it knows."""
        return bool(self._token)

    @property
    def is_ticking(self) -> bool:
        """Whether the exchange's clock may run: this core leads and the configuration is told."""
        return self.is_leading and self._is_seeded

    @property
    def is_settled(self) -> bool:
        """Whether everything applied is committed: a snapshot may be taken now."""
        return not self._outbox and self._tail.last_event == self.replica.last_event

    def agrees_with_stream(self) -> bool:
        """For a standby: whether it stands at the end of an entry of ``evt``.

        Raises:
            RecoveryError: the entry is another one than this replica's.
        """
        number = self.replica.last_event
        if not self._is_aligned or not number:
            return False
        found = self._bus.read_events(number - 1, 1, 0)
        entry = EventEntry.unpack(found[0].payload) if found else None
        if entry is None or entry.last != number:
            return False
        if entry.state_hash != self.replica.state_hash:
            raise RecoveryError(
                f"shard {self._bus.shard}: this standby's event {number} is not the stream's; "
                "another version of the exchange wrote it, or the stream is damaged"
            )
        return True

    def step(self) -> bool:
        """One turn of following or leading; False = nothing to do, wait a little.

        Raises:
            FencedError, StaleOffsetError: another core leads; this one must go.
            BusDownError, OutcomeUnknownError: the store; call `lost_store`, then `step` again.
            PoisonError: the exchange failed on a command.
        """
        if not self._token:
            return self._follow()
        if self._in_doubt:
            self._resume()
        self._flush()
        if not self._is_seeded:
            self._ready_from = seeds.append(self._bus, self._settings, time.time_ns())
            self._is_seeded = True
        self._lead()
        return True

    def lost_store(self) -> None:
        """After an error of the store: what was being written is in doubt."""
        self._in_doubt = bool(self._token)
        self.is_ready = False
        self._metrics.outages.inc()

    # --- following

    def _follow(self) -> bool:
        """Catches up with what the leader has committed, then tries to take the lead."""
        offset = self._bus.state().offset
        self._is_aligned = not offset.chunk
        self._catch_up(offset)
        state = self._bus.acquire(self._owner, self._lease_ms)
        if state is None:
            return False
        self._renewed = time.perf_counter()
        self._catch_up(state.offset)
        self._take_lead(state)
        return True

    def _catch_up(self, offset: Offset) -> None:
        """Applies entries up to the committed offset; their output is in the stream already."""
        target = parse_id(offset.entry_id)
        while parse_id(self.replica.entry_id) < target:
            entries = self._bus.read_commands(self.replica.entry_id, READ_ENTRIES, 0)
            if not entries:
                raise RecoveryError(
                    f"shard {self._bus.shard}: committed up to {offset.entry_id}, but the commands "
                    f"after {self.replica.entry_id} are missing"
                )
            self._progress(f"replaying commands: {entries[0].id} of {offset.entry_id}")
            for entry in entries:
                if parse_id(entry.id) > target:
                    return
                self.commands += self.replica.apply(entry).commands

    def _take_lead(self, state: ShardState) -> None:
        replica = self.replica
        self._tail = Tail(Offset(replica.entry_id), replica.last_event, replica.state_hash)
        if state.offset.chunk:
            self._finish_chunks(state.offset)
        self._expect_in_stream(self._tail, state.token)
        self._token = state.token
        self._metrics.leader.set(1)
        self._metrics.last_sequence.set(replica.last_event)
        self._log.info("leading", term=state.term, last_event=replica.last_event)

    def _finish_chunks(self, offset: Offset) -> None:
        """The last leader died within one entry's output: some pieces of it are written."""
        (entry,) = self._bus.read_commands(self.replica.entry_id, 1, 0)
        applied = self.replica.apply(entry)
        written = applied.pieces[offset.chunk - 1]
        self._tail = Tail(offset, written.last, written.state_hash)
        self._outbox.extend(plan([applied], self._tail))

    def _expect_in_stream(self, tail: Tail, token: str) -> None:
        """The stream must end with what this replica says it ends with.

        Raises:
            FencedError: this process stalled after it got the lead, and another one wrote.
        """
        last = self._bus.last_event()
        found = EventEntry.unpack(last.payload) if last else None
        number, state_hash = (found.last, found.state_hash) if found else (0, b"")
        if (number, state_hash) != (tail.last_event, tail.state_hash):
            self._bus.renew(token, self._lease_ms)
            raise RecoveryError(
                f"shard {self._bus.shard}: replaying gives event {tail.last_event} "
                f"({tail.state_hash.hex()}), the stream ends with {number} ({state_hash.hex()}); "
                "another version of the exchange wrote it, or the stream is damaged"
            )

    # --- leading

    def _lead(self) -> None:
        """Reads what waits, applies it, commits."""
        if not self._inbox:
            self._space_out()
            block_ms = min(self._lease_ms // 4, BLOCK_MS_MAX)
            after = self.replica.entry_id
            self._inbox.extend(self._bus.read_commands(after, ENTRIES_PER_READ, block_ms))
            if len(self._inbox) < ENTRIES_PER_READ:
                self._see_readiness()
        applied: list[Applied] = []
        commands = 0
        began = time.perf_counter()
        while self._inbox and commands < self._settings.core.batch_max_commands:
            applied.append(self.replica.apply(self._inbox.popleft()))
            commands += applied[-1].commands
        self._is_loaded = commands >= self._settings.core.spacing_from_commands
        if applied:
            self.commands += commands
            self._metrics.commands.inc(commands)
            self._metrics.batch.observe(commands)
            self._metrics.apply.observe(time.perf_counter() - began)
            self._outbox.extend(plan(applied, self._tail))
            self._flush()
        elif time.perf_counter() - self._renewed > self._lease_ms / 4000:
            self._bus.renew(self._token, self._lease_ms)
            self._renewed = time.perf_counter()

    def _space_out(self) -> None:
        """Under load waits a little, so that more shares the cost of a batch: ours and readers'."""
        if self._is_loaded:
            wait = self._spacing - (time.perf_counter() - self._renewed)
            if wait > 0:
                time.sleep(wait)

    def _flush(self) -> None:
        while self._outbox:
            commit = self._outbox[0]
            began = time.perf_counter()
            self._bus.commit(
                self._token, commit.before, commit.after, commit.entries, self._lease_ms
            )
            self._renewed = time.perf_counter()
            self._metrics.commit.observe(self._renewed - began)
            self._committed(commit)

    def _committed(self, commit: Commit) -> None:
        self._outbox.popleft()
        self._tail = Tail(commit.after, commit.last_event, commit.state_hash)
        self._metrics.last_sequence.set(commit.last_event)

    def _see_readiness(self) -> None:
        """Ready = caught up, and past the configuration's commands."""
        reached = parse_id(self.replica.entry_id)
        if not self._ready_from or reached >= parse_id(self._ready_from):
            self.is_ready = True

    def _resume(self) -> None:
        """After an outage: goes on without reloading if the store stands where we do."""
        state = self._bus.state()
        self._bus.renew(self._token, self._lease_ms)  # raises FencedError
        if self._outbox and state.offset == self._outbox[0].after:
            self._committed(self._outbox[0])
        if state.offset != self._tail.offset:
            raise StaleOffsetError(f"committed is {state.offset}, expected {self._tail.offset}")
        self._expect_in_stream(self._tail, self._token)
        self._inbox.clear()
        self._in_doubt = False
        self._log.warning("store_back", last_event=self._tail.last_event)

    def release(self) -> None:
        """Gives the lead up at a clean stop."""
        if self._token:
            self._bus.release(self._token)
            self._token = ""
            self._metrics.leader.set(0)
