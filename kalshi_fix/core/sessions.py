"""Sessions and gateways as the exchange sees them: open, lost, alive; who asked what already.

An opening is answered exactly once per request, and answered again to a writer that repeats it
because it never saw the answer. A session is lost when its gateway says so, when its gateway
falls silent or starts anew, or when another connection takes it over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kalshi_fix.core import ending, maintenance
from kalshi_fix.core.parties import Gateway
from kalshi_fix.messages.events import SessionChanged
from kalshi_fix.model import Reason, Scope, TimeInForce

if TYPE_CHECKING:
    from kalshi_fix.core.parties import Session
    from kalshi_fix.core.state import State
    from kalshi_fix.messages.commands import (
        GatewayAlive,
        ProcessCommand,
        SessionLost,
        SessionOpened,
    )

_CANCEL = Reason.CANCEL_ON_DISCONNECT.value


def is_fresh(state: State, command: ProcessCommand) -> bool:
    """Notes a process's command; False if it was seen before or is of an earlier life.

    Several writers of one process may overtake each other, so a window of counters is kept
    instead of one high-water mark.
    """
    gateway = state.gateways.get(command.process)
    if gateway is None:
        gateway = state.gateways[command.process] = Gateway(command.process)
    if command.boot < gateway.boot:
        return False
    if command.boot > gateway.boot:
        _lose_all(state, gateway)
        gateway.boot, gateway.top, gateway.recent = command.boot, 0, 0
    behind = gateway.top - command.counter
    window = state.config.counter_window
    if behind >= 0:
        if behind >= window or gateway.recent >> behind & 1:
            return False
        gateway.recent |= 1 << behind
    else:
        gateway.recent = (gateway.recent << -behind | 1) & ((1 << window) - 1)
        gateway.top = command.counter
    gateway.alive_at = state.clock
    gateway.is_silent = False
    return True


def opened(state: State, command: SessionOpened) -> None:
    """Carries out SessionOpened and answers it with one SessionChanged."""
    fresh = is_fresh(state, command)
    session = state.sessions.get(command.session)
    if not fresh:
        if session is not None and session.asked == _identity(command):
            _answer(state, session, command)
        return
    if session is None:
        _refuse_unknown(state, command)
        return
    session.asked = _identity(command)
    session.answer = _refusal(state, session, command)
    if not session.answer:
        _open(state, session, command)
    _answer(state, session, command)
    if session.is_open and not session.answer:
        maintenance.remind(state, session.name)


def _open(state: State, session: Session, command: SessionOpened) -> None:
    """Makes a connection the session's; one it takes over is lost."""
    if session.is_open:
        _cancel_what_ends(state, session)
    session.process, session.boot = command.process, command.boot
    session.connection = command.connection
    session.is_open = True
    wish = command.cancel_on_disconnect
    session.cancel_on_disconnect = session.cancel_on_disconnect_default if wish < 0 else bool(wish)
    session.listener = command.listener or session.read_only or session.segment.read_only
    session.venue_tags = command.venue_tags
    session.settlement_reports = command.settlement_reports
    session.signed_at = max(session.signed_at, command.signed_at)
    if command.reset:
        session.epoch += 1
        session.high_water = session.confirmed = 0
    session.desks.clear()


def _answer(state: State, session: Session, command: SessionOpened) -> None:
    _report(
        state,
        session,
        command.process,
        command.counter,
        session.answer,
        command.connection,
        replay=command.replay,
    )


def lost(state: State, command: SessionLost) -> None:
    """Carries out SessionLost, unless a later connection is open."""
    if not is_fresh(state, command):
        return
    session = state.sessions.get(command.session)
    if session is None or not session.is_open or session.connection != command.connection:
        return
    _lose(state, session, command.process, command.counter)


def alive(state: State, command: GatewayAlive) -> None:
    """Carries out GatewayAlive: noting that it came is all."""
    is_fresh(state, command)


def check_liveness(state: State, step: int) -> None:
    """After the clock moved by ``step``: gateways silent too long lose their sessions.

    A large step means that the store or the core was away, not the gateways: they get their
    time anew.
    """
    config = state.config
    for gateway in state.gateways.values():
        if step > config.outage_step:
            gateway.alive_at = state.clock
        elif not gateway.is_silent and state.clock - gateway.alive_at >= config.liveness:
            gateway.is_silent = True
            _lose_all(state, gateway)


def _lose_all(state: State, gateway: Gateway) -> None:
    for session in state.sessions.values():
        if session.is_open and session.process == gateway.name and session.boot == gateway.boot:
            _lose(state, session, gateway.name, 0)


def _lose(state: State, session: Session, process: str, counter: int) -> None:
    session.is_open = False
    session.desks.clear()
    _report(state, session, process, counter, "")
    _cancel_what_ends(state, session)


def _cancel_what_ends(state: State, session: Session) -> None:
    """Cancel on disconnect: the session's orders or its firm's, perhaps without the GTC ones."""
    if not session.cancel_on_disconnect:
        return
    if session.cancel_scope == Scope.FIRM:
        sessions = list(session.firm.sessions.values())
    else:
        sessions = [session]
    orders = [
        order
        for each in sessions
        for order in each.open.values()
        if not (session.cancel_keeps_gtc and order.terms.time_in_force == TimeInForce.GTC)
    ]
    ending.cancel_many(state, orders, _CANCEL)


def _refusal(state: State, session: Session, command: SessionOpened) -> str:
    if not session.enabled:
        return Reason.SESSION_DISABLED.value
    if state.maintenance_begun or state.draining:
        return Reason.MAINTENANCE.value
    if session.firm.roles and session.role not in session.firm.roles:
        return Reason.NOT_ENTITLED.value
    if command.signed_at and command.signed_at <= session.signed_at:
        return Reason.LOGON_REPLAYED.value
    return ""


def _identity(command: SessionOpened) -> tuple[str, int, int]:
    return command.process, command.boot, command.counter


def _report(  # noqa: PLR0917 - who asked, and the answer
    state: State,
    session: Session,
    process: str,
    counter: int,
    reason: str,
    connection: str = "",
    *,
    replay: bool = False,
) -> None:
    state.out.append(
        SessionChanged(
            state.next_number(),
            state.at,
            session.firm.name,
            session.name,
            process,
            counter,
            connection or session.connection,
            session.is_open and not reason,
            session.epoch,
            session.confirmed,
            session.high_water,
            session.cancel_on_disconnect,
            session.listener,
            session.venue_tags,
            session.settlement_reports,
            session.signed_at,
            reason,
            replay,
        )
    )


def _refuse_unknown(state: State, command: SessionOpened) -> None:
    state.out.append(
        SessionChanged(
            state.next_number(),
            state.at,
            "",
            command.session,
            command.process,
            command.counter,
            command.connection,
            False,
            0,
            0,
            0,
            False,
            False,
            False,
            False,
            0,
            Reason.UNKNOWN_SESSION.value,
        )
    )


def confirm(state: State, name: str, epoch: int, seq: int) -> None:
    """Notes that everything of a session up to ``seq`` is durable on all shards or answered."""
    session = state.sessions.get(name)
    if session is not None and session.epoch == epoch and seq > session.confirmed:
        session.confirmed = seq
