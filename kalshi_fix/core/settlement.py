"""Determination, confirmation, dispute, settlement and its correction.

A position is paid value x quantity out of the pot, which is empty for the market afterwards. A
human determination needs a second operator. A correction reverses and re-pays in one command,
or not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kalshi_fix.core import lifecycle, plain
from kalshi_fix.core.answers import DONE, AdminReason, Answer
from kalshi_fix.core.market import Settlement
from kalshi_fix.messages.amounts import format_money, format_price
from kalshi_fix.messages.events import PositionSettled
from kalshi_fix.messages.market_events import OpenInterestChanged

if TYPE_CHECKING:
    from kalshi_fix.core.market import Market
    from kalshi_fix.core.parties import Account
    from kalshi_fix.core.state import State
    from kalshi_fix.messages.commands import Confirm, Determine, Dispute, Settle

_DETERMINABLE: Final = frozenset({plain.CLOSED, plain.DISPUTED})


def determine(state: State, command: Determine) -> Answer:
    """Carries out Determine. An unconfirmed determination may be replaced by another."""
    market = state.markets.get(command.symbol)
    if market is None:
        return AdminReason.UNKNOWN_NAME, f"market {command.symbol}"
    unconfirmed = market.status == plain.DETERMINED and market.proposer
    if market.status not in _DETERMINABLE and not unconfirmed:
        return AdminReason.WRONG_STATE, f"market is {market.status}"
    if not 0 <= command.value <= plain.PRICE_UNIT:
        return AdminReason.INVALID_VALUE, f"value {format_price(command.value)}"
    if not command.source:
        return AdminReason.INVALID_VALUE, "a determination names its source"
    market.value = command.value
    market.source = command.source
    market.evidence = command.evidence
    market.proposer = "" if command.automatic else command.operator
    market.settle_at = 0
    if command.automatic:
        _start_timer(state, market)
    lifecycle.change_status(state, market, plain.DETERMINED, command.why)
    return DONE


def confirm(state: State, command: Confirm) -> Answer:
    """Carries out Confirm: the second pair of eyes on a human determination."""
    market = state.markets.get(command.symbol)
    if market is None:
        return AdminReason.UNKNOWN_NAME, f"market {command.symbol}"
    if market.status != plain.DETERMINED or not market.proposer:
        return AdminReason.WRONG_STATE, "there is no determination to confirm"
    if market.proposer == command.operator:
        return AdminReason.SAME_OPERATOR, "the operator who determined cannot confirm"
    market.proposer = ""
    _start_timer(state, market)
    lifecycle.report(state, market, command.why)
    return DONE


def dispute(state: State, command: Dispute) -> Answer:
    """Carries out Dispute: stops the settlement timer until a new determination."""
    market = state.markets.get(command.symbol)
    if market is None:
        return AdminReason.UNKNOWN_NAME, f"market {command.symbol}"
    if market.status != plain.DETERMINED:
        return AdminReason.WRONG_STATE, f"market is {market.status}"
    market.settle_at = 0
    market.proposer = ""
    lifecycle.change_status(state, market, plain.DISPUTED, command.why)
    return DONE


def settle_command(state: State, command: Settle) -> Answer:
    """Carries out Settle: now instead of at the timer's end, or the correction of one."""
    market = state.markets.get(command.symbol)
    if market is None:
        return AdminReason.UNKNOWN_NAME, f"market {command.symbol}"
    if command.correction:
        return _correct(state, market, command)
    if market.status != plain.DETERMINED:
        return AdminReason.WRONG_STATE, f"market is {market.status}"
    if market.proposer:
        return AdminReason.NOT_CONFIRMED, "a second operator must confirm the determination"
    settle(state, market, command.why)
    return DONE


def _start_timer(state: State, market: Market) -> None:
    market.settle_at = state.at + market.settlement_timer
    lifecycle.set_timer(state, market)


def _payout(quantity: int, value: int) -> int:
    """What a position is paid: YES the value, NO the rest of the dollar."""
    return quantity * value if quantity > 0 else -quantity * (plain.PRICE_UNIT - value)


def settle(state: State, market: Market, why: str) -> None:
    """Pays every position out of the pot and ends the market."""
    market.settle_at = 0
    value = market.value
    ledger = state.ledger
    pot = ledger.pot
    lifecycle.change_status(state, market, plain.SETTLED, why)
    for name, position in sorted(market.positions.items()):
        quantity = position.quantity
        if not quantity:
            continue
        account = position.account
        payout = _payout(quantity, value)
        account.cash += payout
        account.gross -= abs(quantity)
        ledger.cash += payout
        ledger.pot -= payout
        ledger.moved = True
        position.quantity = 0
        assert not position.locked, "a closed market has no open orders"
        number = _report(state, market, account, quantity, payout, 0)
        market.settlements.append(Settlement(name, quantity, payout, number))
    assert pot - ledger.pot == plain.PRICE_UNIT * market.open_interest, "the pot pays exactly"
    market.open_interest = 0
    market.change += 1
    state.out.append(
        OpenInterestChanged(
            state.next_number(), state.at, market.symbol, market.change, market.volume, 0
        )
    )


def _report(  # noqa: PLR0917 - the fields of a settlement report
    state: State, market: Market, account: Account, quantity: int, payout: int, corrects: int
) -> int:
    number = state.next_number()
    state.out.append(
        PositionSettled(
            number,
            state.at,
            account.firm.name,
            account.name,
            market.symbol,
            quantity,
            market.value,
            market.previous_value if corrects else market.last_price,
            payout,
            account.cash,
            state.date,
            corrects,
        )
    )
    return number


def _correct(state: State, market: Market, command: Settle) -> Answer:
    """Takes every payout back and pays the new one, if every account can give its share back."""
    if market.status != plain.SETTLED:
        return AdminReason.WRONG_STATE, f"market is {market.status}"
    if not 0 <= command.value <= plain.PRICE_UNIT or command.value == market.value:
        return AdminReason.INVALID_VALUE, f"value {format_price(command.value)}"
    for paid in market.settlements:
        change = _payout(paid.quantity, command.value) - paid.payout
        missing = -change - state.accounts[paid.account].cash
        if missing > 0:
            return (
                AdminReason.INSUFFICIENT_BALANCE,
                f"account {paid.account} lacks {format_money(missing)}",
            )
    market.previous_value = market.value
    market.value = command.value
    market.source = command.source or market.source
    market.evidence = command.evidence or market.evidence
    total = 0
    for paid in market.settlements:
        account = state.accounts[paid.account]
        payout = _payout(paid.quantity, command.value)
        change = payout - paid.payout
        account.cash += change
        total += change
        paid.number = _report(state, market, account, paid.quantity, payout, paid.number)
        paid.payout = payout
    assert total == 0, "a correction moves money between accounts, it makes none"
    lifecycle.report(state, market, command.why)
    return DONE
