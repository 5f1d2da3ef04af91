"""Operators' commands: reference data, life cycle, money, limits. Also the TOML's ``Define...``.

Every one starts with ``request_id, operator, why, at``; the request id makes a repeat harmless.
Units as in ``kalshi_fix.model``. Append new fields at the end, with a default.
"""

from msgspec import field

from kalshi_fix.messages.message import Message


class DefineFirm(Message, tag=40):
    """Creates or changes a firm."""

    request_id: str
    operator: str
    why: str
    at: int
    firm: str
    jurisdiction: str = ""
    roles: tuple[str, ...] = ()  # its sessions may have; () = any


class DefineAccount(Message, tag=41):
    """Creates or changes an account of a firm. Funding is a Deposit."""

    request_id: str
    operator: str
    why: str
    at: int
    account: str
    firm: str
    jurisdiction: str = ""  # "" = the firm's


class DefineSession(Message, tag=42):
    """Creates or changes a session: who it is and what it may do. Credentials are not here.

    What its segment does not permit, it may not do either. ``cancel_scope`` says whose orders end
    with its connection where it cancels on disconnect: "session" or "firm".
    """

    request_id: str
    operator: str
    why: str
    at: int
    session: str
    sender_comp_id: str
    target_comp_id: str
    role: str
    firm: str
    accounts: tuple[str, ...]  # the first is the default account
    enabled: bool = True
    cancel_on_disconnect: bool = False
    max_order_age: int = 30_000_000_000  # ns
    segment: str = ""  # "" = none
    message_types: tuple[str, ...] = ()  # () = all of its role
    markets: tuple[str, ...] = ()  # it may enter orders in: symbols, or PREFIX*; () = all
    read_only: bool = False  # a listener session whatever its Logon says
    cancel_scope: str = "session"
    cancel_keeps_gtc: bool = False  # good-till-cancelled orders outlive the connection


class DefineSegment(Message, tag=60):
    """Creates or changes a user segment: permissions and limits that sessions share by its name.

    ``limits`` as in ``SetLimits``, for each session of the segment alone.
    """

    request_id: str
    operator: str
    why: str
    at: int
    segment: str
    message_types: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()
    read_only: bool = False
    limits: dict[str, int] = field(default_factory=dict)


class ManageSession(Message, tag=61):
    """Orders something about a session's connection or numbers.

    ``action``: "logout", "reset" (both sides start at 1, a new epoch) or "set-numbers" (0 = leave
    this one). The last two only while it is not connected.
    """

    request_id: str
    operator: str
    why: str
    at: int
    session: str
    action: str
    next_incoming: int = 0
    next_outgoing: int = 0
    text: str = ""  # of the Logout


class AnnounceMaintenance(Message, tag=62):
    """Announces a window in which nobody may be connected; 0 and 0 takes it back."""

    request_id: str
    operator: str
    why: str
    at: int
    starts_at: int
    ends_at: int
    text: str = ""


class Drain(Message, tag=63):
    """Empties the exchange for a planned restart: no Logon and no new order is taken from now on.

    After ``grace`` ns everybody is logged out; it is over after ``lasts`` ns more at the latest.
    ``stops`` says that the processes are stopped once nobody is connected.
    """

    request_id: str
    operator: str
    why: str
    at: int
    grace: int
    lasts: int
    stops: bool
    text: str = ""


class DefineSeries(Message, tag=43):
    """Creates or changes a series: the fee schedule of its markets.

    Rates in millionths (0.07 = 70_000); ``maker_rate`` may be negative (rebate);
    ``multiplier`` in hundredths (1 = 100).
    """

    request_id: str
    operator: str
    why: str
    at: int
    series: str
    taker_rate: int = 70_000
    maker_rate: int = 0
    multiplier: int = 100


class DefineMarket(Message, tag=44):
    """Creates or changes a market (one YES contract).

    ``price_ranges``: (start, end, step) in price units, contiguous, both ends inclusive.
    Times in ns, 0 = not set. ``band``/``band_window``/``halt_time``: volatility halt, 0 = off.
    ``position_limit`` in hundredths per account, 0 = none.
    """

    request_id: str
    operator: str
    why: str
    at: int
    symbol: str
    event_ticker: str
    series: str
    title: str
    price_ranges: tuple[tuple[int, int, int], ...] = ((100, 9900, 100),)
    open_at: int = 0
    close_at: int = 0
    expected_expiry_at: int = 0
    settlement_timer: int = 0  # ns between determination and settlement
    position_limit: int = 0
    price_band: int = 0  # largest distance from the last trade an order may have, 0 = none
    halt_band: int = 0
    halt_window: int = 0  # ns
    halt_time: int = 0  # ns
    jurisdictions_excluded: tuple[str, ...] = ()
    status: str = "active"  # status of a market that does not exist yet


