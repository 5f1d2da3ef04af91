"""Rules of a configuration about who may do what: segments, permissions, cancel on disconnect."""

from collections.abc import Iterator

from kalshi_fix.adapters.settings import SessionSettings, Settings
from kalshi_fix.fix import tables
from kalshi_fix.model import Role, Scope

CANCEL_SCOPES = (Scope.SESSION.value, Scope.FIRM.value)
SEVERITIES = ("", "page", "ticket")  # of a session that is not there
KNOWN_MESSAGES = tables.ORDER_ENTRY_MESSAGES | tables.MARKET_DATA_MESSAGES


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
    for index, session in enumerate(settings.sessions):
        yield from _session(f"sessions[{index}]", session, names, roles.get(session.firm, ()))


def _session(
    key: str, session: SessionSettings, segments: list[str], roles: tuple[str, ...]
) -> Iterator[str]:
    if session.segment and session.segment not in segments:
        yield f"{key}.segment: {session.segment!r} is not one of {', '.join(segments) or '(none)'}"
    if roles and session.role not in roles:
        yield f"{key}.role: {session.firm} may have {', '.join(roles)}, not {session.role}"
    if session.cancel_scope not in CANCEL_SCOPES:
        yield f"{key}.cancel_scope: {session.cancel_scope!r} is not one of session, firm"
    if session.expected not in SEVERITIES:
        yield f"{key}.expected: {session.expected!r} is not one of page, ticket, or left out"
    yield from _messages(key, session.message_types)


def _messages(key: str, message_types: tuple[str, ...]) -> Iterator[str]:
    for name in message_types:
        if name not in KNOWN_MESSAGES:
            yield f"{key}.message_types: {name!r} is not one of {', '.join(sorted(KNOWN_MESSAGES))}"
