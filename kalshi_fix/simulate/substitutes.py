"""What of the real program is replaced while it is simulated: one table, put in and taken out.

A module that says ``time.monotonic()`` or ``threading.Lock()`` gets the simulated one, because the
name in it is exchanged for the length of a run. Nothing else of the program is touched: its
threads, locks, retries and recoveries are what is tried.
"""

from __future__ import annotations

import fcntl
import gc
import os
import queue
import secrets
import signal
import sys
import threading
import time
import uuid
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from kalshi_fix.adapters.acceptor import Acceptor
from kalshi_fix.adapters.audit.recorder import open_trail
from kalshi_fix.adapters.logs import open_log
from kalshi_fix.adapters.metrics import Metrics
from kalshi_fix.adapters.store import Store
from kalshi_fix.model import NANOS
from kalshi_fix.processes import core, gateway  # noqa: F401 - loaded, so that they are found
from kalshi_fix.processes.core_audit import ArchiveChain
from kalshi_fix.processes.core_snapshots import Snapshot, Snapshots
from kalshi_fix.processes.gateway_control import ControlServer
from kalshi_fix.processes.stopping import StopFlag
from kalshi_fix.simulate.machine import (
    Event,
    Lock,
    Machine,
    Process,
    Queue,
    RLock,
    Signals,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PREFIXES: Final = (
    "kalshi_fix.processes.core",
    "kalshi_fix.processes.gateway",
    "kalshi_fix.adapters.archive",
    "kalshi_fix.adapters.paths",
)
# classes of these deal with the real process's descriptors, of which a simulated one has none
_OF_DESCRIPTORS: Final = ("kalshi_fix.adapters.engine_numbers",)
_FIRST_DESCRIPTOR: Final = 1_000_000


class Nothing:
    """Takes any call and any attribute: metrics nobody reads."""

    def __call__(self, *_args: object, **_named: object) -> Nothing:  # noqa: D102 - see the class
        return self

    def __getattr__(self, _name: str) -> Nothing:
        return self


class SimulatedLog:
    """Writes into the run's story; what must never happen fails the run."""

    def __init__(self, machine: Machine, name: str, forbidden: Callable[[str, str], None]) -> None:
        self._machine = machine
        self._name = name
        self._forbidden = forbidden

    def _note(self, event: str, values: dict[str, Any]) -> None:
        cause = values.pop("exc_info", None)
        more = " ".join(f"{key}={value}" for key, value in values.items())
        text = f"{event} {more}" + (f" {cause!r}" if isinstance(cause, BaseException) else "")
        self._machine.note(self._name, text)
        self._forbidden(event, text)

    def debug(self, event: str, **values: Any) -> None:
        """A line."""
        self._note(event, values)

    info = warning = error = critical = debug

    def exception(self, event: str, **values: Any) -> None:
        """A line, with what is being handled."""
        self._note(event, {**values, "exc_info": sys.exc_info()[1]})


class Thread:
    """`threading.Thread`, simulated."""

    def __init__(
        self,
        machine: Machine,
        target: Callable[[], object],
        name: str = "",
        *,
        daemon: bool = True,  # noqa: ARG002 - a process here ends with its main task
    ) -> None:
        self._machine = machine
        self._target = target
        self._name = name
        self._task: Any = None
        self._done = Event(machine)
        self.native_id = 0

    def start(self) -> None:
        """See `threading.Thread`."""
        machine = self._machine
        self._task = machine.spawn(machine.process, self._name, self._target)
        self._task.ended.append(self._done.set)

    def join(self, timeout: float | None = None) -> None:
        """See `threading.Thread`."""
        self._done.wait(timeout)

    def is_alive(self) -> bool:
        """See `threading.Thread`."""
        return not self._done.is_set()


class _Descriptors:
    """Lock files: who holds which."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._paths: dict[int, str] = {}
        self._holders: dict[str, tuple[Process, object]] = {}
        self._next = _FIRST_DESCRIPTOR

    def open(self, path: object, *_flags: object) -> int:
        """`os.open` of a lock file."""
        self._next += 1
        self._paths[self._next] = str(path)
        return self._next

    def lock(self, file: Any, _flags: int) -> None:
        """`fcntl.flock`, not blocking, of a descriptor or a file."""
        path = self._paths[file] if isinstance(file, int) else str(file.name)
        if path in self._holders:
            process, held = self._holders[path]
            if process.is_alive and not getattr(held, "closed", False):
                raise BlockingIOError
        self._holders[path] = (self._machine.process, file)

    def close(self, descriptor: int) -> None:
        """`os.close`."""
        path = self._paths.pop(descriptor)
        if path in self._holders and self._holders[path][1] == descriptor:
            del self._holders[path]


class _SimulatedSnapshots(Snapshots):
    """Snapshots without a child: written when they are asked for."""

    def write_in_child(self, take: Callable[[], Snapshot]) -> None:
        """At once."""
        self.write(take())


def _time(machine: Machine) -> SimpleNamespace:
    return SimpleNamespace(
        monotonic=lambda: machine.now / NANOS,
        perf_counter=lambda: machine.now / NANOS,
        monotonic_ns=lambda: machine.now,
        time_ns=lambda: machine.now + machine.process.skew,
        time=lambda: (machine.now + machine.process.skew) / NANOS,
        sleep=lambda seconds: machine.sleep(round(seconds * NANOS)),
    )


def _threading(machine: Machine) -> SimpleNamespace:
    return SimpleNamespace(
        Thread=partial(Thread, machine),
        Lock=partial(Lock, machine),
        RLock=partial(RLock, machine),
        Event=partial(Event, machine),
        get_native_id=lambda: 0,
    )


def _signal(machine: Machine) -> SimpleNamespace:
    def register(number: int, handler: Callable[..., object]) -> None:
        machine.process.signals.signal(number, handler)

    return SimpleNamespace(
        SIGTERM=Signals.SIGTERM,
        SIGINT=Signals.SIGINT,
        SIG_BLOCK=Signals.SIG_BLOCK,
        signal=register,
        pthread_sigmask=lambda _how, _mask: None,
        sigwait=lambda _wanted: machine.process.signals.wait(machine, None),
        sigtimedwait=lambda _wanted, seconds: machine.process.signals.wait(
            machine, round(seconds * NANOS)
        ),
    )


class _Os:
    """`os` with simulated ends, locks and process ids, and without waiting for disks."""

    def __init__(self, machine: Machine, descriptors: _Descriptors) -> None:
        self._machine = machine
        self.open, self.close = descriptors.open, descriptors.close

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def fsync(self, _descriptor: int) -> None:
        """Files survive the death of a simulated process anyway."""

    def getpid(self) -> int:
        """Of the simulated process."""
        return 1

    def _exit(self, code: int) -> None:
        machine = self._machine
        machine.kill(machine.process, code)
        machine.wait()


@contextmanager
def substituted(
    machine: Machine,
    *,
    store: object,
    engine: object,
    control: object,
    forbidden: Callable[[str, str], None],
) -> Iterator[None]:
    """Puts the simulated surroundings into every module of the processes."""
    ids = iter(range(1, sys.maxsize))
    descriptors = _Descriptors(machine)
    times = _time(machine)
    table: dict[int, Any] = {
        id(time): times,
        **{id(getattr(time, name)): value for name, value in vars(times).items()},
        id(threading): _threading(machine),
        id(queue.SimpleQueue): partial(Queue, machine, queue.Empty),
        id(os): _Os(machine, descriptors),
        id(fcntl): SimpleNamespace(flock=descriptors.lock, LOCK_EX=0, LOCK_NB=0),
        id(signal): _signal(machine),
        id(gc): Nothing(),
        id(secrets): SimpleNamespace(token_hex=lambda _size: f"secret-{next(ids)}"),
        id(uuid.uuid4): lambda: SimpleNamespace(hex=f"uuid-{next(ids)}"),
        id(open_log): lambda name, *_more, **_named: SimulatedLog(machine, name, forbidden),
        id(Metrics): lambda *_args: Nothing(),
        id(open_trail): lambda *_args, **_named: Nothing(),  # an audit trail is nobody's state
        id(ArchiveChain): lambda *_args: None,
        id(Acceptor): engine,
        id(ControlServer): control,
        id(Store): store,
        id(Snapshots): _SimulatedSnapshots,
        id(StopFlag): partial(Event, machine),
    }
    kept: list[tuple[dict[str, Any], str, Any]] = []
    for name, module in list(sys.modules.items()):
        if not name.startswith(PREFIXES):
            continue
        for key, value in list(vars(module).items()):
            if getattr(value, "__module__", "") in _OF_DESCRIPTORS:
                table[id(value)] = lambda *_args: Nothing()
            if id(value) in table:
                kept.append((vars(module), key, value))
    try:
        for namespace, key, value in kept:
            namespace[key] = table[id(value)]
        yield
    finally:
        for namespace, key, value in kept:
            namespace[key] = value
