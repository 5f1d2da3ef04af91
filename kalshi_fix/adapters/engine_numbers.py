"""Nobody comes while somebody goes: connections to the engine and their ends kept apart.

The engine looks once more at a socket it has closed, by its number; a connection accepted in that
moment would get the number, and its bytes would be read by the wrong thread. So an end waits for
the one arrival that is under way, and an arrival for the ends. All waits are bounded: what goes
wrong then is noticed (`Wire.stand_in`), and costs the newcomer its connection, no more.
"""

import threading
import time


class Arrivals:
    """See the module. Arrivals come one at a time, so each one's socket can be told."""

    def __init__(self, arrival_seconds: float, end_seconds: float) -> None:
        self._arrival_seconds = arrival_seconds
        self._end_seconds = end_seconds
        self._changed = threading.Condition()
        self._coming = ""
        self._going: dict[str, float] = {}  # session -> until when it is waited for

    def come(self, connection: str) -> None:
        """A connection is about to be told where the engine is."""
        with self._changed:
            self._changed.wait_for(self._is_quiet, self._arrival_seconds)
            self._coming = connection

    def came(self, connection: str) -> None:
        """Its Logon is with the engine."""
        with self._changed:
            if self._coming == connection:
                self._coming = ""
                self._changed.notify_all()

    def go(self, session: str) -> None:
        """A session is about to end; called before the engine closes its socket."""
        with self._changed:
            self._going[session] = time.monotonic() + self._end_seconds
            self._changed.wait_for(lambda: not self._coming, self._end_seconds)
            self._going[session] = time.monotonic() + self._end_seconds

    def gone(self, session: str) -> None:
        """The number of its socket is taken care of."""
        with self._changed:
            if self._going.pop(session, None) is not None:
                self._changed.notify_all()

    def _is_quiet(self) -> bool:
        now = time.monotonic()
        for session, until in tuple(self._going.items()):
            if now > until:  # it did not end after all
                del self._going[session]
        return not self._coming and not self._going
