"""The gateway process of one lane: lock, start, signals, stop. Wiring only.

A second process of the same name waits for the lock and takes the lane over when the first is
gone, however it went.
"""

import fcntl
import gc
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kalshi_fix.adapters.audit.recorder import open_trail
from kalshi_fix.adapters.audit.segments import AuditError
from kalshi_fix.adapters.audit.wire import as_text
from kalshi_fix.adapters.bus import BusError, FencedError
from kalshi_fix.adapters.engine import EngineConfigError
from kalshi_fix.adapters.host import HostGauges
from kalshi_fix.adapters.logs import Log, open_log
from kalshi_fix.adapters.metrics import Metrics, instance_ports
from kalshi_fix.adapters.paths import DataDir, next_boot
from kalshi_fix.adapters.roster import lane_slots
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.adapters.store import Store
from kalshi_fix.processes.exit_codes import CLEAN, GAVE_WAY, refuse
from kalshi_fix.processes.gateway_hold import LaneHold
from kalshi_fix.processes.gateway_lane import Lane, Surroundings
from kalshi_fix.processes.gateway_machine import LaneMachine
from kalshi_fix.processes.gateway_moving import furnish
from kalshi_fix.processes.gateway_reader import PositionError
from kalshi_fix.processes.gateway_state import LaneStateError
from kalshi_fix.processes.stopping import SIGNALS, block_stop_signals

_LOCK_POLL_SECONDS: Final = 0.05
_GC_ALLOCATIONS: Final = 50_000  # messages hold no cycles: look seldom
_RECOVER_AGAIN_SECONDS: Final = 0.2


class _Health:
    """What the process says of itself before and after it has a lane."""

    def __init__(self) -> None:
        self.lane: Lane | None = None
        self.waiting = "standby: another process serves this lane"

    def healthy(self) -> str:
        return self.lane.health() if self.lane else ""

    def ready(self) -> str:
        return self.lane.readiness() if self.lane else self.waiting


def main(name: str, settings: Settings, data: DataDir) -> int:
    """Serves the lane ``name`` until SIGTERM or SIGINT.

    Returns:
        0 after a clean stop, 2 when it cannot start as configured or recovery is impossible, 3
        when the lane went to another machine before it was served. A
        failure while it serves ends the process with 70, wherever it happens.
    """
    lanes = [lane.name for lane in settings.lanes]
    if name not in lanes or not any(session.lane == name for session in settings.sessions):
        return refuse(f"gateway: no session has the lane {name!r}; there are {', '.join(lanes)}")
    process = f"gateway-{name}"
    log = open_log(process, settings.log, data.log_file(process))
    # blocked in every thread there will be; waited for here. A handler could run while this thread
    # waits for a lock of its own, or in none of Python's threads
    block_stop_signals()
    metrics = Metrics(process)
    HostGauges(metrics, data.root, settings.capacity.resident_bytes_max)
    health = _Health()
    slots = lane_slots(settings)
    ports = instance_ports(settings.metrics.gateway, slots[name], max(slots.values()) + 1)
    try:
        metrics.serve(settings.metrics.host, ports, health.healthy, health.ready)
    except OSError as error:
        return refuse(f"gateway {name}: no port for metrics from {ports[0]} on: {error.strerror}")
    store = Store.of(settings.store, data)
    with _lock(data.lane_lock(name)) as is_ours:
        if not is_ours:
            return CLEAN
        hold = LaneHold.of(
            f"gateway:{name}",
            store.bus(settings.core.shards[0]),
            data.lane_identity(name),
            settings.gateway.lane_silent_seconds,
            log,
        )
        try:
            is_held = hold.take(_told_to_stop)
        except LaneStateError as error:
            return refuse(f"gateway {name}: {error}")
        return _run(name, settings, data, hold, store, metrics, health, log) if is_held else CLEAN


def _run(  # noqa: PLR0917 - what `main` has made
    name: str,
    settings: Settings,
    data: DataDir,
    hold: LaneHold,
    store: Store,
    metrics: Metrics,
    health: _Health,
    log: Log,
) -> int:
    """Serves a lane that is held."""
    before = hold.note.boot if hold.note is not None else 0
    boot = next_boot(data.lane_boot(name), first=int(time.time()), above=before)
    if hold.is_moved and hold.note is not None:
        furnish(data.lane(name), hold.note)
    process = f"gateway-{name}"
    try:
        trail = open_trail(process, settings, data, metrics, log, prepare=as_text, boot=boot)
    except (AuditError, OSError) as error:
        return refuse(f"gateway {name}: {error}")
    machine = LaneMachine.of(data.lane(name) / "machine.json")
    around = Surroundings(
        name=name,
        boot=boot,
        settings=settings,
        data=data,
        connect=store.bus,
        append=store.impatient(settings.gateway.stalled_core_ms).bus,
        metrics=metrics,
        log=log,
        machine_went_down=machine.went_down(),
        hold=hold,
        audit=trail,
    )
    code = _serve(around, machine, health, log)
    trail.stop()
    return code


def _told_to_stop(seconds: float) -> bool:
    """Waits so long for SIGTERM or SIGINT."""
    return signal.sigtimedwait(SIGNALS, seconds) is not None


def _serve(around: Surroundings, machine: LaneMachine, health: _Health, log: Log) -> int:
    health.waiting = "recovering"
    try:
        lane = Lane(around)
    except (LaneStateError, EngineConfigError) as error:
        log.critical("lane_cannot_start", error=str(error))
        return refuse(f"gateway {around.name}: {error}")
    try:
        while not _recover(lane, log):
            if _told_to_stop(_RECOVER_AGAIN_SECONDS):
                return CLEAN
    except PositionError as error:
        log.critical("position_lost", error=str(error))
        return refuse(f"gateway {around.name}: {error}")
    except FencedError as error:
        log.critical("lane_lost", error=str(error))
        return GAVE_WAY
    machine.running()
    lane.start()
    gc.collect()
    gc.freeze()  # what is there now stays; collections look at what comes and goes
    gc.set_threshold(_GC_ALLOCATIONS)
    health.lane = lane
    signal.sigwait(SIGNALS)
    lane.stop()
    machine.stopped()
    around.metrics.close()
    return CLEAN


def _recover(lane: Lane, log: Log) -> bool:
    """Once; False while the store cannot be reached.

    Raises:
        FencedError: another machine has taken the lane meanwhile.
    """
    try:
        lane.recover()
    except FencedError:
        raise
    except BusError as error:
        log.warning("store_not_reachable", error=str(error))
        return False
    return True


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Holds the lane; waits for whoever has it. False: told to stop before."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if _told_to_stop(_LOCK_POLL_SECONDS):
                    yield False
                    return
            else:
                yield True
                return
    finally:
        os.close(descriptor)
