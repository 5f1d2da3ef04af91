"""The vocabulary: units, enumerations and reasons that every layer shares.

Values that also exist on the wire are the FIX 4.4 values, so that tables translate names, never
meanings. This module knows no layer above it and computes nothing.

Units, integers everywhere below the wire:

* price: ten-thousandths of a dollar (``PRICE_UNIT`` = one dollar), 1..9999
* quantity: hundredths of a contract (``QTY_UNIT`` = one contract)
* money: millionths of a dollar (``MONEY_UNIT``), so price x quantity is money exactly
* time: nanoseconds since the epoch, UTC
"""

from enum import IntEnum, IntFlag, StrEnum
from typing import Final

PRICE_UNIT: Final = 10_000
QTY_UNIT: Final = 100
MONEY_UNIT: Final = PRICE_UNIT * QTY_UNIT
NANOS: Final = 1_000_000_000
NANOS_PER_MS: Final = 1_000_000
IDS_PER_SHARD: Final = 10**15  # order and trade ids of different shards never meet, and name it


class Side(IntEnum):
    """Side (54). Selling YES is the same as buying NO at one dollar minus the price."""

    BUY = 1
    SELL = 2


class OrdType(IntEnum):
    """OrdType (40)."""

    MARKET = 1
    LIMIT = 2


class TimeInForce(IntEnum):
    """TimeInForce (59)."""

    DAY = 0
    GTC = 1
    IOC = 3
    FOK = 4
    GTD = 6


class ExecInst(IntFlag):
    """ExecInst (18) as bits: ``6`` post-only, ``E`` reduce-only."""

    NONE = 0
    POST_ONLY = 1
    REDUCE_ONLY = 2


class SelfTrade(IntEnum):
    """SelfTradePreventionType (2964): whose order goes when a firm would trade with itself."""

    CANCEL_INCOMING = 1
    CANCEL_RESTING = 2
    CANCEL_BOTH = 3


class OrdStatus(StrEnum):
    """OrdStatus (39), the values this venue uses."""

    NEW = "0"
    PARTIALLY_FILLED = "1"
    FILLED = "2"
    CANCELED = "4"
    REJECTED = "8"
    EXPIRED = "C"


class ExecType(StrEnum):
    """ExecType (150), the values this venue uses."""

    NEW = "0"
    CANCELED = "4"
    REPLACED = "5"
    REJECTED = "8"
    EXPIRED = "C"
    TRADE = "F"
    TRADE_CANCEL = "H"
    ORDER_STATUS = "I"


class Repeat(IntEnum):
    """What the client says about a message it may have sent before (43, 97)."""

    NONE = 0
    POSS_DUP = 1
    POSS_RESEND = 2


class Liquidity(IntEnum):
    """LastLiquidityInd (851)."""

    NONE = 0
    MAKER = 1
    TAKER = 2


class Role(StrEnum):
    """What a session is for; each has its own port and TargetCompID."""

    NR = "NR"  # order entry, no retransmission
    RT = "RT"  # order entry with retransmission
    DC = "DC"  # drop copy
    PT = "PT"  # post trade
    MD = "MD"  # market data

    @property
    def keeps_sequence(self) -> bool:
        """Whether numbers and history survive a disconnect (resend without a window)."""
        return self in {Role.RT, Role.DC, Role.PT}

    @property
    def enters_orders(self) -> bool:
        """Whether the role may carry order entry at all."""
        return self in {Role.NR, Role.RT}


class MarketStatus(StrEnum):
    """Life cycle of a market (exchange rules, Life cycle)."""

    INITIALIZED = "initialized"
    ACTIVE = "active"
    PAUSED = "paused"
    CLOSED = "closed"
    DETERMINED = "determined"
    DISPUTED = "disputed"
    SETTLED = "settled"


class GroupAction(IntEnum):
    """Order group action (20131)."""

    CREATE = 1
    RESET = 2
    DELETE = 3
    TRIGGER = 4
    UPDATE = 5


class Scope(StrEnum):
    """What a limit or a kill switch is attached to."""

    SESSION = "session"
    ACCOUNT = "account"
    FIRM = "firm"
    EXCHANGE = "exchange"


