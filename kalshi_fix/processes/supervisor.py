"""``kalshi-fix run``: the whole exchange under one process, which restarts whatever dies.

Starts in order, waits until each phase is ready, says so in one line that begins with READY, and
stops in the opposite order. Owns the data directory's lock. Knows processes, not what they do.
"""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from attrs import define, frozen

from kalshi_fix.adapters import children
from kalshi_fix.adapters.audit.recorder import OperatorsTrail
from kalshi_fix.adapters.audit.segments import AuditError
from kalshi_fix.adapters.bus import BusError
from kalshi_fix.adapters.config import ConfigError
from kalshi_fix.adapters.host import HostGauges
from kalshi_fix.adapters.logs import open_log
from kalshi_fix.adapters.metrics import Metrics
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.redis_url import StoreUrlError
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.adapters.store import Store, external_url
from kalshi_fix.adapters.store_server import DataLock, StoreServer, StoreServerError
from kalshi_fix.processes.admin import AdminService
from kalshi_fix.processes.audit_tender import Tender
from kalshi_fix.processes.exit_codes import CLEAN, CONFIGURATION, refuse
from kalshi_fix.processes.followers import Followers
from kalshi_fix.processes.minder import Minder, ask_readyz, ready_when_running
from kalshi_fix.processes.programs import (
    STOP_SECONDS,
    Phase,
    Program,
    common_options,
    programs,
    wanted_ports,
)
from kalshi_fix.processes.start_screen import Screen
from kalshi_fix.processes.stopping import StopFlag
from kalshi_fix.processes.supervisor_metrics import SupervisorMetrics

LOCK_SECONDS: Final = 3.0  # a killed system's store ends a moment later
PORT_SECONDS: Final = 1.0
TURN_SECONDS: Final = 0.05
PROGRESS_SECONDS: Final = 5.0


class StartError(Exception):
    """The system cannot start; the message is one line."""


@frozen
class Plan:
    """What to run. ``settings`` has the port offset applied."""

    settings: Settings
    config: Path
    data: DataDir
    port_offset: int = 0
    demo_flow: bool = True
    configured: Settings | None = None  # without what operators changed about sessions
    reread: Callable[[], Settings] | None = None  # with it, as it is now


@define
class _Started:
    """A minder and when it is started and stopped."""

    phase: Phase
    minder: Minder


