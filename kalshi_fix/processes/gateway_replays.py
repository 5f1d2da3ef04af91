"""Drop copy's history on request: one thread of a lane that answers U1 from the events themselves.

Replays take turns in slices and use no more than their share of the processor, so that live
reports do not wait for them; one pauses while its client reads slowly. Copies go through the
session's queue behind what was live when they were asked for. Knows no stream's place: that is
`event_history`.
"""

import threading
import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Final

from attrs import define, frozen

from kalshi_fix.adapters.archive import ArchiveError
from kalshi_fix.adapters.bus import Bus, BusError
from kalshi_fix.adapters.logs import Log
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.fix import replays
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.replays import ReplayRange
from kalshi_fix.messages.batch import EventEntry
from kalshi_fix.model import Reason
from kalshi_fix.processes.core_archive import Archive
from kalshi_fix.processes.event_history import HistoryError, ShardHistory
from kalshi_fix.processes.gateway_intake import Incoming
from kalshi_fix.processes.gateway_metrics import GatewayMetrics
from kalshi_fix.processes.gateway_outgoing import Outgoing, StoreWriteError
from kalshi_fix.processes.gateway_router import Desk
from kalshi_fix.processes.gateway_threads import start_thread
from kalshi_fix.services.drop_copy import DropCopy

_SLICE_SECONDS: Final = 0.01  # of one replay before the next one's turn
_SLICES_PER_SECOND: Final = 20  # at least, when it is the rate of reports that holds them back
_RETRY_SECONDS: Final = 0.2
_IDLE_SECONDS: Final = 0.02  # all wait for their clients


@frozen(kw_only=True)
class ReplayLimits:
    """See ``GatewaySettings``."""

    reports_per_second: int
    cpu_percent: int
    waiting_max: int


class _UnknownError(Exception):
    """The first ExecID names no report of the firm's."""


@define(slots=True, eq=False)
class _Replay:
    """One U1 on its way."""

    incoming: Incoming
    asked: ReplayRange
    until: int
    connection: str
    done: int  # number of the last event dealt with
    reports: Iterator[FixMessage | None] | None = None
    count: int = 0
    not_before: float = 0.0  # monotonic; after the store could not be read

    def is_wanted(self) -> bool:
        """Whether the client that asked is still there."""
        return self.incoming.link.outbox.serves(self.connection)


