"""Which sessions of the engine may log on just now.

The engine resets a session's store on 141=Y before it asks anybody whether the Logon is good. So a
session is shut unless the edge has just announced a Logon: whoever else reaches the engine's port
can neither log on nor reset anything. Knows a session only as something that can be enabled.
"""

import threading
from collections.abc import Mapping
from typing import Any


class Doors:
    """Of one engine's sessions, by name. All are shut at first."""

    def __init__(self, sessions: Mapping[str, Any]) -> None:
        self._sessions = sessions
        self._timers: dict[str, threading.Timer] = {}
        self._lock = threading.Lock()
        for session in sessions.values():
            session.logout()

    def admit(self, name: str, seconds: float) -> None:
        """Opens for one Logon, for so long."""
        timer = threading.Timer(seconds, self._nobody_came, (name,))
        timer.daemon = True
        with self._lock:
            self._forget(name)
            self._timers[name] = timer
            self._sessions[name].logon()
            timer.start()

    def entered(self, name: str) -> None:
        """The session is up: open until it ends."""
        with self._lock:
            self._forget(name)

    def refused(self, name: str) -> None:
        """The announced Logon has come and may not pass; shut."""
        with self._lock:
            self._forget(name)
            self._sessions[name].logout()

    def left(self, name: str) -> None:
        """The session has ended; shut, unless the next Logon has been announced already."""
        with self._lock:
            if name not in self._timers:
                self._sessions[name].logout()

    def _nobody_came(self, name: str) -> None:
        with self._lock:
            timer = self._timers.get(name)
            if timer is not None and timer.ident == threading.get_ident():
                del self._timers[name]
                if not self._sessions[name].isLoggedOn():
                    self._sessions[name].logout()

    def _forget(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        """No more announcements."""
        with self._lock:
            for name in tuple(self._timers):
                self._forget(name)
