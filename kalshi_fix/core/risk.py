"""Every check an order passes before it may touch the book, in the order that decides the reason.

Session and entitlement, ClOrdID, market and its state, order attributes, price, quantity, limits,
balance: the first that fails wins. A refusal is a reason, "" means pass. Nothing here changes
anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kalshi_fix.core import plain
from kalshi_fix.core.parties import Desk
from kalshi_fix.messages.entitlement import covered_by_all
from kalshi_fix.model import Reason, Role

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kalshi_fix.core.market import Market
    from kalshi_fix.core.parties import Account, Position, Session
    from kalshi_fix.core.state import State
    from kalshi_fix.messages.commands import NewOrder

R = Reason

# The group a reason belongs to. A fault that translation found wins over what the core finds in
# the same or a later group.
PRECEDENCE: Final[dict[str, int]] = {
    reason.value: place
    for place, group in enumerate(
        (
            (
                R.SESSION_DISABLED,
                R.ACCOUNT_NOT_FOUND,
                R.ACCOUNT_NOT_PERMITTED,
                R.NOT_ENTITLED,
                R.JURISDICTION_RESTRICTED,
            ),
            (R.ORDER_ALREADY_EXISTS, R.STALE_ORDER),
            (R.UNKNOWN_ORDER, R.ORDER_ATTRIBUTES_MISMATCH, R.TOO_LATE),
            (
                R.MARKET_NOT_FOUND,
                R.MARKET_INACTIVE,
                R.MARKET_CLOSED,
                R.TRADING_PAUSED,
                R.EXCHANGE_PAUSED,
                R.MAINTENANCE,
            ),
            (R.UNSUPPORTED_ORDER, R.ORDER_GROUP_NOT_FOUND),
            (R.INVALID_PRICE, R.PRICE_OFF_TICK, R.PRICE_OUT_OF_BAND, R.POST_ONLY_CROSS),
            (R.INVALID_QUANTITY, R.INVALID_AMEND_QTY),
            (
                R.EXCEEDED_ORDER_GROUP_LIMIT,
                R.ORDER_SIZE_LIMIT,
                R.ORDER_VALUE_LIMIT,
                R.OPEN_ORDER_LIMIT,
                R.POSITION_LIMIT,
            ),
            (R.INSUFFICIENT_BALANCE,),
        )
    )
    for reason in group
}  # fmt: skip - one line per group
LAST: Final = len(PRECEDENCE)

_IMMEDIATE: Final = frozenset({plain.IOC, plain.FOK})
_SIDES: Final = frozenset({plain.BUY, plain.SELL})
_MODES: Final = frozenset({plain.CANCEL_INCOMING, plain.CANCEL_RESTING, plain.CANCEL_BOTH})
_TIFS: Final = {
    plain.MARKET: frozenset({plain.GTC, plain.IOC, plain.FOK}),  # GTC: 59 was absent
    plain.LIMIT: frozenset({plain.DAY, plain.GTC, plain.IOC, plain.FOK, plain.GTD}),
}
_INSTRUCTIONS: Final = plain.POST_ONLY | plain.REDUCE_ONLY


def merge_faults(found: str, faults: Iterable[str]) -> str:
    """The reason that wins: the core's, or a fault translation found earlier in the order."""
    best = found
    place = PRECEDENCE.get(found, LAST) if found else LAST + 1
    for fault in faults:
        rank = PRECEDENCE.get(fault, LAST)
        if rank < place or (rank == place and best == found):
            best, place = fault, rank
    return best


# --- session and entitlement --------------------------------------------------------------------


def open_desk(state: State, session: Session, name: str) -> Desk:
    """Works out what a session may do for an account ("" = its default account)."""
    name = name or session.default_account
    account = state.accounts.get(name)
    if account is None:
        refusal = R.ACCOUNT_NOT_FOUND.value
    elif name not in session.accounts or account.firm is not session.firm:
        refusal, account = R.ACCOUNT_NOT_PERMITTED.value, None
    else:
        refusal = ""
    if not may_trade(state, session):
        refusal = R.SESSION_DISABLED.value
    markets = tuple(each for each in (session.markets, session.segment.markets) if each)
    desk = Desk(refusal, account, markets)
    if account is not None:
        _set_limits(desk, session, account)
    return desk


