"""The core process: one shard's exchange between the command stream and the event stream.

Wires and watches; what a core does is in `core_shard`. Stopping by SIGTERM is clean; every other
end is a crash, from which a start recovers.
"""

import gc
import os
import signal
import time
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

from kalshi_fix.adapters.archive import ArchiveError
from kalshi_fix.adapters.audit.trail import TrailMetrics
from kalshi_fix.adapters.bus import (
    BusDownError,
    BusError,
    FencedError,
    OutcomeUnknownError,
    StaleOffsetError,
)
from kalshi_fix.adapters.host import HostGauges
from kalshi_fix.adapters.logs import Log, open_log
from kalshi_fix.adapters.metrics import Metrics, instance_ports
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.rates import MessageRate
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.adapters.store import Store, StoreUnsafeError
from kalshi_fix.core.exchange import Exchange
from kalshi_fix.messages.batch import VersionError
from kalshi_fix.messages.codec import UnknownKindError
from kalshi_fix.processes import core_recovery as recovery
from kalshi_fix.processes.core_archive import Archive, Archivist
from kalshi_fix.processes.core_audit import ArchiveChain
from kalshi_fix.processes.core_clock import Clock
from kalshi_fix.processes.core_metrics import ArchiveMetrics, CoreMetrics, ExchangeGauges
from kalshi_fix.processes.core_poison import FAILURES_MAX, Failures
from kalshi_fix.processes.core_recovery import RecoveryError
from kalshi_fix.processes.core_replica import Machine, PoisonError
from kalshi_fix.processes.core_shard import CoreShard
from kalshi_fix.processes.core_snapshots import (
    NewerSnapshotError,
    Snapshots,
    SnapshotSchedule,
)
from kalshi_fix.processes.exit_codes import CLEAN, CRASHED, GAVE_WAY, refuse
from kalshi_fix.processes.stopping import StopFlag

# starting again will not help, and nothing was changed
_REFUSALS: Final = (
    ArchiveError,
    RecoveryError,
    NewerSnapshotError,
    VersionError,
    UnknownKindError,
    StoreUnsafeError,
)
STALLED_SECONDS: Final = 5.0
FOLLOW_SECONDS: Final = 0.05
OBSERVE_SECONDS: Final = 0.5
STORE_RETRY_SECONDS: Final = 0.1


