"""Events: everything that happened. Fat enough that whoever reads one needs no other state.

``number`` is the shard's event counter (1, 2, 3 ... without gaps), ``at`` the effective time in
nanoseconds UTC: together they make the ExecID. ``firm`` names whose event it is; events without a
``firm`` are public (market data) or concern everybody (definitions, exchange status).
Field order is the wire order on the bus: append new fields at the end, with a default.
"""

from kalshi_fix.messages.market_events import (
    DepthPublished,
    LevelChanged,
    MarketChanged,
    MarketEvent,
    OpenInterestChanged,
    TradeBusted,
    Traded,
)
from kalshi_fix.messages.message import Message
from kalshi_fix.messages.reference_events import (
    AccountChanged,
    AdminAnswered,
    ExchangeChanged,
    FirmChanged,
    LimitsChanged,
    MaintenanceChanged,
    SegmentChanged,
    SeriesChanged,
    SessionDefined,
    SharedEvent,
)

# --- orders ------------------------------------------------------------------------------------


class OrderTerms(Message):
    """What an order is, apart from what happened to it. Made anew by a replace, never mutated."""

    order_id: int
    session: str
    firm: str
    account: str
    symbol: str
    side: int
    ord_type: int
    order_qty: int  # as last accepted
    price: int  # 0 for a market order
    time_in_force: int
    expire_at: int  # day orders: the day's end minus 1 ms; 0 = none
    exec_inst: int
    self_trade: int
    group_id: str
    cancel_on_pause: bool
    max_cost: int


class Execution(Message, tag=101):
    """An ExecutionReport's content, except rejects and status answers.

    ``notional`` is the exact sum(price x quantity) of the order's fills that stand, in money.
    ``hold`` is the cash reserved for the order after this event; ``cash_change`` what the
    account's free cash plus holds gained (BALANCE), ``payout`` what closing a position returned.
    ``requester`` is the session whose request this answers when it is not the order's own.
    """

    number: int
    at: int
    firm: str
    exec_type: str  # model.ExecType
    ord_status: str  # model.OrdStatus
    terms: OrderTerms
    cl_ord_id: str
    orig_cl_ord_id: str  # "" unless this answers an F or G
    cum_qty: int
    leaves_qty: int
    notional: int
    reason: str  # "" or model.Reason
    last_qty: int
    last_px: int
    trade_id: int
    liquidity: int  # model.Liquidity
    fee: int  # money; negative = rebate or refund
    trading_day: int  # yyyymmdd
    position: int  # signed YES contracts after a trade, hundredths
    cash_change: int
    payout: int
    hold: int
    ref_number: int  # a bust: event number and time of the busted report, else 0
    ref_at: int
    requester: str


class OrderRejected(Message, tag=102):
    """NewOrderSingle refused by the core (150=8)."""

    number: int
    at: int
    firm: str
    session: str
    cl_ord_id: str
    symbol: str
    side: int
    reason: str
    as_sent: tuple[str, ...]  # NewOrder.as_sent


class CancelRejected(Message, tag=103):
    """F or G refused by the core (9)."""

    number: int
    at: int
    firm: str
    session: str
    cl_ord_id: str
    orig_cl_ord_id: str
    order_id: int  # 0 = unknown
    ord_status: str
    response_to: str  # 434: "1" cancel, "2" replace
    reason: str


class MassCanceled(Message, tag=104):
    """Answer to q; each order's own Execution follows. ``reason`` is "" unless refused."""

    number: int
    at: int
    firm: str
    session: str
    cl_ord_id: str
    request_type: str
    symbol: str
    count: int
    reason: str
    everywhere: tuple[int, ...] = ()  # of the request


class StatusReported(Message, tag=105):
    """Answer to H (``mass`` false) or one line of the answer to AF (``mass`` true).

    ``terms`` is None when there is no such order; then ``symbol``/``side`` echo the request.
    """

    number: int
    at: int
    firm: str
    session: str
    mass: bool
    request_id: str
    cl_ord_id: str
    symbol: str
    side: int
    total: int
    last: bool
    reason: str
    terms: OrderTerms | None
    ord_status: str
    cum_qty: int
    leaves_qty: int
    notional: int
    everywhere: tuple[int, ...] = ()  # of the request


