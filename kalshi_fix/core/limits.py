"""Limits of a firm, an account or a session, changeable live, with changes that expire.

A change without an end replaces the value for good; one with an end lies on top until then. Names
are those of ``SetLimits``; 0 or absent is no limit. What a limit means is decided in ``risk``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import Factory, define

from kalshi_fix.core.answers import DONE, AdminReason, Answer
from kalshi_fix.messages.amounts import format_limit
from kalshi_fix.messages.events import LimitsChanged
from kalshi_fix.model import Scope

if TYPE_CHECKING:
    from kalshi_fix.core.parties import Account, Firm, Session
    from kalshi_fix.core.state import State
    from kalshi_fix.messages.commands import SetLimits

NAMES: Final = (
    "order_size",
    "order_value",
    "open_orders",
    "position",
    "exposure",
    "price_distance",
)


@define(slots=True, eq=False)
class Limits:
    """``values`` is what counts now: ``base`` with every unexpired change on top."""

    scope: str
    name: str
    base: dict[str, int] = Factory(dict)
    changes: list[tuple[int, dict[str, int]]] = Factory(list)
    values: dict[str, int] = Factory(dict)

    def set(self, limits: dict[str, int], expires_at: int) -> None:
        """Applies a change; one without an end also overrules what lies on top."""
        if expires_at:
            self.changes.append((expires_at, dict(limits)))
        else:
            self.base.update(limits)
            for _, change in self.changes:
                for name in limits:
                    change.pop(name, None)
        self.refresh(0)

    def refresh(self, now: int) -> bool:
        """Drops changes that have ended by ``now``; says whether any did."""
        kept = [(end, change) for end, change in self.changes if end > now and change]
        expired = any(end <= now for end, _ in self.changes)
        self.changes = kept
        values = dict(self.base)
        for _, change in kept:
            values.update(change)
        self.values = {name: value for name, value in values.items() if value}
        return expired

    @property
    def expires_at(self) -> int:
        """The next instant a change ends, 0 = none will."""
        return min((end for end, _ in self.changes), default=0)


def find(state: State, scope: str, name: str) -> Limits | None:
    """The limits of a firm, account or session."""
    owner: Firm | Account | Session | None = None
    if scope == Scope.FIRM:
        owner = state.firms.get(name)
    elif scope == Scope.ACCOUNT:
        owner = state.accounts.get(name)
    elif scope == Scope.SESSION:
        owner = state.sessions.get(name)
    return None if owner is None else owner.limits


def set_limits(state: State, command: SetLimits) -> Answer:
    """Carries out SetLimits."""
    limits = find(state, command.scope, command.name)
    if limits is None:
        return AdminReason.UNKNOWN_NAME, f"{command.scope} {command.name}"
    for name, value in command.limits.items():
        if name not in NAMES or value < 0:
            return AdminReason.INVALID_VALUE, format_limit(name, value)
    if command.lasts and command.expires_at:
        return AdminReason.INVALID_VALUE, "a change ends at an instant or after a time, not both"
    expires_at = state.clock + command.lasts if command.lasts else command.expires_at
    if expires_at and expires_at <= state.clock:
        return AdminReason.INVALID_VALUE, "the change would have expired already"
    limits.set(command.limits, expires_at)
    if limits.changes:
        state.expiring_limits[command.scope, command.name] = limits
    else:
        state.expiring_limits.pop((command.scope, command.name), None)
    _changed(state, limits)
    return DONE


def expire(state: State) -> None:
    """Ends the changes whose time has come."""
    for key, limits in sorted(state.expiring_limits.items()):
        if limits.expires_at > state.clock:
            continue
        limits.refresh(state.clock)
        if not limits.changes:
            del state.expiring_limits[key]
        _changed(state, limits)


def _changed(state: State, limits: Limits) -> None:
    state.forget_desks()
    state.out.append(
        LimitsChanged(
            state.next_number(),
            state.at,
            limits.scope,
            limits.name,
            dict(limits.values),
            limits.expires_at,
        )
    )
