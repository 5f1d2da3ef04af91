"""Commands: everything that changes the exchange. One class per command, in positional form.

A command is plain data: no defaults that hide a decision, no methods that decide. Three kinds of
identity make a repeat harmless (bus, Command identity):

* from a FIX client: ``session, epoch, seq`` (seq = MsgSeqNum);
* made by a process of ours: ``process, boot, counter``;
* made by an operator: ``request_id``.

``everywhere`` is set on what every shard is asked and answers: MsgSeqNum of the request, then the
session's epoch in each shard. The answers carry it too, so that they are known to belong together.
``at`` is the writer's clock in nanoseconds UTC. Units as in ``kalshi_fix.model``.
Field order is the wire order on the bus: append new fields at the end, with a default.
"""

from kalshi_fix.messages.admin_commands import (
    AdminCommand,
    AnnounceMaintenance,
    BustTrade,
    CancelByOperator,
    Confirm,
    DefineAccount,
    DefineFirm,
    DefineMarket,
    DefineSegment,
    DefineSeries,
    DefineSession,
    Deposit,
    Determine,
    Dispute,
    Drain,
    KillSwitch,
    ManageSession,
    Quarantine,
    SetExchangeStatus,
    SetLimits,
    SetMarketStatus,
    Settle,
    StartTradingDay,
    UnlockFirm,
    Withdraw,
)
from kalshi_fix.messages.message import Message

# --- from a FIX client -------------------------------------------------------------------------


class NewOrder(Message, tag=1):
    """NewOrderSingle (D), translated.

    ``faults`` are the reasons translation already found (``INVALID_PRICE``, ``PRICE_OFF_TICK``,
    ``INVALID_QUANTITY``, ``UNSUPPORTED_ORDER``, ``ACCOUNT_NOT_FOUND``); the core fits them into
    its order of precedence, so that the first failing check wins wherever it was found.
    ``as_sent`` is (1, 38, 40, 44, 59) exactly as the client wrote them, "" where absent: a reject
    echoes them.
    """

    session: str
    epoch: int
    seq: int
    at: int
    sent_at: int  # SendingTime, or OrigSendingTime of a repeat; judges STALE_ORDER
    repeat: int  # model.Repeat
    cl_ord_id: str
    symbol: str
    side: int
    order_qty: int
    ord_type: int
    price: int  # 0 where absent
    time_in_force: int
    expire_at: int  # ns, 0 where absent
    account: str  # "" = the session's default account
    exec_inst: int  # model.ExecInst
    group_id: str  # order group, "" where absent
    self_trade: int  # model.SelfTrade
    cancel_on_pause: bool
    max_cost: int  # money incl. fees, 0 = no limit
    faults: tuple[str, ...] = ()
    as_sent: tuple[str, ...] = ("", "", "", "", "")


class CancelOrder(Message, tag=2):
    """OrderCancelRequest (F)."""

    session: str
    epoch: int
    seq: int
    at: int
    sent_at: int
    repeat: int
    cl_ord_id: str
    orig_cl_ord_id: str
    order_id: int  # 0 = not given, -1 = given but not an order id of this venue
    symbol: str
    side: int
    account: str
    firm_scope: bool  # 20901=F
    faults: tuple[str, ...] = ()


class ReplaceOrder(Message, tag=3):
    """OrderCancelReplaceRequest (G): 38 is the new total, filled plus desired open quantity."""

    session: str
    epoch: int
    seq: int
    at: int
    sent_at: int
    repeat: int
    cl_ord_id: str
    orig_cl_ord_id: str
    order_id: int  # 0 = not given, -1 = given but not an order id of this venue
    symbol: str
    side: int
    account: str
    firm_scope: bool
    order_qty: int
    ord_type: int
    price: int
    time_in_force: int  # -1 = absent
    expire_at: int  # 0 = absent
    faults: tuple[str, ...] = ()


class MassCancel(Message, tag=4):
    """OrderMassCancelRequest (q). ``request_type`` is 530: "1" one symbol, "7" everything."""

    session: str
    epoch: int
    seq: int
    at: int
    cl_ord_id: str
    request_type: str
    symbol: str
    side: int  # 0 = both
    account: str  # "" = all
    firm_scope: bool
    lock: bool  # 20903=LOCK: also refuse the firm's new orders until an operator unlocks
    everywhere: tuple[int, ...] = ()  # see the module