def entitlement(desk: Desk, symbol: str, market: Market | None) -> str:
    """Whether the session and its segment may trade this market, and the account's owner may."""
    if desk.markets and not covered_by_all(desk.markets, symbol):
        return R.NOT_ENTITLED.value
    account = desk.account
    excluded = market.excluded if market is not None else ()
    if excluded and account is not None and account.jurisdiction in excluded:
        return R.JURISDICTION_RESTRICTED.value
    return ""


def may_trade(state: State, session: Session) -> bool:
    """Whether a session may enter and change orders at all.

    A session whose orders are to be cancelled on disconnect may not add any while it is lost.
    """
    firm = session.firm
    return not (
        not session.enabled
        or session.killed
        or session.listener
        or session.read_only
        or session.segment.read_only
        or (firm.roles and session.role not in firm.roles)
        or firm.killed
        or firm.locked
        or state.killed
        or not Role(session.role).enters_orders
        or (session.connection and not session.is_open and session.cancel_on_disconnect)
    )


def _set_limits(desk: Desk, session: Session, account: Account) -> None:
    scopes = (
        session.limits.values,
        session.segment.limits,
        account.limits.values,
        session.firm.limits.values,
    )
    desk.limited = any(scopes)

    def tightest(name: str) -> int:
        return min((values[name] for values in scopes if name in values), default=0)

    desk.order_size = tightest("order_size")
    desk.order_value = tightest("order_value")
    desk.price_distance = tightest("price_distance")


def is_stale(state: State, session: Session, sent_at: int) -> bool:
    """Whether a request was sent too long before the exchange clock."""
    age = session.max_order_age
    return bool(age and sent_at > 0 and state.clock - sent_at > age)


# --- market, attributes, price, quantity ----------------------------------------------------------


def check_order(state: State, desk: Desk, command: NewOrder, market: Market | None) -> str:
    """Market and its state, attributes, price, quantity, limits: everything but the balance."""
    if market is None:
        return R.MARKET_NOT_FOUND.value
    reason = market.refusal
    if not reason and (
        command.time_in_force != plain.GTC
        or command.ord_type != plain.LIMIT
        or command.exec_inst
        or command.group_id
        or command.expire_at
        or command.self_trade not in _MODES
        or command.side not in _SIDES
    ):
        reason = _check_attributes(state, desk, command)
    if not reason and command.ord_type == plain.LIMIT:
        reason = check_price(desk, market, command.price)
    if not reason and command.order_qty <= 0:
        reason = R.INVALID_QUANTITY.value
    if not reason and (desk.limited or market.position_limit or command.group_id):
        reason = _check_new_limits(state, desk, command, market)
    return reason


def _check_attributes(state: State, desk: Desk, command: NewOrder) -> str:
    """Values and combinations we support, and the order group."""
    time_in_force = command.time_in_force
    post_only = bool(command.exec_inst & plain.POST_ONLY)
    reduce_only = bool(command.exec_inst & plain.REDUCE_ONLY)
    immediate = is_immediate(state, command)
    if (
        command.side not in _SIDES
        or command.self_trade not in _MODES
        or time_in_force not in _TIFS.get(command.ord_type, ())
        or command.exec_inst & ~_INSTRUCTIONS
        or (time_in_force == plain.GTD) != (command.expire_at != 0)
        or (time_in_force == plain.DAY and not state.day_ends_at)
        or (post_only and (immediate or reduce_only or command.max_cost))
        or (reduce_only and not immediate)
    ):
        return R.UNSUPPORTED_ORDER.value
    account = desk.account
    if command.group_id and (account is None or command.group_id not in account.groups):
        return R.ORDER_GROUP_NOT_FOUND.value
    return ""