class CoreProcess:
    """Everything a core process has; ``run`` returns its exit code."""

    def __init__(self, shard: str, settings: Settings, data: DataDir, store: Store) -> None:
        self.shard = shard
        self._index = settings.core.shards.index(shard)
        self._settings = settings
        self._store = store
        self._log: Log = open_log(f"core-{shard}", settings.log, data.log_file(f"core-{shard}"))
        self.metrics = Metrics(f"core-{shard}")
        self._core_metrics = CoreMetrics.of(self.metrics)
        self._gauges = ExchangeGauges(self.metrics)
        capacity = settings.capacity
        HostGauges(self.metrics, data.root, capacity.resident_bytes_max)
        self._rate = MessageRate(self.metrics, "core", capacity.core_commands_per_second)
        self.metrics.before_scrape(self._show_lag)
        self._observe_at = 0.0
        self._snapshots = Snapshots(data.snapshots(shard))
        self._failures = Failures(data.shard(shard))
        self._archive = Archive(data.archive(shard), settings.core.archive_segment_bytes)
        self._audit = data.audit(f"core-{shard}")
        self._bus = store.bus(shard)
        self._stopping = StopFlag()
        self._beat = time.monotonic()
        self._core: CoreShard | None = None
        self._state = "starting"
        self._schedule = SnapshotSchedule(self._snapshots, settings.core)
        self._store_lost = False

    # --- what others ask

    def healthy(self) -> str:
        """Nothing while the loop turns."""
        silent = time.monotonic() - self._beat
        return f"the core stands still for {silent:.1f} s" if silent > STALLED_SECONDS else ""

    def ready(self) -> str:
        """Nothing while this core leads and has caught up."""
        if self._core is not None and self._core.is_ready and not self._store_lost:
            return ""
        return self._state

    def stop(self, *_signal: object) -> None:
        """Asks the loop to end."""
        self._stopping.set()

    # --- the process

    def run(self) -> int:
        """Until stopped or beaten; the exit code."""
        own_ports = instance_ports(
            self._settings.metrics.core, self._index, len(self._settings.core.shards)
        )
        host = self._settings.metrics.host
        try:
            port = self.metrics.serve(host, own_ports, self.healthy, self.ready)
        except OSError as error:
            return self._refuse(f"metrics port {host}:{own_ports[0]}: {error.strerror}")
        self._log.info("started", shard=self.shard, pid=os.getpid(), metrics_port=port)
        try:
            return self._run()
        except (FencedError, StaleOffsetError) as error:
            self._log.error("gave_way", error=str(error))
            return GAVE_WAY
        except _REFUSALS as error:
            return self._refuse(str(error))
        except PoisonError as error:
            return self._poisoned(error)
        except Exception:  # noqa: BLE001 - the end of the process, with everything it knows
            self._log.exception("crashed")
            return CRASHED
        finally:
            self.metrics.close()
            self._bus.close()

    def _refuse(self, line: str) -> int:
        self._log.info("refused", error=line)
        return refuse(line)

    def _run(self) -> int:
        """Recovers, then turns until stopped."""
        place = self._await_store(self._recover)
        if place is None:
            return CLEAN
        self._core = core = place
        clock = Clock(
            self._store.bus(self.shard),
            self._settings.core.clock_ms,
            lambda: core.replica.trading_day,
            self._core_metrics.clock_errors,
            self._log,
        )
        clock.start()
        chain = ArchiveChain(
            self._audit, self._settings.audit, TrailMetrics.of(self.metrics), self._log
        )
        archivist = Archivist(
            self._store.bus(self.shard),
            self._archive,
            self._snapshots,
            seconds=self._settings.core.archive_seconds,
            metrics=ArchiveMetrics.of(self.metrics),
            log=self._log,
            chain=chain,
        )
        archivist.start()
        _settle_garbage()
        try:
            while not self._stopping.is_set():
                self._turn(core)
                if core.is_ticking:
                    clock.leading.set()
                    archivist.leading.set()
                assert clock.is_alive(), "the clock ticks as long as the core runs"
            archivist.finish()
        finally:
            clock.stop()
            archivist.stop()
        self._end(core)
        return CLEAN

    def _recover(self) -> CoreShard:
        self._log.info("store_found", store=self._store.check(self.shard))
        self._archive.check()
        stuck = self._failures.stops_at() - recovery.quarantined_places(self._bus, self._failures)
        if stuck:
            self._wait_for_quarantine(stuck)
        new: Callable[[], Machine] = lambda: Exchange(self._index)  # noqa: E731 - typed
        replica = recovery.recover(
            self._bus,
            self._snapshots,
            self._failures,
            new=new,
            restore=Exchange.restore,
            log=self._log,
            archived=self._archive.commands.read,
        )
        return CoreShard(
            self._bus,
            replica,
            settings=self._settings,
            owner=f"{os.getpid()}:{uuid4().hex}",
            metrics=self._core_metrics,
            log=self._log,
            progress=self._tell_progress,
        )

    def _tell_progress(self, text: str) -> None:
        self._beat = time.monotonic()
        self._state = text

    def _await_store(self, action: Callable[[], CoreShard]) -> CoreShard | None:
        """Does something that needs the store, as soon as it is there; None when stopped."""
        while not self._stopping.is_set():
            self._beat = time.monotonic()
            try:
                return action()
            except (BusDownError, OutcomeUnknownError) as error:
                self._lost(error)
        return None

    def _turn(self, core: CoreShard) -> None:
        self._beat = time.monotonic()
        try:
            busy = core.step()
            self._keep_snapshots(core)
        except (BusDownError, OutcomeUnknownError) as error:
            core.lost_store()
            self._lost(error)
            return
        self._store_lost = False
        self._state = "leading" if core.is_leading else "standby: following the leader"
        if not busy:
            self._stopping.wait(FOLLOW_SECONDS)
        if self._beat > self._observe_at:
            self._observe_at = self._beat + OBSERVE_SECONDS
            exchange = core.replica.machine
            assert isinstance(exchange, Exchange)
            self._gauges.observe(exchange)
            self._rate.turn(core.commands)

    def _show_lag(self) -> None:
        """The exchange's clock puts a command into the stream all the time."""
        core = self._core
        if core is not None:
            milliseconds, _ = recovery.parse_id(core.replica.entry_id)
            self._core_metrics.lag.set(max(0.0, time.time() - milliseconds / 1_000))

    def _lost(self, error: BusError) -> None:
        if not self._store_lost:
            self._log.error("store_lost", error=str(error))
        self._store_lost = True
        self._state = f"store lost: {error}"
        self._stopping.wait(STORE_RETRY_SECONDS)

    def _keep_snapshots(self, core: CoreShard) -> None:
        if self._snapshots.is_writing:
            outcome = self._snapshots.reap()
            if outcome == "ok":
                self._log.info("snapshot_written", last_event=core.replica.last_event)
            elif outcome:
                self._log.critical("snapshot_failed", error=outcome)
        elif self._is_snapshot_due(core):
            self._schedule.started()
            self._snapshots.write_in_child(lambda: recovery.snapshot_of(core.replica))

    def _is_snapshot_due(self, core: CoreShard) -> bool:
        """After so much time or so many commands, where the state is one that is committed."""
        if not self._schedule.is_due(core.commands, is_leading=core.is_leading):
            return False
        if core.is_leading:
            return core.is_settled
        return core.agrees_with_stream()

    def _end(self, core: CoreShard) -> None:
        """A clean stop: a snapshot makes the next start quick, a free lease makes it immediate."""
        if core.is_leading and core.is_settled and not self._snapshots.is_writing:
            self._snapshots.write(recovery.snapshot_of(core.replica))
        try:
            core.release()
        except BusError as error:
            self._log.warning("lease_not_released", error=str(error))
        self._log.info("stopped", last_event=core.replica.last_event)

    # --- a command the exchange fails on

    def _poisoned(self, error: PoisonError) -> int:
        times = self._failures.record(error.place)
        self._log.critical(
            "poison_command",
            entry_id=error.place[0],
            index=error.place[1],
            times=times,
            exc_info=error,
        )
        return CRASHED

    def _wait_for_quarantine(self, stuck: set[tuple[str, int]]) -> None:
        """The shard stands until an operator decides; orders are refused meanwhile."""
        entry_id, index = min(stuck)
        self._state = (
            f"stopped: the exchange failed {FAILURES_MAX} times on command {index} of {entry_id}; "
            f"kalshi-fix admin --as OPERATOR quarantine {entry_id}:{index}"
        )
        self._log.critical("shard_stopped", entry_id=entry_id, index=index)
        self._core_metrics.stopped.set(1)
        while not self._stopping.is_set():
            self._beat = time.monotonic()
            if not stuck - recovery.quarantined_places(self._bus, self._failures):
                break
            self._stopping.wait(1)
        self._core_metrics.stopped.set(0)


def _settle_garbage() -> None:
    """What is alive now stays; the core makes no cycles, so nothing needs collecting later."""
    gc.collect()
    gc.freeze()
    gc.disable()


def main(shard: str, settings: Settings, data: DataDir) -> int:
    """Runs the core of a shard until SIGTERM or SIGINT."""
    if shard not in settings.core.shards:
        return refuse(f"--shard {shard}: allowed are {', '.join(settings.core.shards)}")
    process = CoreProcess(shard, settings, data, Store.of(settings.store, data))
    handler: Any = process.stop
    signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGINT, handler)
    return process.run()
