"""What operators order about a session's connection and numbers: log out, reset, set numbers.

The exchange only decides and publishes; the gateway that serves the session carries it out. A
reset begins a new epoch here, so that a client which starts again at 1 is not taken for a repeat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kalshi_fix.core.answers import DONE, AdminReason, Answer
from kalshi_fix.messages.events import SessionManaged

if TYPE_CHECKING:
    from kalshi_fix.core.state import State
    from kalshi_fix.messages.commands import ManageSession

LOG_OUT: Final = "logout"
RESET: Final = "reset"
SET_NUMBERS: Final = "set-numbers"


def manage_session(state: State, command: ManageSession) -> Answer:
    """Carries out ManageSession. Numbers change only while nobody is connected."""
    session = state.sessions.get(command.session)
    if session is None:
        return AdminReason.UNKNOWN_NAME, f"session {command.session}"
    if command.action != LOG_OUT and session.is_open:
        return AdminReason.WRONG_STATE, "the session is connected: log it out first"
    if command.action == RESET:
        session.epoch += 1
        session.high_water = session.confirmed = 0
    elif command.action == SET_NUMBERS:
        if min(command.next_incoming, command.next_outgoing) < 0:
            return AdminReason.INVALID_VALUE, "a number is not negative"
        if 0 < command.next_incoming <= session.high_water:
            # what comes again under a number already taken would be dropped as a repeat
            return (
                AdminReason.INVALID_VALUE,
                f"numbers up to {session.high_water} have been taken: reset the session instead",
            )
    elif command.action != LOG_OUT:
        return AdminReason.INVALID_VALUE, f"action {command.action}"
    state.out.append(
        SessionManaged(
            state.next_number(),
            state.at,
            session.firm.name,
            session.name,
            command.action,
            command.next_incoming,
            command.next_outgoing,
            command.text,
            session.epoch,
        )
    )
    return DONE
