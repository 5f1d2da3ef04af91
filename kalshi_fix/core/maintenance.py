"""The maintenance window: announced to everybody, then nobody is connected until it is over.

Gateways tell the clients (News, Logout); the exchange says when, and refuses Logons meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kalshi_fix.core.answers import DONE, AdminReason, Answer
from kalshi_fix.messages.events import MaintenanceChanged

if TYPE_CHECKING:
    from kalshi_fix.core.state import State
    from kalshi_fix.messages.commands import AnnounceMaintenance


def announce(state: State, command: AnnounceMaintenance) -> Answer:
    """Carries out AnnounceMaintenance; a new announcement replaces the one before."""
    if not command.starts_at and not command.ends_at:
        if not state.maintenance_until:
            return AdminReason.WRONG_STATE, "none is announced"
        _finish(state, "withdrawn")
        return DONE
    if not state.clock < command.starts_at < command.ends_at:
        return AdminReason.INVALID_VALUE, "a window begins later than now and ends after that"
    state.maintenance_from = command.starts_at
    state.maintenance_until = command.ends_at
    state.maintenance_text = command.text
    state.maintenance_begun = False
    _report(state, "announced")
    return DONE


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
    state.maintenance_from = state.maintenance_until = 0
    state.maintenance_text = ""
    state.maintenance_begun = False


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
