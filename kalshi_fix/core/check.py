"""Every invariant of the exchange, from scratch. Slow, complete, and allowed to be obvious."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from kalshi_fix.core import ledger, plain

if TYPE_CHECKING:
    from kalshi_fix.core.book import BookSide
    from kalshi_fix.core.market import Market
    from kalshi_fix.core.order import Order
    from kalshi_fix.core.parties import Account
    from kalshi_fix.core.state import State


def check(state: State) -> None:
    """Asserts all invariants.

    Raises:
        AssertionError: one is broken.
    """
    orders = [order for session in state.sessions.values() for order in session.open.values()]
    _check_ledger(state)
    by_account: dict[str, list[Order]] = {name: [] for name in state.accounts}
    for order in orders:
        by_account[order.position.account.name].append(order)
    for account in state.accounts.values():
        _check_account(account, by_account[account.name])
    resting: set[int] = set()
    for market in state.markets.values():
        _check_market(market, resting)
    assert resting == {order.order_id for order in orders}, "open orders rest, and no others"
    assert all(state.expiring.get(o.order_id) is o for o in orders if o.deadline), "deadlines"
    assert len(state.expiring) == sum(1 for o in orders if o.deadline), "no stale deadlines"
    for firm in state.firms.values():
        assert firm.open_orders == sum(1 for o in orders if o.firm is firm), "firm's open orders"
    for group in state.groups.values():
        members = {o.order_id for o in orders if o.group is group}
        assert set(group.orders) == members, "a group knows its open orders"
        assert not (group.triggered and members), "a triggered group has no orders"
    assert not state.touched, "levels are published with their command"


def _check_ledger(state: State) -> None:
    totals = state.ledger
    accounts = state.accounts.values()
    assert totals.cash == sum(a.cash + a.held for a in accounts), "cash is what accounts have"
    totals.assert_balanced()
    interest = sum(market.open_interest for market in state.markets.values())
    assert totals.pot == plain.PRICE_UNIT * interest, "the pot holds a dollar per open contract"


def _check_account(account: Account, orders: list[Order]) -> None:
    assert account.cash >= 0, "free cash is never negative"
    assert account.held == sum(order.hold for order in orders), "cash is held for orders only"
    assert account.open_orders == len(orders), "account's open orders"
    gross = 0
    for position in account.positions.values():
        mine = [order for order in orders if order.position is position]
        assert position.open_buy == sum(o.leaves for o in mine if o.is_buy), "open buys"
        assert position.open_sell == sum(o.leaves for o in mine if not o.is_buy), "open sells"
        covered = [order for order in mine if order.lock]
        assert position.locked == sum(order.lock for order in covered), "locks add up"
        assert position.locked <= abs(position.quantity), "only what is there can cover"
        assert set(position.covered or ()) == {o.order_id for o in covered}, "covered orders"
        assert all(o.is_buy == (position.quantity < 0) for o in covered), "cover is opposite"
        gross += abs(position.quantity) + position.open_buy + position.open_sell
    assert account.gross == gross, "gross counts positions and open orders"
    for order in orders:
        assert order.leaves > 0, "an open order has leaves"
        assert 0 <= order.lock <= order.leaves, "a lock covers leaves"
        assert order.hold == ledger.order_hold(order), "a hold is what the order needs"
        assert order.firm.ids.get(order.cl_ord_id) is order, "an order is found by its ClOrdID"


def _check_market(market: Market, resting: set[int]) -> None:
    _check_side(market.bids, resting)
    _check_side(market.offers, resting)
    bid, offer = market.bids.best, market.offers.best
    assert bid is None or offer is None or bid.price < offer.price, "the book is not crossed"
    positions = [position.quantity for position in market.positions.values()]
    assert sum(positions) == 0, "every YES has its NO"
    assert market.open_interest == sum(q for q in positions if q > 0), "open interest"
    if not market.is_tradable:
        assert bid is None, "nothing rests in a closed market"
        assert offer is None, "nothing rests in a closed market"


def _check_side(side: BookSide, resting: set[int]) -> None:
    assert side.ladder is side.market.ladder, "both sides and the market share a ladder"
    best = None
    for rank, level in enumerate(side.levels):
        bit = side.ladder.bit[rank]
        if level is None:
            assert not side.mask & bit, "a bit stands for a level"
            continue
        queue = list(level.queue())
        assert level.rank == rank == side.rank(level.price), "a level is at its rank"
        assert bool(queue) == bool(side.mask & bit), "a bit stands for orders"
        assert level.orders == len(queue), "orders of a level"
        assert level.quantity == sum(order.leaves for order in queue), "quantity of a level"
        assert level.head is (queue[0] if queue else None), "head"
        assert level.tail is (queue[-1] if queue else None), "tail"
        for before, after in pairwise(queue):
            assert after.prev is before, "links agree both ways"
        for order in queue:
            assert order.level is level, "an order knows its level"
            assert order.price == level.price, "an order is at its price"
            assert order.is_buy == side.is_buy, "an order is on its side"
            resting.add(order.order_id)
        best = level if queue else best
    assert side.best is best, "the best level is the best with orders"
