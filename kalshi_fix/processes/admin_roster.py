"""Sessions added, changed and removed at run time: the roster, the exchange, then the processes.

The exchange is told first where it may refuse; the roster is written next, so that a restart finds
it; then whoever runs the processes is told, so that edge and lanes follow. Credentials are taken
as scrypt hashes and public keys only, and go into the roster, never onto the bus.
"""

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from attrs import evolve

from kalshi_fix.adapters.config import ConfigError
from kalshi_fix.adapters.edge.credentials import read_public_key
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.roster import Roster, lane_name
from kalshi_fix.adapters.settings import SessionSettings, Settings
from kalshi_fix.model import NANOS
from kalshi_fix.services import admin_fields as f
from kalshi_fix.services.admin import Answer, InvalidRequestError, RefusedError, Request, Status
from kalshi_fix.services.admin_fields import Reader

ADD: Final = "sessions.add"
REMOVE: Final = "sessions.remove"
CREDENTIALS: Final = "sessions.credentials"
THROTTLE: Final = "sessions.throttle"
CALENDAR: Final = "sessions.calendar"
ACCESS: Final = "sessions.access"  # changes nothing
CHANGES: Final = frozenset({ADD, REMOVE, CREDENTIALS, THROTTLE, CALENDAR})

_CREDENTIALS: Final[Mapping[str, Reader]] = {
    "username": f.optional_name,
    "password_scrypt": f.text,
    "public_key": f.pem,
}
_KEEP_OLD: Final = "keep_old"
_BUCKETS: Final = (
    "tokens_per_second", "burst_tokens", "cancel_tokens_per_second", "violations_before_logout",
    "mass_cancels_per_second", "inquiries_per_second",
)  # fmt: skip
_THROTTLE: Final[Mapping[str, Reader]] = dict.fromkeys(_BUCKETS, f.count)
# What the roster keeps of an added session, beside what the exchange is told.
_OWN: Final[Mapping[str, Reader]] = {
    **_CREDENTIALS,
    "addresses": f.names,
    "microseconds": f.flag,
    "reset_on_logon": f.flag,
    "calendar": f.text,
}
_FIELDS: Final[Mapping[str, Mapping[str, Reader]]] = {
    ADD: _OWN,
    CREDENTIALS: _CREDENTIALS,
    THROTTLE: _THROTTLE,
    CALENDAR: {"calendar": f.text},
}
_KEEP_OLD_SECONDS_MAX: Final = 30 * 86_400
_SHARED: Final = (
    "accounts", "segment", "message_types", "markets", "read_only", "cancel_on_disconnect",
    "cancel_scope", "cancel_keeps_gtc",
)  # fmt: skip
Change = Callable[[str, Request], Answer]


class SessionRoster:
    """Carries the operations out, one at a time."""

    def __init__(
        self, configured: Settings, data: DataDir, change: Change, follow: Callable[[], bool]
    ) -> None:
        """Builds it.

        Args:
            configured: The configuration without the roster.
            data: Holds the roster.
            change: Has the exchange carry a request out.
            follow: Makes edge and lanes follow the roster; False: they will only later.
        """
        self._configured = configured
        self._data = data
        self._change = change
        self._follow = follow
        self._lock = threading.Lock()

    def carry_out(self, operator: str, request: Request) -> Answer:
        """The answer to one of `CHANGES`.

        Raises:
            InvalidRequestError: a field is missing or malformed.
            RefusedError: there is (or is not) such a session already.
        """
        with self._lock:
            try:
                return self._carry_out(operator, request)
            except ConfigError as error:
                raise InvalidRequestError(str(error).partition(": ")[2]) from error

    def _carry_out(self, operator: str, request: Request) -> Answer:
        roster = Roster.load(self._data.roster)
        settings = roster.apply(self._configured)
        name = str(request.args.get("session", ""))
        is_known = any(session.name == name for session in settings.sessions)
        if is_known == (request.operation == ADD):
            raise RefusedError("SESSION_EXISTS" if is_known else "SESSION_NOT_FOUND")
        own = _read(request, _FIELDS.get(request.operation, {}))
        told = evolve(
            request,
            args={
                name: value
                for name, value in request.args.items()
                if name not in own and name != _KEEP_OLD and value is not None
            },
        )
        if request.operation == ADD:
            told = evolve(told, args=_identity(told.args))
            changed = roster.adding(name, {**_row(told.args), **own}, self._configured)
        elif request.operation == REMOVE:
            changed = roster.removing(name)
        elif not own:
            raise InvalidRequestError("nothing to change is named")
        elif request.operation == THROTTLE:
            changed = roster.changing(name, {"throttle": own})
        elif request.operation == CALENDAR:
            changed = roster.changing(name, own)
        else:
            kept = _kept(_named(settings, name), request.args.get(_KEEP_OLD))
            changed = roster.changing(name, {**own, **kept})
        changed.apply(self._configured)  # refuses what is not allowed, before anything happens
        answer = self._change(operator, told)
        if answer.status != Status.DONE:
            return answer
        changed.save()
        return answer if self._follow() else evolve(answer, detail="in force after a restart")

    def access(self) -> Answer:
        """How every session proves who it is, from where it may come, and its throttle."""
        settings = Roster.load(self._data.roster).apply(self._configured)
        return Answer(status=Status.DONE, rows=tuple(map(_access, settings.sessions)))


