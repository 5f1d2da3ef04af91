"""Switches that stop trading: kill, lock, pause; and the operator's cancel.

A kill cancels everything in its scope and refuses new orders; a lock is what a firm does to
itself; a pause leaves resting orders, except those that asked otherwise. None refuses a cancel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kalshi_fix.core import ending, lifecycle
from kalshi_fix.core.answers import DONE, AdminReason, Answer
from kalshi_fix.messages.events import ExchangeChanged, FirmChanged, SessionDefined
from kalshi_fix.model import Reason, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kalshi_fix.core.parties import Firm, Session
    from kalshi_fix.core.state import State
    from kalshi_fix.messages import commands as c


def kill_switch(state: State, command: c.KillSwitch) -> Answer:
    """Carries out KillSwitch for a session, a firm or the exchange."""
    sessions: Iterable[Session]
    if command.scope == Scope.SESSION and command.name in state.sessions:
        session = state.sessions[command.name]
        session.killed = command.killed
        report_session(state, session)
        sessions = (session,)
    elif command.scope == Scope.FIRM and command.name in state.firms:
        firm = state.firms[command.name]
        firm.killed = command.killed
        report_firm(state, firm)
        sessions = firm.sessions.values()
    elif command.scope == Scope.EXCHANGE and not command.name:
        state.killed = command.killed
        report_exchange(state)
        sessions = state.sessions.values()
    else:
        return AdminReason.UNKNOWN_NAME, f"{command.scope} {command.name}"
    state.forget_desks()
    if command.killed:
        orders = [order for session in sessions for order in session.open.values()]
        ending.cancel_many(state, orders, Reason.OPERATOR_CANCEL.value)
    return DONE


def unlock_firm(state: State, command: c.UnlockFirm) -> Answer:
    """Carries out UnlockFirm."""
    firm = state.firms.get(command.firm)
    if firm is None:
        return AdminReason.UNKNOWN_NAME, f"firm {command.firm}"
    lock_firm(state, firm, locked=False)
    return DONE


def lock_firm(state: State, firm: Firm, *, locked: bool) -> None:
    """Makes the exchange refuse (or take again) a firm's new orders."""
    firm.locked = locked
    state.forget_desks()
    report_firm(state, firm)


def set_exchange_status(state: State, command: c.SetExchangeStatus) -> Answer:
    """Carries out SetExchangeStatus: trading in every market of the shard."""
    state.paused = command.paused
    report_exchange(state)
    for market in state.markets.values():
        market.refresh_refusal(state.standstill)
        if state.paused:
            lifecycle.cancel_on_pause(state, market)
    return DONE


def cancel_by_operator(state: State, command: c.CancelByOperator) -> Answer:
    """Carries out CancelByOperator."""
    for session in state.sessions.values():
        order = session.open.get(command.order_id)
        if order is not None:
            ending.cancel(state, order, Reason.OPERATOR_CANCEL.value)
            return DONE
    return AdminReason.ORDER_NOT_FOUND, f"no open order {command.order_id}"


def report_firm(state: State, firm: Firm) -> None:
    """Publishes a firm as it is now."""
    state.out.append(
        FirmChanged(
            state.next_number(),
            state.at,
            firm.name,
            firm.jurisdiction,
            firm.locked,
            firm.killed,
            firm.roles,
        )
    )


def report_session(state: State, session: Session) -> None:
    """Publishes a session's definition as it is now."""
    segment = session.segment
    state.out.append(
        SessionDefined(
            state.next_number(),
            state.at,
            session.name,
            session.firm.name,
            session.sender_comp_id,
            session.target_comp_id,
            session.role,
            session.accounts,
            session.enabled,
            session.killed,
            session.cancel_on_disconnect_default,
            session.max_order_age,
            segment.name,
            session.message_types,
            session.markets,
            session.read_only,
            session.cancel_scope,
            session.cancel_keeps_gtc,
            segment.message_types,
            segment.markets,
            segment.read_only,
        )
    )


def report_exchange(state: State) -> None:
    """Publishes the exchange-wide switches and the trading day."""
    state.out.append(
        ExchangeChanged(
            state.next_number(),
            state.at,
            state.paused,
            state.killed,
            state.date,
            state.day_ends_at,
        )
    )