class OrderGroupChanged(Message, tag=106):
    """Answer to UOG, or (``session`` "") an unsolicited trigger. ``reason`` != "" = refused."""

    number: int
    at: int
    firm: str
    session: str
    seq: int  # MsgSeqNum of the request, for RefSeqNum of a refusal
    action: int
    group_id: str
    account: str
    limit: int
    triggered: bool
    reason: str
    everywhere: tuple[int, ...] = ()  # of the request


class PositionsReported(Message, tag=107):
    """Answer to AN. Rows: (symbol, position, price, previous price, price is a last trade)."""

    number: int
    at: int
    firm: str
    session: str
    request_id: str
    account: str
    trading_day: int
    permitted: bool
    rows: tuple[tuple[str, int, int, int, bool], ...]
    everywhere: tuple[int, ...] = ()  # of the request


class CollateralReported(Message, tag=108):
    """Answer to BB. Rows: (account, free cash, held cash, position value), money."""

    number: int
    at: int
    firm: str
    session: str
    request_id: str
    reason: str  # "" or why nothing is reported
    rows: tuple[tuple[str, int, int, int], ...]
    everywhere: tuple[int, ...] = ()  # of the request


# --- ledger ------------------------------------------------------------------------------------


class BalanceChanged(Message, tag=109):
    """Cash moved without an order: deposit, withdrawal, correction. ``cash`` is free cash after.

    ``why`` HOLD_MOVED: another order closed the position that covered order ``order_id``, which
    holds ``hold`` from now on; ``amount`` is 0 then, because the cash stays the account's.
    """

    number: int
    at: int
    firm: str
    account: str
    amount: int
    cash: int
    why: str
    order_id: int = 0
    hold: int = 0


class PositionSettled(Message, tag=110):
    """A position was paid out.

    A correction (``corrects`` != 0) takes back the payout of the event it names and pays this one.
    """

    number: int
    at: int
    firm: str
    account: str
    symbol: str
    position: int  # what was paid, signed, hundredths
    value: int  # price units
    previous_value: int
    payout: int  # cash credited, money
    cash: int  # free cash after
    trading_day: int
    corrects: int  # number of the PositionSettled this replaces, 0 = none


# --- sessions, reference data, operators ---------------------------------------------------------


class SessionChanged(Message, tag=111):
    """A session opened or was lost. ``confirmed``: everything up to it is durable or answered."""

    number: int
    at: int
    firm: str
    session: str
    process: str  # the gateway that asked
    counter: int  # its counter: joins question and answer
    connection: str
    is_open: bool
    epoch: int
    confirmed: int
    high_water: int
    cancel_on_disconnect: bool
    listener: bool
    venue_tags: bool
    settlement_reports: bool
    signed_at: int
    reason: str  # "" or why the opening is refused
    replay: bool = False  # an opening with a new epoch that does not give history up (20902=Y)


class SessionManaged(Message, tag=112):
    """An operator's order to the gateway that serves a session; see ``ManageSession``."""

    number: int
    at: int
    firm: str
    session: str
    action: str
    next_incoming: int
    next_outgoing: int
    text: str
    epoch: int


FirmEvent = (
    Execution
    | OrderRejected
    | CancelRejected
    | MassCanceled
    | StatusReported
    | OrderGroupChanged
    | PositionsReported
    | CollateralReported
    | BalanceChanged
    | PositionSettled
    | SessionChanged
    | SessionManaged
)
Event = FirmEvent | SharedEvent | MarketEvent

__all__ = [
    "AccountChanged",
    "AdminAnswered",
    "BalanceChanged",
    "CancelRejected",
    "CollateralReported",
    "DepthPublished",
    "Event",
    "ExchangeChanged",
    "Execution",
    "FirmChanged",
    "FirmEvent",
    "LevelChanged",
    "LimitsChanged",
    "MaintenanceChanged",
    "MarketChanged",
    "MarketEvent",
    "MassCanceled",
    "OpenInterestChanged",
    "OrderGroupChanged",
    "OrderRejected",
    "OrderTerms",
    "PositionSettled",
    "PositionsReported",
    "SegmentChanged",
    "SeriesChanged",
    "SessionChanged",
    "SessionDefined",
    "SessionManaged",
    "SharedEvent",
    "StatusReported",
    "TradeBusted",
    "Traded",
]
