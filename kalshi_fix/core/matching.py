"""Matching: an incoming order against the other side of the book, price first, then time.

Trades happen at the resting price. What may stop an order before its limit does - self-trade,
order groups, a volatility halt, a cost limit, a flat position - is decided here, trade by trade.
A fill-or-kill order is one match: groups and halts wait until it is complete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kalshi_fix.core import book, ending, groups, halts, ledger, plain
from kalshi_fix.core.budget import affordable, fits
from kalshi_fix.core.state import TradeRecord
from kalshi_fix.messages.market_events import Traded
from kalshi_fix.model import Reason

if TYPE_CHECKING:
    from kalshi_fix.core.market import Market
    from kalshi_fix.core.order import Order
    from kalshi_fix.core.state import State

_SELF_TAKER = Reason.TAKER_CANCEL_FOR_SELF_TRADE_PREVENTION.value
_SELF_MAKER = Reason.MAKER_CANCEL_FOR_SELF_TRADE_PREVENTION.value


def crosses(market: Market, is_buy: bool, price: int) -> bool:
    """Whether an order at this price would meet the book."""
    if is_buy:
        best = market.offers.best
        return best is not None and best.price <= price
    best = market.bids.best
    return best is not None and best.price >= price


def match(state: State, order: Order) -> str:
    """Trades an order as far as it goes.

    Returns:
        Why its remainder must be cancelled, "" if it simply found no more to trade with.
    """
    market = order.position.market
    is_buy = order.is_buy
    side = market.offers if is_buy else market.bids
    limit = order.price
    firm = order.firm
    bounded = order.bounded
    watched = market.halt_band or order.group is not None
    reason = ""
    while order.leaves and not reason:
        level = side.best
        if level is None or (level.price > limit if is_buy else level.price < limit):
            break
        maker = level.head
        assert maker is not None, "a level in the mask has orders"
        if maker.firm is firm:
            reason = _self_trade(state, order, maker)
            continue
        quantity = order.leaves
        quantity = min(quantity, maker.leaves)
        if bounded:
            quantity, reason = _bound(order, quantity, level.price)
            if not quantity:
                break
        trade(state, market, maker, order, quantity)
        if watched or maker.group is not None:
            reason = _aftermath(state, order, maker, quantity) or reason
    return reason


def match_whole(state: State, order: Order) -> None:
    """Fills a fill-or-kill order that was found fillable; groups and halts wait for its end."""
    market = order.position.market
    side = market.offers if order.is_buy else market.bids
    fills: list[tuple[Order, int]] = []
    while order.leaves:
        level = side.best
        assert level is not None, "a fill-or-kill order was counted before"
        maker = level.head
        assert maker is not None, "a level in the mask has orders"
        if maker.firm is order.firm:
            ending.cancel(state, maker, _SELF_MAKER)
            continue
        quantity = min(order.leaves, maker.leaves)
        trade(state, market, maker, order, quantity)
        fills.append((maker, quantity))
    for maker, quantity in fills:
        _aftermath(state, order, maker, quantity)


def trade(state: State, market: Market, maker: Order, taker: Order, quantity: int) -> None:
    """One trade at the maker's price: both sides' money, both reports, the public print."""
    price = maker.price
    trade_id = state.trade_count = state.trade_count + 1
    pot, interest = state.ledger.pot, market.open_interest
    level = maker.level
    assert level is not None, "a maker rests"
    level.quantity -= quantity
    if not level.touched:
        level.touched = True
        state.touched.append(level)
    maker_number = state.number + 1
    maker_exact, maker_fee = ledger.fill(state, maker, quantity, price, plain.MAKER, trade_id)
    taker_number = state.number + 1
    taker_exact, taker_fee = ledger.fill(state, taker, quantity, price, plain.TAKER, trade_id)
    assert state.ledger.pot - pot == plain.PRICE_UNIT * (market.open_interest - interest), (
        "the pot holds one dollar per open contract"
    )
    if not maker.leaves:
        book.remove(maker, 0)
        ending.retire(state, maker)
    if not taker.leaves:
        ending.retire(state, taker)
    at = state.at
    state.trades[trade_id] = TradeRecord(
        trade_id,
        market,
        price,
        quantity,
        market.last_price,
        maker,
        taker,
        maker_exact,
        maker_fee,
        taker_exact,
        taker_fee,
        maker_number,
        taker_number,
        at,
    )  # fmt: skip - one line per thing would hide that this is one row
    market.previous_price = market.last_price
    market.last_price = price
    market.last_trade_id = trade_id
    market.volume += quantity
    change = market.change = market.change + 1
    number = state.number = state.number + 1
    state.out.append(
        Traded(
            number,
            at,
            market.symbol,
            change,
            trade_id,
            price,
            quantity,
            plain.BUY if taker.is_buy else plain.SELL,
            market.volume,
            market.open_interest,
        )
    )


def _self_trade(state: State, order: Order, maker: Order) -> str:
    """A firm would trade with itself: whose order goes is the incoming order's choice."""
    mode = order.terms.self_trade
    if mode != plain.CANCEL_INCOMING:
        ending.cancel(state, maker, _SELF_MAKER)
    return "" if mode == plain.CANCEL_RESTING else _SELF_TAKER


def _bound(order: Order, quantity: int, price: int) -> tuple[int, str]:
    """What a cost limit and reduce-only leave of a match, and why it is less if it ends there."""
    reason = ""
    if order.terms.exec_inst & plain.REDUCE_ONLY:
        room = ledger.closable(order.position, order.is_buy)
        if quantity >= room:
            quantity = room
            reason = Reason.REDUCE_ONLY_INCREASE.value
    if order.terms.max_cost:
        room = affordable(order, quantity, price)
        if room < quantity:
            return room, Reason.MAX_EXECUTION_COST.value
    return quantity, reason


def _aftermath(state: State, order: Order, maker: Order, quantity: int) -> str:
    """What a trade sets off: a volatility halt, order groups that reached their limit.

    Returns:
        Why the incoming order's remainder must be cancelled, "" if it may go on.
    """
    touched = [group for group in (maker.group, order.group) if group is not None]
    for group in touched:
        group.note(state.at, quantity)
    halted = halts.observe(state, maker.position.market, maker.price)
    for group in touched:
        if group.is_reached:
            groups.trigger(state, group)
    return Reason.CANCEL_ON_PAUSE.value if halted else ""


def fok_refusal(order: Order) -> str:
    """Why a fill-or-kill order cannot fill completely, "" if it can. Changes nothing."""
    if order.terms.exec_inst & plain.REDUCE_ONLY and order.leaves > ledger.closable(
        order.position, order.is_buy
    ):
        return Reason.REDUCE_ONLY_INCREASE.value
    market = order.position.market
    side = market.offers if order.is_buy else market.bids
    skips_own = order.terms.self_trade == plain.CANCEL_RESTING
    wanted = order.leaves
    fills: list[tuple[int, int]] = []
    for level in side.occupied():
        if level.price > order.price if order.is_buy else level.price < order.price:
            break
        for maker in level.queue():
            if maker.firm is order.firm:
                if skips_own:
                    continue
                return Reason.FOK_INSUFFICIENT_VOLUME.value
            quantity = min(wanted, maker.leaves)
            fills.append((quantity, maker.price))
            wanted -= quantity
            if not wanted:
                return _fok_cost_refusal(order, fills)
    return Reason.FOK_INSUFFICIENT_VOLUME.value


def _fok_cost_refusal(order: Order, fills: list[tuple[int, int]]) -> str:
    if not order.terms.max_cost or fits(order, fills):
        return ""
    return Reason.MAX_EXECUTION_COST.value
