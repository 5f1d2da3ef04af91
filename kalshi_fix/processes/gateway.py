"""The gateway process of one lane: lock, start, signals, stop. Wiring only.

A second process of the same name waits for the lock and takes the lane over when the first is
gone, however it went.
"""

import fcntl
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kalshi_fix.adapters.bus import BusError
from kalshi_fix.adapters.logs import Log, open_log
from kalshi_fix.adapters.metrics import Metrics, instance_ports
from kalshi_fix.adapters.paths import DataDir, next_boot
from kalshi_fix.adapters.redis_url import StoreUrlError
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.adapters.store import Store
from kalshi_fix.processes.gateway_lane import Lane, Surroundings
from kalshi_fix.processes.gateway_reader import PositionError

EXIT_CONFIGURATION: Final = 2
EXIT_FAILURE: Final = 70
_LOCK_POLL_SECONDS: Final = 0.05
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
        0 after a clean stop, 2 when it cannot start as configured, 70 when recovery is impossible.
    """
    lanes = [lane.name for lane in settings.lanes]
    if name not in lanes or not any(session.lane == name for session in settings.sessions):
        sys.stderr.write(f"gateway: no session has the lane {name!r}; there are {lanes}\n")
        return EXIT_CONFIGURATION
    process = f"gateway-{name}"
    log = open_log(process, settings.log, data.log_file(process))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    metrics = Metrics(process)
    health = _Health()
    ports = instance_ports(settings.metrics.gateway, lanes.index(name), len(lanes))
    try:
        store = Store.of(settings.store, data)
        metrics.serve(settings.metrics.host, ports, health.healthy, health.ready)
    except (StoreUrlError, OSError) as error:
        sys.stderr.write(f"gateway {name}: {error}\n")
        return EXIT_CONFIGURATION
    with _lock(data.lane_lock(name), stop) as is_ours:
        if not is_ours:
            return 0
        around = Surroundings(
            name=name,
            boot=next_boot(data.lane_boot(name)),
            settings=settings,
            data=data,
            connect=store.bus,
            metrics=metrics,
            log=log,
        )
        return _serve(around, health, stop, log)


def _serve(around: Surroundings, health: _Health, stop: threading.Event, log: Log) -> int:
    health.waiting = "recovering"
    try:
        lane = Lane(around)
    except ValueError as error:
        log.critical("lane_state_damaged", error=str(error))
        sys.stderr.write(f"gateway {around.name}: the lane's state file is damaged: {error}\n")
        return EXIT_FAILURE
    try:
        while not _recover(lane, log):
            if stop.wait(_RECOVER_AGAIN_SECONDS):
                return 0
    except PositionError as error:
        log.critical("position_lost", error=str(error))
        sys.stderr.write(f"gateway {around.name}: {error}\n")
        return EXIT_FAILURE
    lane.start()
    health.lane = lane
    stop.wait()
    lane.stop()
    # the engine's threads are gone or hold nothing; its static objects need no taking down
    around.metrics.close()
    return 0


def _recover(lane: Lane, log: Log) -> bool:
    """Once; False while the store cannot be reached."""
    try:
        lane.recover()
    except BusError as error:
        log.warning("store_not_reachable", error=str(error))
        return False
    return True


@contextmanager
def _lock(path: Path, stop: threading.Event) -> Iterator[bool]:
    """Holds the lane; waits for whoever has it. False: told to stop before."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if stop.wait(_LOCK_POLL_SECONDS):
                    yield False
                    return
            else:
                yield True
                return
    finally:
        os.close(descriptor)
