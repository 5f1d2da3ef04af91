"""What operators change about a lane's live sessions, taken up without a restart.

The roster file is looked at when it has changed; the next message obeys another throttle, and
another calendar is handed on. What cannot be read changes nothing. What the exchange keeps of a
session comes by its events, not from here.
"""

from collections.abc import Iterable
from typing import Final

from kalshi_fix.adapters.config import ConfigError
from kalshi_fix.adapters.logs import Log
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.roster import Roster
from kalshi_fix.adapters.settings import SessionSettings, ThrottleSettings
from kalshi_fix.services.throttle import Throttle, ThrottleLimits

_NEVER: Final = (0, 0)


def throttle_limits(throttle: ThrottleSettings) -> ThrottleLimits:
    """A configured throttle as the service has it."""
    return ThrottleLimits(
        tokens_per_second=throttle.tokens_per_second,
        burst_tokens=throttle.burst_tokens,
        cancel_tokens_per_second=throttle.cancel_tokens_per_second,
        violations_before_logout=throttle.violations_before_logout,
        mass_cancels_per_second=throttle.mass_cancels_per_second,
        inquiries_per_second=throttle.inquiries_per_second,
    )


class RosterWatch:
    """See the module. ``look`` on the pulse's thread."""

    def __init__(self, sessions: Iterable[SessionSettings], data: DataDir, log: Log) -> None:
        self._sessions = {session.name: session for session in sessions}  # as they are now
        self.throttle = Throttle(
            {name: throttle_limits(now.throttle) for name, now in self._sessions.items()}
        )
        self._path = data.roster
        self._log = log
        self._seen = self._stamp()

    def look(self) -> list[SessionSettings]:
        """Takes up what has changed since the last look; returns sessions with other calendars."""
        stamp = self._stamp()
        if stamp == self._seen:
            return []
        self._seen = stamp
        try:
            roster = Roster.load(self._path)
            changed = {name: roster.session(now) for name, now in self._sessions.items()}
        except ConfigError as error:
            self._log.error("roster_not_taken_up", error=str(error))
            return []
        for name, session in changed.items():
            if session.throttle != self._sessions[name].throttle:
                self.throttle.change(name, throttle_limits(session.throttle))
                self._log.info("throttle_changed", session=name)
        before, self._sessions = self._sessions, changed
        return [now for name, now in changed.items() if now.calendar != before[name].calendar]

    def _stamp(self) -> tuple[int, int]:
        """Tells one state of the file from another: it is replaced as a whole, never written to."""
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return _NEVER
        return found.st_ino, found.st_mtime_ns