class QueryOrder(Message, tag=5):
    """OrderStatusRequest (H): ``order_id`` decides where given, else any ClOrdID it ever had."""

    session: str
    epoch: int
    seq: int
    at: int
    cl_ord_id: str
    order_id: int
    symbol: str
    side: int
    request_id: str  # 790, echoed
    firm_scope: bool
    everywhere: tuple[int, ...] = ()  # see the module


class QueryOrders(Message, tag=6):
    """OrderMassStatusRequest (AF). ``request_type`` is 585: 7 all, 1 one symbol."""

    session: str
    epoch: int
    seq: int
    at: int
    request_id: str  # 584, echoed
    request_type: int
    symbol: str
    side: int  # 0 = both
    account: str  # "" = all
    firm_scope: bool
    everywhere: tuple[int, ...] = ()  # see the module


class ManageOrderGroup(Message, tag=7):
    """OrderGroupRequest (UOG). ``limit`` in hundredths of a contract, 0 where absent."""

    session: str
    epoch: int
    seq: int
    at: int
    action: int  # model.GroupAction
    group_id: str
    limit: int
    account: str
    everywhere: tuple[int, ...] = ()  # see the module


class QueryPositions(Message, tag=8):
    """RequestForPositions (AN)."""

    session: str
    epoch: int
    seq: int
    at: int
    request_id: str  # 710
    account: str
    symbol: str  # "" = all markets
    everywhere: tuple[int, ...] = ()  # see the module


class QueryCollateral(Message, tag=9):
    """CollateralInquiry (BB)."""

    session: str
    epoch: int
    seq: int
    at: int
    request_id: str  # 909
    account: str  # "" = all accounts the session may use
    everywhere: tuple[int, ...] = ()  # see the module


# --- made by a process of ours -----------------------------------------------------------------


class SessionOpened(Message, tag=20):
    """A Logon the edge accepted; on the bus before the engine sees the Logon.

    ``reset`` asks for the next epoch (141=Y, or a scheduled or operator's reset).
    ``cancel_on_disconnect``: -1 = the session's configured default, else 0/1 (8013).
    """

    process: str
    boot: int
    counter: int
    at: int
    session: str
    connection: str
    reset: bool
    cancel_on_disconnect: int
    listener: bool
    venue_tags: bool
    settlement_reports: bool
    signed_at: int  # 52 of a signed Logon in ns, 0 otherwise: replay protection
    replay: bool = False  # with reset: what was reported since the last Logout is told again


class SessionLost(Message, tag=21):
    """The connection named is gone; ignored if a later one is open."""

    process: str
    boot: int
    counter: int
    at: int
    session: str
    connection: str
    cause: str  # "socket", "heartbeat", "logout", "gateway"


class GatewayAlive(Message, tag=22):
    """Every second from each gateway; missing for five seconds means SessionLost for its own."""

    process: str
    boot: int
    counter: int
    at: int


class PublishDepth(Message, tag=23):
    """Asks for the full depth of a market ("" = of all): a publisher that lost its place."""

    process: str
    boot: int
    counter: int
    at: int
    symbol: str


class AdvanceTime(Message, tag=24):
    """Moves the exchange clock; only this expires things. A stale one is harmless."""

    at: int


ClientCommand = (
    NewOrder
    | CancelOrder
    | ReplaceOrder
    | MassCancel
    | QueryOrder
    | QueryOrders
    | ManageOrderGroup
    | QueryPositions
    | QueryCollateral
)
ProcessCommand = SessionOpened | SessionLost | GatewayAlive | PublishDepth
Command = ClientCommand | ProcessCommand | AdminCommand | AdvanceTime

__all__ = [
    "AdminCommand",
    "AdvanceTime",
    "AnnounceMaintenance",
    "BustTrade",
    "CancelByOperator",
    "CancelOrder",
    "ClientCommand",
    "Command",
    "Confirm",
    "DefineAccount",
    "DefineFirm",
    "DefineMarket",
    "DefineSegment",
    "DefineSeries",
    "DefineSession",
    "Deposit",
    "Determine",
    "Dispute",
    "Drain",
    "GatewayAlive",
    "KillSwitch",
    "ManageOrderGroup",
    "ManageSession",
    "MassCancel",
    "NewOrder",
    "ProcessCommand",
    "PublishDepth",
    "Quarantine",
    "QueryCollateral",
    "QueryOrder",
    "QueryOrders",
    "QueryPositions",
    "ReplaceOrder",
    "SessionLost",
    "SessionOpened",
    "SetExchangeStatus",
    "SetLimits",
    "SetMarketStatus",
    "Settle",
    "StartTradingDay",
    "UnlockFirm",
    "Withdraw",
]
