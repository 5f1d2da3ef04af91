"""The whole state as plain lists, and back. Same state, same bytes.

What can be worked out again is left out: desks, ladders, heaps, reverse indexes. Orders are stored
with the session that entered them, queues as lists of order ids, so that time priority survives.
"""

from __future__ import annotations

from hashlib import blake2b
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import msgpack

from kalshi_fix.core.fees import EXACT
from kalshi_fix.messages.events import OrderTerms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kalshi_fix.core.book import BookSide
    from kalshi_fix.core.limits import Limits
    from kalshi_fix.core.market import Market
    from kalshi_fix.core.order import Order
    from kalshi_fix.core.parties import Session
    from kalshi_fix.core.state import State, TradeRecord

VERSION: Final = 3

COUNTERS: Final = (
    "shard_index", "clock", "at", "date", "day_ends_at", "day_count", "number", "order_count",
    "trade_count", "group_count", "paused", "killed", "maintenance_from",
    "maintenance_until", "maintenance_text", "maintenance_begun", "draining",
)  # fmt: skip
LEDGER: Final = ("cash", "pot", "fees", "deposited")
SESSION: Final = (
    "name", "sender_comp_id", "target_comp_id", "role", "accounts", "enabled", "killed",
    "cancel_on_disconnect_default", "max_order_age", "message_types", "markets", "read_only",
    "cancel_scope", "cancel_keeps_gtc", "process", "boot", "connection", "is_open",
    "cancel_on_disconnect", "listener", "venue_tags", "settlement_reports", "signed_at", "asked",
    "answer", "epoch", "high_water", "confirmed",
)  # fmt: skip
MARKET: Final = (
    "symbol", "event_ticker", "title", "open_at", "close_at", "expected_expiry_at",
    "settlement_timer", "position_limit", "price_band", "halt_band", "halt_window", "halt_time",
    "excluded", "status", "change", "volume", "open_interest", "last_price", "previous_price",
    "last_trade_id", "value", "previous_value", "source", "evidence", "proposer", "settle_at",
    "halt_until",
)  # fmt: skip
ORDER: Final = (
    "cl_ord_id", "price", "leaves", "hold", "lock", "taker_rate", "maker_rate", "takes",
    "deadline", "cum", "notional", "charged", "status", "ended_day",
)  # fmt: skip
TERMS: Final = OrderTerms.__struct_fields__
TRADE: Final = (
    "trade_id", "price", "quantity", "price_before", "maker_fee", "taker_fee", "maker_number",
    "taker_number", "at",
)  # fmt: skip

_counters: Final = attrgetter(*COUNTERS)
_ledger: Final = attrgetter(*LEDGER)
_session: Final = attrgetter(*SESSION)
_market: Final = attrgetter(*MARKET)
_order: Final = attrgetter(*ORDER)
_terms: Final = attrgetter(*TERMS)
_trade: Final = attrgetter(*TRADE)


def take(state: State) -> list[Any]:
    """The state as msgpack-able plain values."""
    return [
        VERSION,
        _counters(state),
        _ledger(state.ledger),
        [
            [f.name, f.jurisdiction, f.locked, f.killed, _limits(f.limits), f.roles]
            for f in state.firms.values()
        ],
        [
            [a.name, a.firm.name, a.own_jurisdiction, a.cash, a.held, _limits(a.limits)]
            for a in state.accounts.values()
        ],
        [[s.name, s.taker_rate, s.maker_rate, s.multiplier] for s in state.series.values()],
        [_market_row(market) for market in state.markets.values()],
        [
            [g.group_id, g.account.name, g.limit, g.triggered, list(g.window)]
            for g in state.groups.values()
        ],
        [
            [s.name, s.message_types, s.markets, s.read_only, s.limits]
            for s in state.segments.values()
        ],
        [_session_row(session) for session in state.sessions.values()],
        [[g.name, g.boot, g.top, f"{g.recent:x}", g.alive_at] for g in state.gateways.values()],
        [[request_id, *answer] for request_id, answer in state.requests.items()],
        list(state.recent_requests),
        [_trade_row(trade) for trade in state.trades.values()],
        [_trade_row(trade) for trade in state.trades_before.values()],
    ]


def _limits(limits: Limits) -> list[Any]:
    return [limits.base, [[end, change] for end, change in limits.changes]]


def _market_row(market: Market) -> list[Any]:
    return [
        _market(market),
        market.series.name,
        market.ladder.ranges,
        [_queues(market.bids), _queues(market.offers)],
        [[p.account.name, p.quantity, p.open_buy, p.open_sell] for p in market.positions.values()],
        [[s.account, s.quantity, s.payout, s.number] for s in market.settlements],
        list(market.highs),
        list(market.lows),
    ]


def _queues(side: BookSide) -> list[list[int]]:
    return [[order.order_id for order in level.queue()] for level in side.occupied()]


def _session_row(session: Session) -> list[Any]:
    return [
        _session(session),
        session.firm.name,
        _limits(session.limits),
        _orders(session.open.values()),
        _orders(session.ended.values()),
        _orders(session.ended_before.values()),
        session.segment.name,
    ]


def _orders(orders: Iterable[Order]) -> list[Any]:
    return [
        (_terms(order.terms), _order(order), order.past_ids, divmod(order.exact, EXACT))
        for order in orders
    ]


def _trade_row(trade: TradeRecord) -> list[Any]:
    return [
        _trade(trade),
        trade.market.symbol,
        [trade.maker.terms.session, trade.maker.order_id],
        [trade.taker.terms.session, trade.taker.order_id],
        divmod(trade.maker_exact, EXACT),
        divmod(trade.taker_exact, EXACT),
    ]


def state_hash(state: State) -> bytes:
    """32 bytes over the whole snapshot."""
    return blake2b(msgpack.packb(take(state)), digest_size=32).digest()


def fingerprint(state: State) -> bytes:
    """16 bytes over what moves with every command: counters, times and ledger totals."""
    row = [_counters(state), _ledger(state.ledger)]
    return blake2b(msgpack.packb(row), digest_size=16).digest()
