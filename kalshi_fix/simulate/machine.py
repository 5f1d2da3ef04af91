"""The simulated computer: tasks that run one at a time, a clock, and processes that can be killed.

Everything that happens is an entry in one queue ordered by time, ties broken by the seed, so a seed
fixes every interleaving. A task gives up the computer only where it waits, or where `breathe` lets
another go first. It must not know what the tasks do.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field
from greenlet import GreenletExit, getcurrent, greenlet

from kalshi_fix.model import NANOS

if TYPE_CHECKING:
    from collections.abc import Callable

START: Final = 1_795_186_800 * NANOS  # 2026-11-20 15:00 UTC
TIMED_OUT: Final = object()
_NOTES_KEPT: Final = 100_000
_BREATH_NANOS: Final = 200_000


@define(eq=False)
class Process:
    """A simulated operating-system process: what dies together."""

    name: str
    skew: int = 0  # its wall clock less the true one, ns
    is_alive: bool = True
    is_frozen: bool = False  # SIGSTOP
    exit_code: int | None = None
    signals: Signals = field(init=False)
    at_death: list[Callable[[], None]] = field(factory=list)
    tasks: list[Task] = field(factory=list)
    held_back: list[tuple[Task, int, object]] = field(factory=list)  # while frozen

    def __attrs_post_init__(self) -> None:
        self.signals = Signals()


@define(eq=False)
class Task:
    """One simulated thread. ``turn`` counts its waits, so that no wait is ended twice."""

    process: Process
    name: str
    greenlet: greenlet
    turn: int = 0
    is_done: bool = False
    ended: list[Callable[[], None]] = field(factory=list)


def machine_random(seed: int) -> Random:
    """What decides the interleavings of a seed, and the size of its system."""
    return Random(seed)  # noqa: S311 - a seed is the point


class Signals:
    """What `signal` offers a process: a handler, or a wait."""

    SIGTERM: Final = 15
    SIGINT: Final = 2
    SIG_BLOCK: Final = 0

    def __init__(self) -> None:
        self._handlers: dict[int, Callable[..., object]] = {}
        self._pending: list[int] = []
        self._waiting: list[tuple[Task, int]] = []

    def signal(self, number: int, handler: Callable[..., object]) -> None:
        """`signal.signal`."""
        self._handlers[number] = handler

    def sent(self, machine: Machine, process: Process, number: int) -> None:
        """The process gets a signal."""
        handler = self._handlers.get(number)
        if handler is not None:
            machine.spawn(process, "signal", partial(handler, number, None))
            return
        self._pending.append(number)
        waiting, self._waiting = self._waiting, []
        for ticket in waiting:
            machine.wake(ticket)

    def wait(self, machine: Machine, nanos: int | None) -> int | None:
        """`signal.sigtimedwait`; None = no end."""
        if not self._pending:
            self._waiting.append(machine.ticket())
            machine.wait(nanos)
        return self._pending.pop(0) if self._pending else None


class Machine:
    """See the module. ``random`` is the only source of chance in a run."""

    def __init__(self, seed: int, breath: float = 0.0, *, tells: bool = False) -> None:
        self.random = machine_random(seed)
        self.now = START
        self.breath = breath
        self.tells = tells  # every message too
        self.failure: BaseException | None = None
        self.notes: deque[tuple[int, str, str]] = deque(maxlen=_NOTES_KEPT)
        self.switches = 0
        self._queue: list[tuple[int, float, int, Callable[[], object]]] = []
        self._order = count()
        self._hub: greenlet | None = None
        self._tasks: list[Task] = []
        self._is_over = False
        self.current: Task | None = None

    # --- what happens when

    def at(self, when: int, action: Callable[[], object]) -> None:
        """Does something at an instant; things of the same instant in an order of chance."""
        heappush(self._queue, (when, self.random.random(), next(self._order), action))

    def after(self, nanos: int, action: Callable[[], object]) -> None:
        """Does something later."""
        self.at(self.now + nanos, action)

    def run(self, until: int) -> None:
        """Lets time pass. Raises what a check or an unexpected failure raised."""
        self._hub = getcurrent()
        queue = self._queue
        while queue and queue[0][0] <= until:
            when, _, _, action = heappop(queue)
            self.now = max(self.now, when)
            action()
            if self.failure is not None:
                raise self.failure
        self.now = max(self.now, until)

    def close(self) -> None:
        """Ends every task, whatever it waits for."""
        self._is_over = True
        for task in self._tasks:
            task.process.is_alive = False
            while not task.greenlet.dead and task.greenlet:
                task.greenlet.throw(GreenletExit)
        self._queue.clear()

    def note(self, who: str, what: str) -> None:
        """A line of the story, for whoever reads about a failing seed."""
        self.notes.append((self.now, who, what))

    # --- tasks

    def spawn(self, process: Process, name: str, work: Callable[[], object]) -> Task:
        """Starts a task of a process."""
        task = Task(process, name, greenlet(None))
        task.greenlet.run = partial(self._work, task, work)
        process.tasks.append(task)
        self._tasks.append(task)
        self.at(self.now, partial(self._switch, task, 0, None))
        return task

    def _work(self, task: Task, work: Callable[[], object], _first: object) -> None:
        try:
            work()
        except GreenletExit:
            pass
        except BaseException as error:  # noqa: BLE001 - `run` raises it
            if not self._is_over and task.process.is_alive:
                self.failure = error
        task.is_done = True
        if not self._is_over:
            for action in task.ended:
                action()

    def _switch(self, task: Task, turn: int, value: object) -> None:
        if task.turn != turn or not task.process.is_alive or task.is_done:
            return
        if task.process.is_frozen:
            task.process.held_back.append((task, turn, value))
            return
        task.turn += 1
        self.switches += 1
        before, self.current = self.current, task
        task.greenlet.parent = getcurrent()
        task.greenlet.switch(value)
        self.current = before

    def wait(self, nanos: int | None = None) -> object:
        """The current task waits for `wake`; returns its value, or TIMED_OUT."""
        task = self.current
        assert task is not None, "only a task can wait"
        if self._is_over:
            raise GreenletExit
        if nanos is not None:
            self.at(self.now + max(0, nanos), partial(self._switch, task, task.turn, TIMED_OUT))
        assert self._hub is not None
        return self._hub.switch()

    def ticket(self) -> tuple[Task, int]:
        """What wakes the current task from its next wait, and from no other."""
        task = self.current
        assert task is not None, "only a task can wait"
        return task, task.turn

    def wake(self, ticket: tuple[Task, int], value: object = None) -> None:
        """Ends a wait, now; without effect if it has ended already."""
        self.at(self.now, partial(self._switch, *ticket, value))

    def sleep(self, nanos: int) -> None:
        """The current task waits."""
        self.wait(nanos)

    def breathe(self) -> None:
        """Perhaps lets others go first: a thread can lose its processor anywhere."""
        if self.breath and self.current is not None and self.random.random() < self.breath:
            self.wait(self.random.randrange(_BREATH_NANOS))

    # --- processes

    def terminate(self, process: Process) -> None:
        """SIGTERM."""
        process.signals.sent(self, process, Signals.SIGTERM)

    def kill(self, process: Process, code: int = -9) -> None:
        """Ends a process at once: nothing it was doing is finished or undone."""
        if not process.is_alive:
            return
        process.is_alive = False
        process.exit_code = code
        process.held_back.clear()
        for action in process.at_death:
            action()

    def freeze(self, process: Process) -> None:
        """SIGSTOP: nothing of it runs, all of it stays."""
        process.is_frozen = True

    def thaw(self, process: Process) -> None:
        """SIGCONT."""
        process.is_frozen = False
        held, process.held_back = process.held_back, []
        for task, turn, value in held:
            self.at(self.now, partial(self._switch, task, turn, value))

    @property
    def process(self) -> Process:
        """Whose task runs."""
        assert self.current is not None, "no task runs"
        return self.current.process


class Lock:
    """`threading.Lock`, simulated."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._held = False
        self._waiting: deque[tuple[Task, int]] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """See `threading.Lock`."""
        machine = self._machine
        machine.breathe()
        deadline = machine.now + round(timeout * NANOS) if timeout >= 0 else None
        while self._held:
            if not blocking:
                return False
            self._waiting.append(machine.ticket())
            left = None if deadline is None else deadline - machine.now
            if machine.wait(left) is TIMED_OUT:
                return False
        self._held = True
        return True

    def release(self) -> None:
        """See `threading.Lock`."""
        self._held = False
        if self._waiting:
            self._machine.wake(self._waiting.popleft())

    def locked(self) -> bool:
        """See `threading.Lock`."""
        return self._held

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_error: object) -> None:
        self.release()


