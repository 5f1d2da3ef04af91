"""Operators' commands: who may repeat what, and the answer every one of them gets.

A request id makes a repeat harmless: it is answered again and changes nothing; the same id for
something else is refused, or a mistake would look like a success. Ids of commands
that define things or move money are kept for good - a configuration is sent again at every start -
the others for as long as ``ExchangeConfig.request_memory``; what is older than that is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kalshi_fix.core import (
    busts,
    clock,
    lifecycle,
    limits,
    maintenance,
    reference,
    session_orders,
    settlement,
    switches,
)
from kalshi_fix.core.answers import AdminReason, Answer
from kalshi_fix.messages import commands as c
from kalshi_fix.messages.content import content_of
from kalshi_fix.messages.events import AdminAnswered

if TYPE_CHECKING:
    from collections.abc import Callable

    from kalshi_fix.core.state import State


def _quarantine(state: State, command: c.Quarantine) -> Answer:
    """A skip in the stream is carried out by whoever reads the stream; here it is recorded."""
    del state
    return "", f"{command.entry_id} {command.index}"


_HANDLERS: Final[dict[type[Any], Callable[..., Answer]]] = {
    c.DefineFirm: reference.define_firm,
    c.DefineAccount: reference.define_account,
    c.DefineSession: reference.define_session,
    c.DefineSegment: reference.define_segment,
    c.AnnounceMaintenance: maintenance.announce,
    c.Drain: maintenance.drain,
    c.ManageSession: session_orders.manage_session,
    c.DefineSeries: reference.define_series,
    c.DefineMarket: reference.define_market,
    c.Deposit: reference.deposit,
    c.Withdraw: reference.withdraw,
    c.SetMarketStatus: lifecycle.set_market_status,
    c.SetExchangeStatus: switches.set_exchange_status,
    c.Determine: settlement.determine,
    c.Confirm: settlement.confirm,
    c.Dispute: settlement.dispute,
    c.Settle: settlement.settle_command,
    c.BustTrade: busts.bust_trade,
    c.SetLimits: limits.set_limits,
    c.KillSwitch: switches.kill_switch,
    c.UnlockFirm: switches.unlock_firm,
    c.CancelByOperator: switches.cancel_by_operator,
    c.StartTradingDay: clock.start_trading_day,
    c.Quarantine: _quarantine,
}
_KEPT: Final = frozenset(
    {
        c.DefineFirm,
        c.DefineAccount,
        c.DefineSession,
        c.DefineSegment,
        c.DefineSeries,
        c.DefineMarket,
        c.Deposit,
        c.Withdraw,
        c.SetLimits,
    }
)


def carry_out(state: State, command: c.AdminCommand) -> None:
    """Carries out an operator's command once, and answers it every time."""
    handler = _HANDLERS[type(command)]
    request_id = command.request_id
    content = content_of(command)
    answered = state.requests.get(request_id)
    if answered is not None:
        reason, detail, asked = answered
        if asked not in {"", content}:
            reason, detail = AdminReason.REQUEST_ID_USED.value, "it asked for something else"
        _answer(state, command, (reason, detail), content)
        return
    clock.take_time(state, command.at)
    if command.at < state.clock - state.config.request_memory:
        _answer(state, command, (AdminReason.REQUEST_TOO_OLD.value, ""), content)
        return
    reason, detail = handler(state, command)
    answer = (str(reason), detail)
    state.requests[request_id] = (*answer, content)
    if type(command) not in _KEPT:
        state.recent_requests.append((state.clock, request_id))
    _answer(state, command, answer, content)


def _answer(state: State, command: c.AdminCommand, answer: Answer, content: str) -> None:
    reason, detail = answer
    state.out.append(
        AdminAnswered(
            state.next_number(),
            state.at,
            command.request_id,
            command.operator,
            type(command).__name__,
            command.why,
            reason,
            detail,
            content,
        )
    )