class Supervisor:
    """Runs one system; `run` returns the exit code."""

    def __init__(self, plan: Plan, screen: Screen) -> None:
        settings, data = plan.settings, plan.data
        self._settings = settings
        self._data = data
        self._screen = screen
        common = common_options(plan.config, data.root, plan.port_offset)
        self._plan = plan
        self._common = common
        self._followers = Followers(self._take_up)
        self._programs = list(programs(settings, common, demo_flow=plan.demo_flow))
        self._log = open_log("supervisor", settings.log, data.log_file("supervisor"))
        self._lock = DataLock(data)
        self._stopping = StopFlag()
        self._refused = False
        self._was_ready = False
        self._admin: AdminService | None = None
        self._trail: OperatorsTrail | None = None
        self._running: list[_Started] = []
        self.metrics = Metrics("supervisor")
        HostGauges(self.metrics, data.root, settings.capacity.resident_bytes_max)
        self._meters = SupervisorMetrics(self.metrics)
        self._counted: dict[str, int] = {}
        self._tender = Tender(
            data.root, settings.audit.keep_days, self._meters.audit_chain_errors, self._log
        )

    def ready(self) -> str:
        """Nothing while every process is ready, else the first that is not."""
        for started in self._running:
            if not started.minder.is_ready:
                return f"{started.minder.name}: {started.minder.status}"
        return "" if self._running else "starting"

    def healthy(self) -> str:
        """Nothing while the admin service works; the rest shows by answering."""
        return self._admin.healthy() if self._admin is not None else ""

    def stop(self, *_signal: object) -> None:
        """Asks for a clean stop."""
        self._stopping.set()

    def run(self) -> int:
        """Starts everything, minds it until stopped, stops it.

        Raises:
            StartError: it cannot start; nothing is left running.
        """
        try:
            self._lock.acquire(LOCK_SECONDS)
            self._data.remember_start(self._plan.config, self._plan.port_offset)
            self._await_ports()
            self._serve_health()
            if self._start():
                self._was_ready = True  # from now on a file edited wrongly must not stop trading
                self._screen.ready(self._settings, self._data)
                self._log.info("ready", pid=os.getpid())
                self._turn_until(lambda: False)
        except (StoreServerError, BusError, StoreUrlError) as error:
            raise StartError(str(error)) from error
        finally:
            self._stop()
            self.metrics.close()
            self._lock.release()
        return CONFIGURATION if self._refused else CLEAN

    # --- starting

    def _await_ports(self) -> None:
        """Every port must be free before anything starts; a killed system's take a moment."""
        deadline = time.monotonic() + PORT_SECONDS
        for port, host in wanted_ports(self._settings, self._programs).items():
            while (fault := _port_fault(host, port)) and not self._stopping.is_set():
                if time.monotonic() > deadline:
                    raise StartError(fault)
                self._stopping.wait(TURN_SECONDS)

    def _serve_health(self) -> None:
        host, port = self._settings.metrics.host, self._settings.metrics.supervisor
        try:
            self.metrics.serve(host, [port], self.healthy, self.ready)
        except OSError as error:
            raise StartError(f"port {port} on {host}: {error.strerror}") from error

    def _start(self) -> bool:
        """Phase by phase; False when stopped or refused meanwhile."""
        store = Store.of(self._settings.store, self._data)
        if not self._start_store(store):
            return False
        self._screen.progress(f"store: {store.check(self._settings.core.shards[0])}")
        for phase in list(Phase)[1:]:
            self._start_phase(phase)
            if not self._await_phase(phase):
                return False
            if phase is Phase.CORE:
                self._start_admin(store)
        return True

    def _start_store(self, store: Store) -> bool:
        """The embedded server; an external one is somebody else's. False when stopped meanwhile."""
        if external_url(self._settings.store):
            self._screen.progress(f"connecting to the store {store.url} ...")
            return True
        server = StoreServer(self._data, self._settings.store, self._lock)
        ask = lambda _pid: "" if server.is_ready() else "reading its data"  # noqa: E731
        self._add(Phase.STORE, Minder("store", self._log, server.start, ask))
        return server.wait_ready(self._stopping.is_set)

    def _start_phase(self, phase: Phase) -> None:
        host = self._settings.metrics.host
        for program in self._programs:
            if program.phase is phase:
                ports = (program.port, *program.spare)
                ask = ask_readyz(host, ports) if program.port else ready_when_running
                self._add(phase, Minder(program.name, self._log, _starter(program), ask))

    def _add(self, phase: Phase, minder: Minder) -> None:
        self._screen.progress(f"starting {minder.name} ...")
        minder.start()
        self._running.append(_Started(phase, minder))

    def _await_phase(self, phase: Phase) -> bool:
        minders = [started.minder for started in self._running if started.phase is phase]
        return self._turn_until(lambda: all(minder.is_ready for minder in minders))

    def _start_admin(self, store: Store) -> None:
        """The admin service is a part of this process."""
        self._trail = OperatorsTrail(self._settings, self._data, self.metrics, self._log)
        admin = AdminService(
            self._settings,
            self._data,
            store.bus,
            configured=self._plan.configured,
            follow=lambda: self._followers.follow(self._settings.admin.answer_seconds),
            stop=self.stop,
            ready=self.ready,
            metrics=self.metrics,
            audit=self._trail,
        )
        try:
            admin.start()
            self._trail.begin()
        except (AuditError, OSError) as error:
            raise StartError(f"admin service on {self._data.admin_socket}: {error}") from error
        self._admin = admin

    # --- minding

    def _turn_until(self, done: Callable[[], bool]) -> bool:
        """Minds everything that runs; False when stopped or refused before it was done."""
        tell_at = time.monotonic() + PROGRESS_SECONDS
        while not self._stopping.is_set():
            for started in self._running:
                if not started.minder.turn() and not self._was_ready:
                    self._refused = True
                    return False
            self._count()
            self._followers.turn()
            self._tender.turn()
            if done():
                return True
            if time.monotonic() > tell_at and self.ready():
                tell_at = time.monotonic() + PROGRESS_SECONDS
                self._screen.progress(f"waiting for {self.ready()}")
            self._stopping.wait(TURN_SECONDS)
        return False

    def _take_up(self) -> bool:
        """Sessions were changed at run time: new lanes start, old ones stop, the edge reads."""
        if self._plan.reread is None:
            return False
        try:
            settings = self._plan.reread()
        except ConfigError as error:
            self._log.error("sessions_not_taken_up", error=str(error))
            return False
        if self._trail is not None:
            self._trail.configured(settings)
        wanted = list(programs(settings, self._common, demo_flow=self._plan.demo_flow))
        running = {started.minder.name for started in self._running}
        self._programs = [program for program in wanted if program.name not in running]
        self._start_phase(Phase.GATEWAY)
        names = {program.name for program in wanted}
        for started in list(self._running):
            minder = started.minder
            if started.phase is Phase.GATEWAY and minder.name not in names:
                self._running.remove(started)
                self._meters.up(minder.name).set(0)
                seconds = STOP_SECONDS[Phase.GATEWAY]
                threading.Thread(target=minder.stop, args=(seconds,), daemon=True).start()
            elif minder.name == "edge" and minder.child is not None:
                minder.child.send_signal(signal.SIGHUP)
        self._programs = wanted
        self._log.info("sessions_taken_up", lanes=len(settings.lanes))
        return True

    def _count(self) -> None:
        for started in self._running:
            minder = started.minder
            self._meters.up(minder.name).set(minder.child is not None)
            self._meters.ready(minder.name).set(minder.is_ready)
            more = minder.restarts - self._counted.get(minder.name, 0)
            self._meters.restarts(minder.name).inc(more)
            self._counted[minder.name] = minder.restarts

    # --- stopping

    def _stop(self) -> None:
        """Against the start order, each phase together; the admin service outlives the gateways."""
        if self._running:
            self._screen.progress("stopping ...")
        self._tender.stop()
        if self._admin is not None:
            self._admin.close()
        for phase in reversed(Phase):
            if phase is Phase.CORE:
                self._stop_admin()
            minders = [started.minder for started in self._running if started.phase is phase]
            for minder in minders:
                minder.ask_to_stop()
            until = time.monotonic() + STOP_SECONDS[phase]
            for minder in minders:
                minder.stop(max(0.0, until - time.monotonic()))
        self._log.info("stopped")
        if self._running:
            self._screen.progress("stopped")

    def _stop_admin(self) -> None:
        if self._admin is not None:
            self._admin.stop()
        if self._trail is not None:
            self._trail.stop()


def _starter(program: Program) -> "Callable[[], Any]":
    return partial(children.spawn, program.command)


def _port_fault(host: str, port: int) -> str:
    """Why nothing can listen there now, "" if something can."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return (
                f"port {port} on {host}: {(error.strerror or str(error)).lower()}; "
                "stop what uses it, or use --port-offset"
            )
    return ""


def main(plan: Plan) -> int:
    """Runs a system until SIGTERM, SIGINT or the end of its terminal."""
    supervisor = Supervisor(plan, Screen())
    handler: Any = supervisor.stop
    signal.signal(signal.SIGTERM, handler)
    signal.signal(signal.SIGINT, handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # else nohup wants it to go on
        signal.signal(signal.SIGHUP, handler)
    try:
        return supervisor.run()
    except StartError as error:
        return refuse(str(error))