class RLock:
    """`threading.RLock`, simulated."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._lock = Lock(machine)
        self._owner: Task | None = None
        self._depth = 0

    def __enter__(self) -> None:
        me = self._machine.current
        if self._owner is not me or me is None:
            self._lock.acquire()
            self._owner = me
        self._depth += 1

    def __exit__(self, *_error: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = None
            self._lock.release()


class Event:
    """`threading.Event`, simulated."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._is_set = False
        self._waiting: list[tuple[Task, int]] = []

    def is_set(self) -> bool:
        """See `threading.Event`."""
        return self._is_set

    def set(self) -> None:
        """See `threading.Event`."""
        self._is_set = True
        waiting, self._waiting = self._waiting, []
        for ticket in waiting:
            self._machine.wake(ticket)

    def clear(self) -> None:
        """See `threading.Event`."""
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        """See `threading.Event`."""
        machine = self._machine
        if not self._is_set:
            self._waiting.append(machine.ticket())
            machine.wait(None if timeout is None else round(timeout * NANOS))
        return self._is_set


class Queue:
    """`queue.SimpleQueue`, simulated."""

    def __init__(self, machine: Machine, empty: type[Exception]) -> None:
        self._machine = machine
        self._empty_error = empty
        self._items: deque[Any] = deque()
        self._waiting: deque[tuple[Task, int]] = deque()

    def put(self, item: object) -> None:
        """See `queue.SimpleQueue`."""
        self._items.append(item)
        if self._waiting:
            self._machine.wake(self._waiting.popleft())
        self._machine.breathe()

    def get(self) -> Any:
        """See `queue.SimpleQueue`."""
        while not self._items:
            self._waiting.append(self._machine.ticket())
            self._machine.wait()
        return self._items.popleft()

    def get_nowait(self) -> Any:
        """See `queue.SimpleQueue`."""
        if not self._items:
            raise self._empty_error
        return self._items.popleft()

    def empty(self) -> bool:
        """See `queue.SimpleQueue`."""
        return not self._items

    def qsize(self) -> int:
        """See `queue.SimpleQueue`."""
        return len(self._items)
