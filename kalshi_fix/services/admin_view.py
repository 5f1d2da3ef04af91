"""What one shard's events say the exchange looks like, for an operator to read.

Fed with every event of the shard in order, it keeps the last of each definition, an account's cash,
holds and positions, a market's totals, and the answers given to operators. It decides nothing: the
core is the truth, this is its picture. It must not know where events come from.
"""

from collections.abc import Callable
from typing import Any, Final

from attrs import define, field

from kalshi_fix.messages import events as e
from kalshi_fix.model import NANOS

ANSWERS_KEPT_NANOSECONDS: Final = 24 * 3_600 * NANOS  # as long as the core knows a request id
REQUEST_ID_USED: Final = "REQUEST_ID_USED"  # the core's answer to an id used for something else
ANSWERS_KEPT_LEAST: Final = 1_000  # the history an operator can look at, however old


_MARKET_FIELDS: Final = (
    "event_ticker",
    "series",
    "title",
    "price_ranges",
    "open_at",
    "close_at",
    "expected_expiry_at",
    "settlement_timer",
    "position_limit",
    "price_band",
    "halt_band",
    "halt_window",
    "halt_time",
    "jurisdictions_excluded",
)
_SESSION_FIELDS: Final = (
    "sender_comp_id",
    "target_comp_id",
    "role",
    "accounts",
    "enabled",
    "cancel_on_disconnect",
    "max_order_age",
    "segment",
    "message_types",
    "markets",
    "read_only",
    "cancel_scope",
    "cancel_keeps_gtc",
)


@define(slots=True)
class MarketView:
    """One market: its definition as last published, and its totals."""

    definition: e.MarketChanged
    last_price: int = 0  # 0 = not traded
    last_trade_id: int = 0
    price_before: int = 0  # of the last trade, should it be busted
    volume: int = 0
    open_interest: int = 0


@define(slots=True)
class AccountView:
    """One account: money units; positions in hundredths, flat ones left out."""

    name: str
    firm: str = ""
    jurisdiction: str = ""
    cash: int = 0  # free
    held: int = 0
    open_orders: int = 0
    positions: dict[str, int] = field(factory=dict)


@define(slots=True)
class ShardView:
    """Everything an operator can read about one shard."""

    number: int = 0  # of the last event seen
    at: int = 0  # its effective time
    markets: dict[str, MarketView] = field(factory=dict)
    accounts: dict[str, AccountView] = field(factory=dict)
    firms: dict[str, e.FirmChanged] = field(factory=dict)
    sessions: dict[str, e.SessionDefined] = field(factory=dict)
    segments: dict[str, e.SegmentChanged] = field(factory=dict)
    series: dict[str, e.SeriesChanged] = field(factory=dict)
    connections: dict[str, e.SessionChanged] = field(factory=dict)
    limits: dict[tuple[str, str], e.LimitsChanged] = field(factory=dict)
    exchange: e.ExchangeChanged | None = None
    maintenance: e.MaintenanceChanged | None = None  # the window that is announced or lasts
    answers: dict[str, e.AdminAnswered] = field(factory=dict)
    holds: dict[int, int] = field(factory=dict)  # order id -> money held, open orders only

    def apply(self, event: e.Event) -> None:
        """Takes the next event in."""
        self.number = event.number
        self.at = event.at
        take = _TAKES.get(type(event))
        if take is not None:
            take(self, event)

    # --- what a change starts from (`admin_operations.Operation.base`)

    def market_definition(self, symbol: str) -> dict[str, Any] | None:
        """A market's definition by the field names of ``DefineMarket``."""
        market = self.markets.get(symbol)
        if market is None:
            return None
        return {name: getattr(market.definition, name) for name in _MARKET_FIELDS}

    def account_definition(self, name: str) -> dict[str, Any] | None:
        """An account's definition by the field names of ``DefineAccount``."""
        account = self.accounts.get(name)
        if account is None:
            return None
        return {"firm": account.firm, "jurisdiction": account.jurisdiction}

    def firm_definition(self, name: str) -> dict[str, Any] | None:
        """A firm's definition by the field names of ``DefineFirm``."""
        firm = self.firms.get(name)
        return None if firm is None else {"jurisdiction": firm.jurisdiction, "roles": firm.roles}

    def segment_definition(self, name: str) -> dict[str, Any] | None:
        """A segment's definition by the field names of ``DefineSegment``."""
        segment = self.segments.get(name)
        if segment is None:
            return None
        return {
            "message_types": segment.message_types,
            "markets": segment.markets,
            "read_only": segment.read_only,
            "limits": segment.limits,
        }

    def session_definition(self, name: str) -> dict[str, Any] | None:
        """A session's definition by the field names of ``DefineSession``."""
        session = self.sessions.get(name)
        if session is None:
            return None
        found = {name: getattr(session, name) for name in _SESSION_FIELDS}
        return {**found, "firm": session.owner}


# --- orders and money