def _named(settings: Settings, name: str) -> SessionSettings:
    return next(session for session in settings.sessions if session.name == name)


def _kept(session: SessionSettings, keep_old: object) -> dict[str, Any]:
    """The credentials that stay good beside the new ones, and until when; none unless wanted."""
    seconds = 0 if keep_old is None else _seconds(keep_old)
    until = time.time_ns() // NANOS + seconds
    return {
        "old_password_scrypt": session.password_scrypt if seconds else "",
        "old_public_key": session.public_key if seconds else "",
        "old_credentials_until": _iso(until) if seconds else 0,
    }


def _seconds(keep_old: object) -> int:
    try:
        seconds: int = f.count(keep_old)
    except ValueError as error:
        raise InvalidRequestError(f"{_KEEP_OLD}: {error}") from error
    if seconds > _KEEP_OLD_SECONDS_MAX:
        raise InvalidRequestError(f"{_KEEP_OLD}: allowed are {_KEEP_OLD_SECONDS_MAX} seconds")
    return seconds


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _access(session: SessionSettings) -> dict[str, Any]:
    until = session.old_credentials_until
    return {
        "session": session.name,
        "password": bool(session.password_scrypt),
        "public_key": bool(session.public_key),
        "old_ones_until": _iso(until // NANOS) if until > time.time_ns() else "",
        "open_on_loopback": session.open_on_loopback,
        "addresses": list(session.addresses),
        "certificate_required": session.certificate_required,
        "calendar": session.calendar,
        **{name: getattr(session.throttle, name) for name in _BUCKETS},
    }


def _read(request: Request, fields: Mapping[str, Reader]) -> dict[str, Any]:
    """The fields of a request that are the roster's."""
    found: dict[str, Any] = {}
    for name, read in fields.items():
        given = request.args.get(name)
        if given is None:
            continue
        try:
            found[name] = read(given)
            if name == "public_key":
                read_public_key(found[name])
        except ValueError as error:
            raise InvalidRequestError(f"{name}: {error}") from error
    return found


def _identity(args: Mapping[str, Any]) -> dict[str, Any]:
    """The request with its CompIDs, which follow from name and role where they are not given."""
    name = args.get("session", "")
    sender = args.get("sender_comp_id", name)
    target = args.get("target_comp_id", f"Kalshi{args.get('role', '')}")
    return {**args, "sender_comp_id": sender, "target_comp_id": target}


def _row(args: Mapping[str, Any]) -> dict[str, Any]:
    """What the configuration of the new session holds; the exchange judges the values."""
    named = ("sender_comp_id", "target_comp_id", "role", "firm")
    missing = [name for name in ("role", "firm") if not args.get(name)]
    if missing:
        raise InvalidRequestError(f"{missing[0]} is missing")
    row = {name: args[name] for name in (*named, *_SHARED) if name in args}
    return {**row, "lane": lane_name(str(args.get("session", "")))}
