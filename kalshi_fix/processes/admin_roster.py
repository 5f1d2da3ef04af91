"""Sessions added, changed and removed at run time: the roster, the exchange, then the processes.

The exchange is told first where it may refuse; the roster is written next, so that a restart finds
it; then whoever runs the processes is told, so that edge and lanes follow. Credentials are taken
as scrypt hashes and public keys only, and go into the roster, never onto the bus.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import evolve

from kalshi_fix.adapters.config import ConfigError
from kalshi_fix.adapters.edge.credentials import read_public_key
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.roster import Roster, lane_name
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.services import admin_fields as f
from kalshi_fix.services.admin import Answer, InvalidRequestError, RefusedError, Request, Status
from kalshi_fix.services.admin_fields import Reader

ADD: Final = "sessions.add"
REMOVE: Final = "sessions.remove"
CREDENTIALS: Final = "sessions.credentials"
CHANGES: Final = frozenset({ADD, REMOVE, CREDENTIALS})

_CREDENTIALS: Final[Mapping[str, Reader]] = {
    "username": f.optional_name,
    "password_scrypt": f.text,
    "public_key": f.pem,
}
# What the roster keeps of an added session, beside what the exchange is told.
_OWN: Final[Mapping[str, Reader]] = {
    **_CREDENTIALS,
    "addresses": f.names,
    "microseconds": f.flag,
    "reset_on_logon": f.flag,
}
_SHARED: Final = (
    "accounts", "segment", "message_types", "markets", "read_only", "cancel_on_disconnect",
    "cancel_scope", "cancel_keeps_gtc",
)  # fmt: skip
Change = Callable[[str, Request], Answer]


class SessionRoster:
    """Carries the three operations out, one at a time."""

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
        own = _read(request, _OWN if request.operation == ADD else _CREDENTIALS)
        told = evolve(
            request, args={k: v for k, v in request.args.items() if k not in own and v is not None}
        )
        if request.operation == ADD:
            told = evolve(told, args=_identity(told.args))
            changed = roster.adding(name, {**_row(told.args), **own}, self._configured)
        elif request.operation == REMOVE:
            changed = roster.removing(name)
        else:
            if not own:
                raise InvalidRequestError("password_scrypt or public_key is missing")
            changed = roster.changing(name, own)
        changed.apply(self._configured)  # refuses what is not allowed, before anything happens
        answer = self._change(operator, told)
        if answer.status != Status.DONE:
            return answer
        changed.save()
        return answer if self._follow() else evolve(answer, detail="in force after a restart")


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
