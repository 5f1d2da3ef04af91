"""Trade busts: a trade taken back, both ledgers and the market data put right.

Positions have moved on since, so the reversal is the opposite trade at the same price, fees
refunded. Quantity is never given back to an order. If an account cannot pay, nothing happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kalshi_fix.core import ledger, plain
from kalshi_fix.core.answers import DONE, AdminReason, Answer
from kalshi_fix.messages.amounts import format_money
from kalshi_fix.messages.events import Execution
from kalshi_fix.messages.market_events import TradeBusted
from kalshi_fix.model import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kalshi_fix.core.order import Order
    from kalshi_fix.core.state import State, TradeRecord
    from kalshi_fix.messages.commands import BustTrade


def bust_trade(state: State, command: BustTrade) -> Answer:
    """Carries out BustTrade."""
    record = state.trades.get(command.trade_id) or state.trades_before.get(command.trade_id)
    if record is None:
        return AdminReason.TRADE_NOT_FOUND, f"trade {command.trade_id} is not known any more"
    market = record.market
    if market.status == plain.SETTLED:
        return AdminReason.WRONG_STATE, "the market is settled; a correction may help"
    for order, fee in ((record.maker, record.maker_fee), (record.taker, record.taker_fee)):
        missing = _missing(order, record, fee)
        if missing > 0:
            name = order.position.account.name
            return AdminReason.INSUFFICIENT_BALANCE, f"account {name} lacks {format_money(missing)}"
    state.trades.pop(record.trade_id, None)
    state.trades_before.pop(record.trade_id, None)
    pot, interest = state.ledger.pot, market.open_interest
    _reverse(state, record, record.maker, maker=True)
    _reverse(state, record, record.taker, maker=False)
    assert state.ledger.pot - pot == plain.PRICE_UNIT * (market.open_interest - interest), (
        "the pot holds one dollar per open contract"
    )
    market.volume -= record.quantity
    last = _forget_price(state, record)
    market.change += 1
    state.out.append(
        TradeBusted(
            state.next_number(),
            state.at,
            market.symbol,
            market.change,
            record.trade_id,
            record.price,
            record.quantity,
            market.volume,
            market.open_interest,
            market.last_price,
            market.last_trade_id,
            last.quantity if last is not None else 0,
            last.at if last is not None else 0,
        )
    )
    return DONE


def _forget_price(state: State, busted: TradeRecord) -> TradeRecord | None:
    """Makes the market's last price that of its last trade that stands; returns that trade.

    The trade after the busted one now follows the one before it, whatever is busted next.
    """
    market = busted.market
    last = after = None
    for record in _newest_first(state):
        if record.market is not market:
            continue
        last = last or record
        if record.trade_id < busted.trade_id:
            break
        after = record
    if after is not None:
        after.price_before = busted.price_before
    elif last is not None:
        market.last_price, market.previous_price = last.price, last.price_before
    else:
        market.last_price, market.previous_price = busted.price_before, 0
    market.last_trade_id = last.trade_id if last is not None else 0
    return last


def _newest_first(state: State) -> Iterator[TradeRecord]:
    yield from reversed(state.trades.values())
    yield from reversed(state.trades_before.values())


def _reversal(order: Order, record: TradeRecord) -> int:
    return -record.quantity if order.is_buy else record.quantity


def _missing(order: Order, record: TradeRecord, fee: int) -> int:
    """How much cash an account lacks to take its side of the trade back, money."""
    position = order.position
    signed = _reversal(order, record)
    held = position.quantity
    quantity = record.quantity
    unit = record.price if signed > 0 else plain.PRICE_UNIT - record.price
    closed = min(quantity, abs(held)) if held * signed < 0 else 0
    change = (plain.PRICE_UNIT - unit) * closed - unit * (quantity - closed) + fee
    left = abs(held) - closed if closed == quantity else 0
    if closed and position.locked > left:
        change -= (position.locked - left) * plain.PRICE_UNIT  # uncovering: a dollar each at most
    change -= _more_hold(order, record)
    return -change - position.account.cash


def _more_hold(order: Order, record: TradeRecord) -> int:
    """How much more an open order must hold once its fees are refunded, at the most."""
    if not order.leaves:
        return 0
    return max(0, record.maker_fee, record.taker_fee) + plain.MONEY_UNIT // plain.PRICE_UNIT


def _reverse(state: State, record: TradeRecord, order: Order, *, maker: bool) -> None:
    position = order.position
    account = position.account
    paid, payout, closed = ledger.move_position(
        state, position, _reversal(order, record), record.price
    )
    fee = record.maker_fee if maker else record.taker_fee
    change = payout - paid + fee
    state.ledger.cash += change
    state.ledger.fees -= fee
    state.ledger.moved = True
    account.cash += change
    order.exact -= record.maker_exact if maker else record.taker_exact
    order.charged -= fee
    order.cum -= record.quantity
    order.notional -= record.price * record.quantity
    if order.leaves:
        ledger.hold_again(order)
        order.status = plain.PARTIALLY_FILLED if order.cum else plain.NEW
    elif order.status != plain.EXPIRED:
        order.status = plain.CANCELED
    number = state.next_number()
    state.out.append(
        Execution(
            number,
            state.at,
            order.firm.name,
            plain.EXEC_TRADE_CANCEL,
            order.status,
            order.terms,
            order.cl_ord_id,
            "",
            order.cum,
            order.leaves,
            order.notional,
            Reason.TRADE_BUSTED.value,
            record.quantity,
            record.price,
            record.trade_id,
            plain.MAKER if maker else plain.TAKER,
            -fee,
            state.date,
            position.quantity,
            change,
            payout,
            order.hold,
            record.maker_number if maker else record.taker_number,
            record.at,
            "",
        )
    )
    if closed and position.locked:
        ledger.fit_cover(state, position, turned=closed != record.quantity)
    assert account.cash >= 0, "a bust was checked against the cash there is"
