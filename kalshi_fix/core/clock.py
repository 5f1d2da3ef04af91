"""The exchange clock: everything that happens because time has passed happens here.

The clock is the largest ``at`` of any AdvanceTime so far; effective time follows the commands' own
times, at most a little ahead of it; neither goes back. Expiry runs before any later command.
"""

from __future__ import annotations

from heapq import heapify, heappop
from typing import TYPE_CHECKING

from kalshi_fix.core import (
    ending,
    lifecycle,
    limits,
    maintenance,
    plain,
    sessions,
    settlement,
    switches,
)
from kalshi_fix.core.answers import DONE, AdminReason, Answer

if TYPE_CHECKING:
    from kalshi_fix.core.market import Market
    from kalshi_fix.core.state import State
    from kalshi_fix.messages.commands import AdvanceTime, StartTradingDay


def take_time(state: State, at: int) -> None:
    """Moves the effective time to a command's own, within what the exchange clock allows."""
    if at > state.at:
        latest = state.latest
        state.at = at if at < latest else latest  # noqa: FURB136 - every command passes here


def advance(state: State, command: AdvanceTime) -> None:
    """Carries out AdvanceTime. A stale one moves nothing."""
    step = command.at - state.clock
    if step <= 0:
        return
    state.set_clock(command.at)
    take_time(state, command.at)
    expire_orders(state)
    run_timers(state)
    if state.expiring_limits:
        limits.expire(state)
    sessions.check_liveness(state, step)
    if state.maintenance_until:
        maintenance.run(state)
    _forget_requests(state)
    if state.garbage:
        _sweep(state)


def expire_orders(state: State) -> None:
    """Ends every order whose deadline has come, by deadline, then by order id."""
    deadlines = state.deadlines
    expiring = state.expiring
    while deadlines and deadlines[0][0] <= state.clock:
        deadline, order_id = heappop(deadlines)
        order = expiring.get(order_id)
        if order is not None and order.deadline == deadline:
            ending.expire(state, order)
    if len(deadlines) > 2 * len(expiring) + 1_000:
        # most entries stand for orders that are gone: keep what counts
        state.deadlines = [(order.deadline, order_id) for order_id, order in expiring.items()]
        heapify(state.deadlines)


def run_timers(state: State) -> None:
    """Moves every market whose time has come, in the order of the deadlines."""
    timers = state.timers
    while timers and timers[0][0] <= state.clock:
        entry, symbol = heappop(timers)
        market = state.markets[symbol]
        if entry == lifecycle.next_deadline(market):  # else it is outdated: the true one follows
            _move(state, market)
        lifecycle.set_timer(state, market)


def _move(state: State, market: Market) -> None:
    clock = state.clock
    if market.settle_at and market.settle_at <= clock:
        settlement.settle(state, market, "SETTLEMENT_TIMER")
    elif market.close_at and market.close_at <= clock and market.is_tradable:
        market.halt_until = 0
        lifecycle.change_status(state, market, plain.CLOSED, "CLOSE_TIME")
    elif market.halt_until and market.halt_until <= clock:
        market.halt_until = 0
        lifecycle.change_status(state, market, plain.ACTIVE, "HALT_OVER")
    else:
        lifecycle.change_status(state, market, plain.ACTIVE, "OPEN_TIME")


def start_trading_day(state: State, command: StartTradingDay) -> Answer:
    """Carries out StartTradingDay. The same date again only corrects the end of the day."""
    if command.date < state.date or command.ends_at <= 0:
        return AdminReason.INVALID_VALUE, f"the trading day is {state.date}"
    if command.date > state.date:
        state.date = command.date
        state.day_count += 1
        state.trades_before = state.trades
        state.trades = {}
        _let_go(state)
    state.day_ends_at = command.ends_at
    switches.report_exchange(state)
    return DONE


def _let_go(state: State) -> None:
    """Turns the generations of ended orders; the oldest is swept away a few at a time."""
    for session in state.sessions.values():
        if session.ended_before:
            state.garbage.append(session.ended_before)
        session.ended_before = session.ended
        session.ended = {}


def _sweep(state: State) -> None:
    """Drops some invisible orders: dropping all at once would stop the exchange."""
    left = state.config.garbage_per_step
    while left and state.garbage:
        gone = state.garbage[-1]
        if not gone:
            state.garbage.pop()
            continue
        left -= 1
        _, order = gone.popitem()
        ids = order.firm.ids
        for cl_ord_id in order.ids():
            if ids.get(cl_ord_id) is order:
                del ids[cl_ord_id]


def _forget_requests(state: State) -> None:
    """Drops operators' request ids that need not be remembered any longer, oldest first."""
    oldest = state.clock - state.config.request_memory
    recent = state.recent_requests
    while recent and recent[0][0] < oldest:
        _, request_id = recent.popleft()
        del state.requests[request_id]
