"""How a process learns that it is to stop, by SIGTERM or SIGINT.

The rule: no signal handler sets an Event. A handler runs between two steps of the main thread and
can meet the Event's own lock, held by the very thread it interrupts. A process either blocks the
signals and lets one thread wait for them, or, where its children would inherit that, has a handler
that sets a ``StopFlag``.
"""

import contextlib
import queue
import signal
import threading
from typing import Final

SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT})


def block_stop_signals() -> None:
    """Keeps the signals for who waits for them. Before the first thread: threads inherit it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def stop_event() -> threading.Event:
    """An Event that is set when the first signal comes. Ask for it before the first thread."""
    block_stop_signals()
    stop = threading.Event()

    def wait() -> None:
        signal.sigwait(SIGNALS)
        stop.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()
    return stop


class StopFlag:
    """What an Event is, for one waiting thread, and safe to set in a signal handler."""

    def __init__(self) -> None:
        self._is_set = False
        self._wake: queue.SimpleQueue[None] = queue.SimpleQueue()  # its put may interrupt its get

    def set(self) -> None:
        """Ends the wait that is under way, and every later one at once."""
        self._is_set = True
        self._wake.put(None)

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._is_set

    def wait(self, seconds: float) -> bool:
        """Waits until it is set, at most so long; whether it is."""
        if not self._is_set:
            with contextlib.suppress(queue.Empty):
                self._wake.get(timeout=seconds)
        return self._is_set