class Replayer:
    """See the module. ``ask`` is called on a session's own thread."""

    def __init__(
        self,
        copies: DropCopy,
        limits: ReplayLimits,
        *,
        connect: Callable[[int], ShardHistory],
        newest: Callable[[int], int],
        delivered: Callable[[int], int],
        metrics: GatewayMetrics,
        log: Log,
    ) -> None:
        """Builds a lane's replayer.

        Args:
            copies: Renders the reports.
            limits: What it may use.
            connect: A shard's events, for this thread alone.
            newest: Number of the last event of a shard that a client may have been told of.
            delivered: Number up to which all live reports of a shard are in their queues: copies
                come behind them.
            metrics: The gateway's.
            log: The gateway's.
        """
        self._copies = copies
        self._limits = limits
        self._connect = connect
        self._newest = newest
        self._delivered = delivered
        self._metrics = metrics
        self._log = log
        self._asked: SimpleQueue[_Replay | None] = SimpleQueue()
        self._busy: set[str] = set()  # sessions with a replay on its way
        self._active: list[_Replay] = []
        self._histories: dict[int, ShardHistory] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the thread."""
        self._thread = start_thread("replays", self._run, self._log)

    def stop(self, seconds: float) -> None:
        """Ends the thread; who still waits is told that the replay is interrupted."""
        self._stop.set()
        self._asked.put(None)
        if self._thread is not None:
            self._thread.join(seconds)

    def ask(self, incoming: Incoming, asked: ReplayRange) -> None:
        """Takes a request up, or refuses it at once."""
        session = incoming.link.name
        newest = self._newest(asked.shard)
        refused = None
        if session in self._busy:
            refused = Reason.REPLAY_IN_PROGRESS
        elif asked.begin > newest:
            refused = Reason.UNKNOWN_BEGIN_EXEC_ID
        elif asked.end > newest:
            refused = Reason.UNKNOWN_END_EXEC_ID
        if refused is not None:
            self._answer(incoming, replays.rejected(incoming.message, refused), refused)
            return
        self._busy.add(session)
        connection = incoming.link.outbox.connection
        after = max(0, asked.begin - 1)
        self._asked.put(_Replay(incoming, asked, asked.end or newest, connection, after))

    # --- the thread

    def _run(self) -> None:
        while not self._stop.is_set():
            self._admit()
            waits = True
            for replay in tuple(self._active):
                if self._stop.is_set():
                    break
                waits &= not self._turn(replay)
            if self._active and waits:
                self._stop.wait(_IDLE_SECONDS)
        self._admit(last=True)
        for replay in tuple(self._active):
            self._refuse(replay, Reason.REPLAY_INTERRUPTED)
        for history in self._histories.values():
            history.close()

    def _admit(self, *, last: bool = False) -> None:
        """Takes up what was asked for; waits for it where there is nothing else to do."""
        if not self._active and not last:
            self._take_up(self._asked.get())
        while True:
            try:
                self._take_up(self._asked.get_nowait())
            except Empty:
                return

    def _take_up(self, replay: _Replay | None) -> None:
        if replay is not None:
            self._active.append(replay)

    def _turn(self, replay: _Replay) -> bool:
        """One slice of one replay and the pause it owes; False where it must wait."""
        if not replay.is_wanted():
            self._refuse(replay, Reason.REPLAY_INTERRUPTED)
            return True
        started = time.monotonic()
        backlog = replay.incoming.link.outbox.backlog()
        if backlog > self._limits.waiting_max or started < replay.not_before:
            return False
        if self._delivered(replay.asked.shard) < replay.until:
            return False
        before = replay.count
        try:
            self._slice(replay, started + _SLICE_SECONDS)
        except BusError as error:  # the store comes back
            self._log.warning("replay_waits", session=replay.incoming.link.name, error=str(error))
            replay.reports, replay.not_before = None, started + _RETRY_SECONDS
        except _UnknownError:
            self._refuse(replay, Reason.UNKNOWN_BEGIN_EXEC_ID)
        except (HistoryError, ArchiveError, OSError) as error:
            self._log.error("replay_failed", session=replay.incoming.link.name, error=str(error))
            self._refuse(replay, Reason.REPLAY_FAILED)
        except StoreWriteError:
            raise  # the engine cannot store: nothing may be sent any more
        except Exception:  # noqa: BLE001 - an event that cannot be read or rendered ends one replay
            self._log.exception("replay_broken", session=replay.incoming.link.name)
            self._refuse(replay, Reason.REPLAY_FAILED)
        spent = time.monotonic() - started
        share = self._limits.cpu_percent
        made = replay.count - before
        self._stop.wait(max(spent * (100 - share) / share, made / self._limits.reports_per_second))
        return True

    def _slice(self, replay: _Replay, deadline: float) -> None:
        if replay.reports is None:
            replay.reports = self._reports(replay)
        outbox = replay.incoming.link.outbox
        enough = replay.count + max(1, self._limits.reports_per_second // _SLICES_PER_SECOND)
        for copy in replay.reports:
            if copy is not None:
                outbox.put(Outgoing(copy))
                replay.count += 1
                self._metrics.replayed.inc()
            if time.monotonic() > deadline or replay.count >= enough:
                return
        answer = replays.complete(replay.incoming.message, replay.count)
        self._finish(replay, answer, "complete")

    def _reports(self, replay: _Replay) -> Iterator[FixMessage | None]:
        """The firm's reports; None now and then where there are none, so that others get a turn."""
        link = replay.incoming.link
        asked = replay.asked
        history = self._history(asked.shard)
        firm = frozenset({link.view.firm})
        for entry in history.entries(replay.done, replay.until):
            if asked.begin and entry.first <= asked.begin:
                self._check_begin(entry, asked, firm)
            if not any(name in firm for name, _ in entry.firms):
                replay.done = entry.last
                yield None
                continue
            for event in entry.events(firm):
                if replay.done < event.number <= replay.until:
                    replay.done = event.number
                    copy = self._copies.copy(event, link.view, asked.shard)
                    if copy is not None:
                        yield FixMessage(copy.msg_type, [(97, "Y"), *copy.fields])
            replay.done = entry.last

    def _check_begin(self, entry: EventEntry, asked: ReplayRange, firm: frozenset[str]) -> None:
        """The first ExecID must be one the firm was told: not of another venue or history."""
        if entry.last >= asked.begin and not any(
            event.number == asked.begin and self._copies.is_report(event, asked.begin_at_ms)
            for event in entry.events(firm)
        ):
            raise _UnknownError

    def _history(self, shard: int) -> ShardHistory:
        if shard not in self._histories:
            self._histories[shard] = self._connect(shard)
        return self._histories[shard]

    # --- ends

    def _refuse(self, replay: _Replay, reason: Reason) -> None:
        self._finish(replay, replays.rejected(replay.incoming.message, reason), reason)

    def _finish(self, replay: _Replay, answer: FixMessage, result: str) -> None:
        self._active.remove(replay)
        self._busy.discard(replay.incoming.link.name)
        self._answer(replay.incoming, answer, result)

    def _answer(self, incoming: Incoming, answer: FixMessage, result: str) -> None:
        self._metrics.replays(result).inc()
        if incoming.link.progress is incoming.progress:
            incoming.reply(answer)
        else:  # the client began its numbers anew: it gave up what it had asked
            incoming.progress.settle(incoming.number)


def replayer_of(
    desk: Desk | None,
    settings: Settings,
    data: DataDir,
    *,
    connect: Callable[[str], Bus],
    newest: Callable[[int], int],
    delivered: Callable[[int], int],
    metrics: GatewayMetrics,
    log: Log,
) -> Replayer | None:
    """The replayer of a lane; None where it has no drop copy (``desk``)."""
    if desk is None:
        return None
    copies, gateway = desk.service, settings.gateway
    assert isinstance(copies, DropCopy)
    limits = ReplayLimits(
        reports_per_second=gateway.replay_reports_per_second,
        cpu_percent=gateway.replay_cpu_percent,
        waiting_max=gateway.replay_waiting_max,
    )

    def history(index: int) -> ShardHistory:
        shard = settings.core.shards[index]
        return ShardHistory(connect(shard), Archive(data.archive(shard)).events)

    return Replayer(
        copies,
        limits,
        connect=history,
        newest=newest,
        delivered=delivered,
        metrics=metrics,
        log=log,
    )
