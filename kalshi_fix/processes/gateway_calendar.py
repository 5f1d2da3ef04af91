"""The session calendar of a lane: News before a close, Logout at it, numbers at 1 after it.

The exchange begins the new epoch, as for an operator's reset, under a request id that names session
and close; so it happens once, whoever asks how often. A small file says which close was the last
one dealt with; a close that passed while no gateway ran is made up for at the start. Until that is
done nobody may log on.
"""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import define, field

from kalshi_fix.adapters.engine import Engine
from kalshi_fix.adapters.logs import Log
from kalshi_fix.adapters.settings import SessionSettings, Settings
from kalshi_fix.adapters.trading_day import ZONE
from kalshi_fix.fix.outbound_answers import news
from kalshi_fix.fix.time_text import utc_text
from kalshi_fix.messages.commands import ManageSession
from kalshi_fix.messages.events import AdminAnswered
from kalshi_fix.model import NANOS, Reason
from kalshi_fix.processes.gateway_commands import Process
from kalshi_fix.processes.gateway_link import Link
from kalshi_fix.processes.gateway_outgoing import Outgoing
from kalshi_fix.services.session_calendar import Calendar, Window

HEADLINE: Final = "SESSION_CLOSE"
RESET_TEXT: Final = "SESSION_RESET numbers start at 1"
OPERATOR: Final = "calendar"
_ASK_AGAIN: Final = 1 * NANOS
_POLL_SECONDS: Final = 0.01


def calendar_of(settings: Settings, session: SessionSettings) -> Calendar | None:
    """A session's own calendar, else its role's; None where it has neither."""
    for found in settings.calendars:
        if found.name == session.calendar or (not session.calendar and session.role in found.roles):
            warning = found.warning_minutes * 60 * NANOS
            return Calendar.of(found.closes, found.opens, ZONE, warning)
    return None


@define(slots=True, eq=False)
class _Session:
    """One session's calendar and how far it has been followed."""

    link: Link
    calendar: Calendar
    window: Window
    logged_out: int = 0  # the close that was told with a Logout
    warned: tuple[int, str] = (0, "")  # the close, and the connection that was told of it
    attempt: int = 0
    asked: str = ""  # request id that waits for its answers
    asked_at: int = 0
    answers: dict[int, str] = field(factory=dict)  # by shard


class SessionCalendars:
    """See the module. ``turn`` on the pulse's thread, ``answered`` on the readers'."""

    def __init__(  # noqa: PLR0917 - what a lane has, in its order
        self,
        links: Mapping[str, Link],
        settings: Settings,
        path: Path,
        process: Process,
        engine: Engine,
        log: Log,
    ) -> None:
        self._path = path
        self._links = links
        self._settings = settings
        self._process = process
        self._engine = engine
        self._shards = len(settings.core.shards)
        self._log = log
        self._done: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        self._sessions: dict[str, _Session] = {}
        for link in links.values():
            self._follow(link, link.settings)
        if self._sessions:
            self._save()

    def change(self, settings: SessionSettings) -> None:
        """A session has another calendar, or none any more; that one's next close is its first."""
        self._sessions.pop(settings.name, None)
        self._done.pop(settings.name, None)
        self._links[settings.name].is_closed = False
        self._follow(self._links[settings.name], settings)
        self._save()
        self._log.info("calendar_changed", session=settings.name, calendar=settings.calendar)

    def _follow(self, link: Link, settings: SessionSettings) -> None:
        calendar = calendar_of(self._settings, settings)
        if calendar is None:
            return
        window = calendar.window(time.time_ns())
        # new to a calendar: begins with the next close
        self._done.setdefault(link.name, window.closed_at)
        self._sessions[link.name] = _Session(link, calendar, window)

    def turn(self, at: int) -> None:
        """Does what is due; ``at`` in ns UTC."""
        for name, session in self._sessions.items():
            if at >= session.window.until:
                session.window = session.calendar.window(at)
            session.link.is_closed = session.window.is_closed
            if self._done[name] < session.window.closed_at:
                self._close(name, session, at)
            elif at >= session.window.closes_at - session.calendar.warning:
                self._warn(session)

    def refusal(self, name: str, wait_seconds: float) -> str:
        """Why nobody may log on to a session now; empty if somebody may. Waits for a reset."""
        session = self._sessions.get(name)
        if session is None:
            return ""
        deadline = time.monotonic() + wait_seconds
        while True:
            window = session.calendar.window(time.time_ns())
            if window.is_closed:
                return f"{Reason.SESSION_CLOSED} until {_text(window.opens_at)}"
            if self._done.get(name, 0) >= window.closed_at:  # it may be given another just now
                return ""
            if time.monotonic() > deadline:
                return f"{Reason.SESSION_CLOSED} numbers are being reset"
            time.sleep(_POLL_SECONDS)

    def answered(self, shard: int, event: AdminAnswered) -> None:
        """A shard's answer to a reset of ours."""
        if event.operator != OPERATOR:
            return
        for session in tuple(self._sessions.values()):
            if session.asked == event.request_id:
                session.answers[shard] = event.reason

    # --- inside

    def _warn(self, session: _Session) -> None:
        outbox, window = session.link.outbox, session.window
        if not outbox.is_here or session.warned == (window.closes_at, outbox.connection):
            return
        session.warned = (window.closes_at, outbox.connection)
        after = session.calendar.window(window.closes_at)
        opens = f"opens at {_text(after.opens_at)}" if after.is_closed else "Logon again at once"
        line = f"closes at {_text(window.closes_at)}; numbers start at 1; {opens}"
        outbox.put(Outgoing(news(HEADLINE, line)))

    def _close(self, name: str, session: _Session, at: int) -> None:
        """One step towards a session that is logged out and whose numbers are 1 and 1."""
        link, window = session.link, session.window
        if link.outbox.is_here:
            if session.logged_out != window.closed_at:
                session.logged_out = window.closed_at
                until = f"{Reason.SESSION_CLOSED} until {_text(window.opens_at)}"
                self._engine.log_out(name, until if window.is_closed else RESET_TEXT)
        elif not link.outbox.is_away or self._engine.is_connected(name):
            return
        elif not session.asked:
            self._ask(name, session, at)
        elif len(session.answers) == self._shards:
            self._conclude(name, session, at)
        elif at - session.asked_at > _ASK_AGAIN:
            self._ask(name, session, at)  # under the same id: perhaps the store did not take it

    def _ask(self, name: str, session: _Session, at: int) -> None:
        close = session.window.closed_at // NANOS
        request_id = f"calendar-{name}-{close}-{session.attempt}"
        session.asked, session.asked_at = request_id, at
        session.answers.clear()
        self._process.submit(
            lambda _counter: ManageSession(
                request_id, OPERATOR, "session calendar", at, name, "reset"
            )
        )

    def _conclude(self, name: str, session: _Session, at: int) -> None:
        refused = {reason for reason in session.answers.values() if reason}
        if not refused:
            self._done[name] = session.window.closed_at
            self._save()
            session.asked, session.attempt = "", 0
            self._log.info("session_reset_by_calendar", session=name)
        elif at - session.asked_at > _ASK_AGAIN:  # a shard does not know yet that it is gone
            self._log.warning("session_not_reset_yet", session=name, reasons=sorted(refused))
            session.attempt += 1
            self._ask(name, session, at)

    def _save(self) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("w") as file:
            json.dump(self._done, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)


def _text(at: int) -> str:
    return utc_text(at, microseconds=False)
