"""Rules of a configuration about who may do what: segments, permissions, calendars."""

from collections.abc import Iterator
from datetime import UTC

from kalshi_fix.adapters.settings import SessionSettings, Settings
from kalshi_fix.fix import tables
from kalshi_fix.model import Role, Scope
from kalshi_fix.services.session_calendar import Calendar

NO_CALENDAR = "none"
_WARNING_MINUTES_MAX = 1_440
CANCEL_SCOPES = (Scope.SESSION.value, Scope.FIRM.value)
SEVERITIES = ("", "page", "ticket")  # of a session that is not there
KNOWN_MESSAGES = tables.ORDER_ENTRY_MESSAGES | tables.MARKET_DATA_MESSAGES | {tables.REPLAY_REQUEST}


def people_faults(settings: Settings) -> Iterator[str]:
    """What does not fit, as ``key: what is allowed``."""
    names = [segment.name for segment in settings.segments]
    for name in names:
        if names.count(name) > 1:
            yield f"segments.name: {name!r} stands there {names.count(name)} times"
    for index, segment in enumerate(settings.segments):
        yield from _messages(f"segments[{index}]", segment.message_types)
    roles = {firm.name: firm.roles for firm in settings.firms}
    for index, firm in enumerate(settings.firms):
        for role in firm.roles:
            if role not in tuple(Role):
                yield f"firms[{index}].roles: {role!r} is not one of {', '.join(Role)}"
    yield from _calendars(settings)
    for index, session in enumerate(settings.sessions):
        yield from _session(f"sessions[{index}]", session, names, roles.get(session.firm, ()))


def _session(
    key: str, session: SessionSettings, segments: list[str], roles: tuple[str, ...]
) -> Iterator[str]:
    if session.segment and session.segment not in segments and not session.at_run_time:
        yield f"{key}.segment: {session.segment!r} is not one of {', '.join(segments) or '(none)'}"
    if roles and session.role not in roles:
        yield f"{key}.role: {session.firm} may have {', '.join(roles)}, not {session.role}"
    if session.cancel_scope not in CANCEL_SCOPES:
        yield f"{key}.cancel_scope: {session.cancel_scope!r} is not one of session, firm"
    if session.expected not in SEVERITIES:
        yield f"{key}.expected: {session.expected!r} is not one of page, ticket, or left out"
    yield from _messages(key, session.message_types)


def _calendars(settings: Settings) -> Iterator[str]:
    names = [calendar.name for calendar in settings.calendars]
    roles: list[str] = []
    for index, calendar in enumerate(settings.calendars):
        key = f"calendars[{index}]"
        if calendar.name in {"", NO_CALENDAR} or names.count(calendar.name) > 1:
            yield f"{key}.name: {calendar.name!r} is empty, {NO_CALENDAR!r} or there twice"
        try:
            Calendar.of(calendar.closes, calendar.opens, UTC, 0)
        except ValueError as error:
            yield f"{key}: {error}"
        if not 0 <= calendar.warning_minutes <= _WARNING_MINUTES_MAX:
            yield f"{key}.warning_minutes: allowed is 0..{_WARNING_MINUTES_MAX}"
        for role in calendar.roles:
            if role not in tuple(Role) or role in roles:
                yield f"{key}.roles: {role!r} is no role, or another calendar has it"
        roles += calendar.roles
    for index, session in enumerate(settings.sessions):
        if session.calendar and session.calendar not in {*names, NO_CALENDAR}:
            known = ", ".join([*names, NO_CALENDAR])
            yield f"sessions[{index}].calendar: {session.calendar!r} is not one of {known}"


def _messages(key: str, message_types: tuple[str, ...]) -> Iterator[str]:
    for name in message_types:
        if name not in KNOWN_MESSAGES:
            yield f"{key}.message_types: {name!r} is not one of {', '.join(sorted(KNOWN_MESSAGES))}"