def _execution(view: ShardView, event: e.Execution) -> None:
    account = _account_of(view, event.terms.account)
    order_id = event.terms.order_id
    was_open = order_id in view.holds
    is_open = event.leaves_qty > 0
    held = _set_hold(view, account, order_id, event.hold)
    if not is_open:
        view.holds.pop(order_id, None)
    account.open_orders += is_open - was_open
    account.cash += event.cash_change - held
    if event.trade_id:
        _set_position(account, event.terms.symbol, event.position)


def _balance(view: ShardView, event: e.BalanceChanged) -> None:
    account = _account_of(view, event.account)
    account.cash = event.cash
    if event.order_id:  # a position that covered this order is gone: cash is held instead
        _set_hold(view, account, event.order_id, event.hold)


def _set_hold(view: ShardView, account: AccountView, order_id: int, hold: int) -> int:
    """Holds ``hold`` for an order from now on; returns how much more that is."""
    more = hold - view.holds.get(order_id, 0)
    view.holds[order_id] = hold
    account.held += more
    return more


def _settled(view: ShardView, event: e.PositionSettled) -> None:
    account = _account_of(view, event.account)
    account.cash = event.cash
    _set_position(account, event.symbol, 0)


def _account_of(view: ShardView, name: str) -> AccountView:
    return view.accounts.setdefault(name, AccountView(name))


def _set_position(account: AccountView, symbol: str, position: int) -> None:
    if position:
        account.positions[symbol] = position
    else:
        account.positions.pop(symbol, None)


# --- markets


def _market(view: ShardView, event: e.MarketChanged) -> None:
    known = view.markets.get(event.symbol)
    if known is None:
        view.markets[event.symbol] = MarketView(event)
    else:
        known.definition = event


def _traded(view: ShardView, event: e.Traded) -> None:
    market = view.markets.get(event.symbol)
    if market is not None:
        market.price_before = market.last_price
        market.last_price = event.price
        market.last_trade_id = event.trade_id
    _totals(view, event)


def _busted(view: ShardView, event: e.TradeBusted) -> None:
    market = view.markets.get(event.symbol)
    if market is not None and event.last_price >= 0:
        market.last_price, market.last_trade_id = event.last_price, event.last_trade_id
    elif market is not None and market.last_trade_id == event.trade_id:
        market.last_price = market.price_before
        market.last_trade_id = 0
    _totals(view, event)


def _totals(view: ShardView, event: e.Traded | e.TradeBusted | e.OpenInterestChanged) -> None:
    market = view.markets.get(event.symbol)
    if market is not None:  # else the stream was trimmed above its definition
        market.volume = event.volume
        market.open_interest = event.open_interest


# --- definitions and operators


def _account_defined(view: ShardView, event: e.AccountChanged) -> None:
    account = _account_of(view, event.name)
    account.firm = event.owner
    account.jurisdiction = event.jurisdiction


def _firm(view: ShardView, event: e.FirmChanged) -> None:
    view.firms[event.name] = event


def _session(view: ShardView, event: e.SessionDefined) -> None:
    view.sessions[event.name] = event


def _segment(view: ShardView, event: e.SegmentChanged) -> None:
    view.segments[event.name] = event


def _series(view: ShardView, event: e.SeriesChanged) -> None:
    view.series[event.name] = event


def _connection(view: ShardView, event: e.SessionChanged) -> None:
    if not event.reason:  # a refused opening changed nothing
        view.connections[event.session] = event


def _limits(view: ShardView, event: e.LimitsChanged) -> None:
    key = (event.scope, event.name)
    if any(event.limits.values()):
        view.limits[key] = event
    else:
        view.limits.pop(key, None)


def _exchange(view: ShardView, event: e.ExchangeChanged) -> None:
    view.exchange = event


def _maintenance(view: ShardView, event: e.MaintenanceChanged) -> None:
    if not event.session:  # else somebody was reminded of it
        view.maintenance = None if event.phase in {"over", "withdrawn"} else event


def _answered(view: ShardView, event: e.AdminAnswered) -> None:
    if event.reason == REQUEST_ID_USED and event.request_id in view.answers:
        return  # the id still stands for what it was first used for
    view.answers[event.request_id] = event
    while len(view.answers) > ANSWERS_KEPT_LEAST:
        oldest = next(iter(view.answers.values()))
        if event.at - oldest.at <= ANSWERS_KEPT_NANOSECONDS:
            break
        del view.answers[oldest.request_id]


_TAKES: Final[dict[type[Any], Callable[[ShardView, Any], None]]] = {
    e.Execution: _execution,
    e.BalanceChanged: _balance,
    e.PositionSettled: _settled,
    e.MarketChanged: _market,
    e.Traded: _traded,
    e.TradeBusted: _busted,
    e.OpenInterestChanged: _totals,
    e.AccountChanged: _account_defined,
    e.FirmChanged: _firm,
    e.SessionDefined: _session,
    e.SegmentChanged: _segment,
    e.SeriesChanged: _series,
    e.SessionChanged: _connection,
    e.LimitsChanged: _limits,
    e.ExchangeChanged: _exchange,
    e.MaintenanceChanged: _maintenance,
    e.AdminAnswered: _answered,
}