class Reason(StrEnum):
    """Every stable upper-case reason that may stand in Text (58). A closed list."""

    # new orders, in no particular order; precedence is the core's table
    MARKET_NOT_FOUND = "MARKET_NOT_FOUND"
    MARKET_INACTIVE = "MARKET_INACTIVE"
    MARKET_CLOSED = "MARKET_CLOSED"
    TRADING_PAUSED = "TRADING_PAUSED"
    EXCHANGE_PAUSED = "EXCHANGE_PAUSED"
    INSUFFICIENT_BALANCE = "INSUFFICIENT_BALANCE"
    POSITION_LIMIT = "POSITION_LIMIT"
    ORDER_SIZE_LIMIT = "ORDER_SIZE_LIMIT"
    ORDER_VALUE_LIMIT = "ORDER_VALUE_LIMIT"
    OPEN_ORDER_LIMIT = "OPEN_ORDER_LIMIT"
    EXCEEDED_ORDER_GROUP_LIMIT = "EXCEEDED_ORDER_GROUP_LIMIT"
    STALE_ORDER = "STALE_ORDER"
    ORDER_ALREADY_EXISTS = "ORDER_ALREADY_EXISTS"
    INVALID_PRICE = "INVALID_PRICE"
    PRICE_OFF_TICK = "PRICE_OFF_TICK"
    PRICE_OUT_OF_BAND = "PRICE_OUT_OF_BAND"
    ORDER_GROUP_NOT_FOUND = "ORDER_GROUP_NOT_FOUND"
    UNSUPPORTED_ORDER = "UNSUPPORTED_ORDER"
    INVALID_QUANTITY = "INVALID_QUANTITY"
    ACCOUNT_NOT_FOUND = "ACCOUNT_NOT_FOUND"
    ACCOUNT_NOT_PERMITTED = "ACCOUNT_NOT_PERMITTED"
    JURISDICTION_RESTRICTED = "JURISDICTION_RESTRICTED"
    SESSION_DISABLED = "SESSION_DISABLED"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    # cancel and replace requests
    UNKNOWN_ORDER = "UNKNOWN_ORDER"
    ORDER_ATTRIBUTES_MISMATCH = "ORDER_ATTRIBUTES_MISMATCH"
    TOO_LATE = "TOO_LATE"
    INVALID_AMEND_QTY = "INVALID_AMEND_QTY"
    # unsolicited ends of an order
    IMMEDIATE_OR_CANCELLED = "IMMEDIATE_OR_CANCELLED"
    FOK_INSUFFICIENT_VOLUME = "FOK_INSUFFICIENT_VOLUME"
    POST_ONLY_CROSS = "POST_ONLY_CROSS"
    REDUCE_ONLY_INCREASE = "REDUCE_ONLY_INCREASE"
    TAKER_CANCEL_FOR_SELF_TRADE_PREVENTION = "TAKER_CANCEL_FOR_SELF_TRADE_PREVENTION"
    MAKER_CANCEL_FOR_SELF_TRADE_PREVENTION = "MAKER_CANCEL_FOR_SELF_TRADE_PREVENTION"
    MAX_EXECUTION_COST = "MAX_EXECUTION_COST"
    ORDER_GROUP_CANCEL = "ORDER_GROUP_CANCEL"
    CANCEL_ON_PAUSE = "CANCEL_ON_PAUSE"
    CANCEL_ON_DISCONNECT = "CANCEL_ON_DISCONNECT"
    MASS_CANCEL = "MASS_CANCEL"
    OPERATOR_CANCEL = "OPERATOR_CANCEL"
    ORDER_EXPIRED = "ORDER_EXPIRED"
    TRADE_BUSTED = "TRADE_BUSTED"
    # a Logon the core refuses
    UNKNOWN_SESSION = "UNKNOWN_SESSION"
    LOGON_REPLAYED = "LOGON_REPLAYED"
    MAINTENANCE = "MAINTENANCE"
    SESSION_CLOSED = "SESSION_CLOSED"
    # status
    NO_OPEN_ORDERS = "NO_OPEN_ORDERS"
    # business rejects (35=j)
    NOT_ENTITLED = "NOT_ENTITLED"
    LISTENER_SESSION = "LISTENER_SESSION"
    THROTTLED = "THROTTLED"
    EXCHANGE_UNAVAILABLE = "EXCHANGE_UNAVAILABLE"
    MESSAGE_NOT_SUPPORTED = "MESSAGE_NOT_SUPPORTED"
    CONDITIONALLY_REQUIRED_TAG_MISSING = "CONDITIONALLY_REQUIRED_TAG_MISSING"
    # replay by ExecID (35=U3)
    REPLAY_IN_PROGRESS = "REPLAY_IN_PROGRESS"
    REPLAY_FAILED = "REPLAY_FAILED"
    REPLAY_INTERRUPTED = "REPLAY_INTERRUPTED"
    UNKNOWN_BEGIN_EXEC_ID = "UNKNOWN_BEGIN_EXEC_ID"
    UNKNOWN_END_EXEC_ID = "UNKNOWN_END_EXEC_ID"