class SetMarketStatus(Message, tag=45):
    """Operator's transition: active, paused or closed."""

    request_id: str
    operator: str
    why: str
    at: int
    symbol: str
    status: str


class SetExchangeStatus(Message, tag=46):
    """Pauses or resumes trading in every market of the shard."""

    request_id: str
    operator: str
    why: str
    at: int
    paused: bool


class Determine(Message, tag=47):
    """States the outcome of a closed market: ``value`` in price units, 0 = NO, 10_000 = YES."""

    request_id: str
    operator: str
    why: str
    at: int
    symbol: str
    value: int
    source: str
    evidence: str
    automatic: bool = False  # a named oracle; a human determination needs a second operator


class Confirm(Message, tag=48):
    """Second operator's confirmation of a determination."""

    request_id: str
    operator: str
    why: str
    at: int
    symbol: str


class Dispute(Message, tag=49):
    """Stops the settlement timer of a determined market."""

    request_id: str
    operator: str
    why: str
    at: int
    symbol: str


class Settle(Message, tag=50):
    """Settles a determined market now, or corrects a settled one (``correction`` with a value)."""

    request_id: str
    operator: str
    why: str
    at: int
    symbol: str
    correction: bool = False
    value: int = 0
    source: str = ""
    evidence: str = ""


class BustTrade(Message, tag=51):
    """Takes a trade back: both ledgers and the market data are put right."""

    request_id: str
    operator: str
    why: str
    at: int
    trade_id: int


class Deposit(Message, tag=52):
    """Credits an account; ``amount`` in money units."""

    request_id: str
    operator: str
    why: str
    at: int
    account: str
    amount: int


class Withdraw(Message, tag=53):
    """Debits an account's free cash; ``amount`` in money units."""

    request_id: str
    operator: str
    why: str
    at: int
    account: str
    amount: int


class SetLimits(Message, tag=54):
    """Sets limits on a firm, account or session; obeyed by the next order.

    ``limits``: name -> value; 0 takes a limit off. Names: ``order_size``, ``order_value``,
    ``open_orders``, ``position``, ``exposure``, ``price_distance``.
    ``expires_at``: the previous values come back at that instant, 0 = never. ``lasts`` says the
    same in ns from now on, so that a repeat of the request asks for the same.
    """

    request_id: str
    operator: str
    why: str
    at: int
    scope: str  # model.Scope
    name: str
    limits: dict[str, int] = field(default_factory=dict)
    expires_at: int = 0
    lasts: int = 0


class KillSwitch(Message, tag=55):
    """Kills (cancels everything, refuses new orders, still takes cancels) or un-kills."""

    request_id: str
    operator: str
    why: str
    at: int
    scope: str  # model.Scope
    name: str  # "" for the exchange
    killed: bool


class UnlockFirm(Message, tag=56):
    """Lifts the lock a firm put on itself with q 20903=LOCK."""

    request_id: str
    operator: str
    why: str
    at: int
    firm: str


class CancelByOperator(Message, tag=57):
    """Cancels one resting order by OrderID (OPERATOR_CANCEL)."""

    request_id: str
    operator: str
    why: str
    at: int
    order_id: int


class StartTradingDay(Message, tag=58):
    """A new trading day: ``date`` is yyyymmdd in New York, ``ends_at`` its next local midnight."""

    request_id: str
    operator: str
    why: str
    at: int
    date: int
    ends_at: int


class Quarantine(Message, tag=59):
    """Records that the command entry named is to be skipped, now and in every replay."""

    request_id: str
    operator: str
    why: str
    at: int
    entry_id: str
    index: int


AdminCommand = (
    DefineFirm
    | DefineAccount
    | DefineSession
    | DefineSegment
    | ManageSession
    | AnnounceMaintenance
    | Drain
    | DefineSeries
    | DefineMarket
    | SetMarketStatus
    | SetExchangeStatus
    | Determine
    | Confirm
    | Dispute
    | Settle
    | BustTrade
    | Deposit
    | Withdraw
    | SetLimits
    | KillSwitch
    | UnlockFirm
    | CancelByOperator
    | StartTradingDay
    | Quarantine
)
