"""The maintenance window: announced to everybody, then nobody is connected until it is over.

Gateways tell the clients (News, Logout); the exchange says when, and refuses Logons meanwhile. A
drain is a window that begins a moment from now and refuses Logons and new orders at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kalshi_fix.core.answers import DONE, AdminReason, Answer
from kalshi_fix.messages.events import MaintenanceChanged

if TYPE_CHECKING:
    from kalshi_fix.core.state import State
    from kalshi_fix.messages.commands import AnnounceMaintenance, Drain


def announce(state: State, command: AnnounceMaintenance) -> Answer:
    """Carries out AnnounceMaintenance; a new announcement replaces the one before."""
    if not command.starts_at and not command.ends_at:
        if not state.maintenance_until:
            return AdminReason.WRONG_STATE, "none is announced"
        _finish(state, "withdrawn")
        return DONE
    if not state.clock < command.starts_at < command.ends_at:
        return AdminReason.INVALID_VALUE, "a window begins later than now and ends after that"
    _plan(state, command.starts_at, command.ends_at, command.text, draining=False)
    _report(state, "announced")
    return DONE


def drain(state: State, command: Drain) -> Answer:
    """Carries out Drain: as a window announced, and nothing new is taken until it is over."""
    if command.grace < 0 or command.lasts <= 0:
        return AdminReason.INVALID_VALUE, "a drain takes time"
    starts_at = state.clock + command.grace
    _plan(state, starts_at, starts_at + command.lasts, command.text, draining=True)
    _report(state, "draining")
    return DONE


def _plan(state: State, starts_at: int, ends_at: int, text: str, *, draining: bool) -> None:
    state.maintenance_from = starts_at
    state.maintenance_until = ends_at
    state.maintenance_text = text
    state.maintenance_begun = False
    _set_draining(state, draining=draining)


def _set_draining(state: State, *, draining: bool) -> None:
    state.draining = draining
    for market in state.markets.values():
        market.refresh_refusal(state.standstill)


def run(state: State) -> None:
    """Begins and ends an announced window when its time has come."""
    if state.clock >= state.maintenance_until:
        _finish(state, "over")
    elif state.clock >= state.maintenance_from and not state.maintenance_begun:
        state.maintenance_begun = True
        _report(state, "begun")


def remind(state: State, session: str) -> None:
    """Tells a session that has just come what was announced before."""
    if state.maintenance_until and not state.maintenance_begun:
        _report(state, "announced", session)


def _finish(state: State, phase: str) -> None:
    _report(state, phase)
    _plan(state, 0, 0, "", draining=False)


def _report(state: State, phase: str, session: str = "") -> None:
    state.out.append(
        MaintenanceChanged(
            state.next_number(),
            state.at,
            phase,
            state.maintenance_from,
            state.maintenance_until,
            state.maintenance_text,
            session,
        )
    )