def is_immediate(state: State, command: NewOrder) -> bool:
    """Whether an order trades at once or not at all; one that has already expired does too."""
    if command.ord_type == plain.MARKET or command.time_in_force in _IMMEDIATE:
        return True
    if command.time_in_force == plain.GTD:
        return command.expire_at <= state.at
    return command.time_in_force == plain.DAY and state.day_ends_at <= state.at


def check_price(desk: Desk, market: Market, price: int) -> str:
    """On the market's grid and near enough to the last trade."""
    if price not in market.ladder.index:
        if 0 < price < plain.PRICE_UNIT:
            return R.PRICE_OFF_TICK.value
        return R.INVALID_PRICE.value
    if market.price_band or desk.price_distance:
        last = market.last_price
        distance = abs(price - last)
        for band in (market.price_band, desk.price_distance):
            if last and band and distance > band:
                return R.PRICE_OUT_OF_BAND.value
    return ""


# --- limits ---------------------------------------------------------------------------------------


def _check_new_limits(state: State, desk: Desk, command: NewOrder, market: Market) -> str:
    account = desk.account
    assert account is not None, "an order without an account is refused before"
    if command.group_id and account.groups[command.group_id].triggered:
        return R.EXCEEDED_ORDER_GROUP_LIMIT.value
    session = state.sessions[command.session]
    is_buy = command.side == plain.BUY
    price = command.price
    if command.ord_type == plain.MARKET:
        price = market.ladder.highest if is_buy else market.ladder.lowest
    quantity = command.order_qty
    return (
        check_size(desk, is_buy, price, quantity)
        or (
            ""
            if is_immediate(state, command) or command.max_cost
            else _check_open_orders(session, account)
        )
        or check_exposure(session, account, market, is_buy, quantity)
    )


def check_size(desk: Desk, is_buy: bool, price: int, quantity: int) -> str:
    """Order size, and order value: what the whole order could lose at most."""
    if desk.order_size and quantity > desk.order_size:
        return R.ORDER_SIZE_LIMIT.value
    unit = price if is_buy else plain.PRICE_UNIT - price
    if desk.order_value and unit * quantity > desk.order_value:
        return R.ORDER_VALUE_LIMIT.value
    return ""


def _check_open_orders(session: Session, account: Account) -> str:
    for limits, count in (
        (session.limits.values, len(session.open)),
        (session.segment.limits, len(session.open)),
        (account.limits.values, account.open_orders),
        (session.firm.limits.values, session.firm.open_orders),
    ):
        limit = limits.get("open_orders", 0)
        if limit and count >= limit:
            return R.OPEN_ORDER_LIMIT.value
    return ""


def check_exposure(
    session: Session, account: Account, market: Market, is_buy: bool, added: int
) -> str:
    """Position in the market and gross exposure, if ``added`` were to fill with all that is open.

    A limit of a session or an account, or the market's own, is judged on the account; a firm's on
    the sum over its accounts. Exposure counts a dollar per contract held or open, long or short.
    """
    worst = _worst_position(account.positions.get(market.symbol), is_buy) + added
    gross = (account.gross + added) * plain.PRICE_UNIT
    for values in (session.limits.values, session.segment.limits, account.limits.values):
        if _exceeds(values.get("position", 0), worst) or _exceeds(values.get("exposure", 0), gross):
            return R.POSITION_LIMIT.value
    if _exceeds(market.position_limit, worst):
        return R.POSITION_LIMIT.value
    values = session.firm.limits.values
    if values.get("position") or values.get("exposure"):
        accounts = session.firm.accounts.values()
        worst = added + sum(
            _worst_position(each.positions.get(market.symbol), is_buy) for each in accounts
        )
        gross = (added + sum(each.gross for each in accounts)) * plain.PRICE_UNIT
        if _exceeds(values.get("position", 0), worst) or _exceeds(values.get("exposure", 0), gross):
            return R.POSITION_LIMIT.value
    return ""


def _exceeds(limit: int, value: int) -> bool:
    return bool(limit) and value > limit


def _worst_position(position: Position | None, is_buy: bool) -> int:
    """How far a position goes one way if everything open on that side fills."""
    if position is None:
        return 0
    if is_buy:
        return position.quantity + position.open_buy
    return position.open_sell - position.quantity
