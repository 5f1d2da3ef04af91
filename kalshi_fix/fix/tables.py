"""What is a table in FIX is a table here: enumerations, codes of reasons, requirements by message.

Pure data, shared by translation, policy and the generated rules of engagement; it decides nothing
and knows neither sessions nor the exchange.
"""

from collections.abc import Mapping
from typing import Final

from kalshi_fix.model import Reason

# --- enumerations --------------------------------------------------------------------------------

_SIDES: Final = "123456789ABCDEFG"
# Side (54) as a number: its place in FIX 4.4's enumeration, so that any value can be echoed. The
# venue trades 1 and 2.
SIDES: Final[Mapping[str, int]] = {text: place for place, text in enumerate(_SIDES, start=1)}
SIDE_TEXTS: Final = ("", *_SIDES)
SIDE_UNDISCLOSED: Final = "7"  # where there is no order there is no side

ORD_TYPES: Final = frozenset("12346789DEGIJKLMP")
TIMES_IN_FORCE: Final = frozenset("01234567")
EXEC_INSTS: Final = frozenset("0123456789ABCDEFGHIJKLMNOPQRSUVWXYZabcde")
MASS_CANCEL_TYPES: Final = frozenset("1234567")
MASS_STATUS_TYPES: Final = frozenset("12345678")
SELF_TRADES: Final = frozenset("123")
GROUP_ACTIONS: Final = frozenset("12345")
SCOPES: Final = frozenset("FS")
LOCKS: Final = frozenset({"LOCK"})
BOOLEANS: Final = frozenset("YN")

# --- reasons and their codes ---------------------------------------------------------------------

# OrdRejReason (103) of every reason a new order may be refused for.
ORDER_REJECT_CODES: Final[Mapping[str, str]] = {
    Reason.MARKET_NOT_FOUND: "1",
    Reason.MARKET_INACTIVE: "2",
    Reason.MARKET_CLOSED: "2",
    Reason.TRADING_PAUSED: "2",
    Reason.EXCHANGE_PAUSED: "2",
    Reason.MAINTENANCE: "2",
    Reason.INSUFFICIENT_BALANCE: "3",
    Reason.POSITION_LIMIT: "3",
    Reason.ORDER_SIZE_LIMIT: "3",
    Reason.ORDER_VALUE_LIMIT: "3",
    Reason.OPEN_ORDER_LIMIT: "3",
    Reason.EXCEEDED_ORDER_GROUP_LIMIT: "3",
    Reason.STALE_ORDER: "4",
    Reason.UNKNOWN_ORDER: "5",
    Reason.NO_OPEN_ORDERS: "5",
    Reason.ORDER_ALREADY_EXISTS: "6",
    Reason.INVALID_PRICE: "11",
    Reason.PRICE_OFF_TICK: "11",
    Reason.PRICE_OUT_OF_BAND: "11",
    Reason.ORDER_GROUP_NOT_FOUND: "11",
    Reason.UNSUPPORTED_ORDER: "11",
    Reason.INVALID_QUANTITY: "13",
    Reason.ACCOUNT_NOT_FOUND: "15",
    Reason.ACCOUNT_NOT_PERMITTED: "15",
    Reason.NOT_ENTITLED: "0",
    Reason.JURISDICTION_RESTRICTED: "0",
    Reason.SESSION_DISABLED: "0",
    Reason.INTERNAL_ERROR: "99",
}
# CxlRejReason (102); every other reason is 99.
CANCEL_REJECT_CODES: Final[Mapping[str, str]] = {
    Reason.TOO_LATE: "0",
    Reason.UNKNOWN_ORDER: "1",
    Reason.ORDER_ATTRIBUTES_MISMATCH: "1",
    Reason.INVALID_AMEND_QTY: "2",
    Reason.ORDER_ALREADY_EXISTS: "6",
}
# MassCancelRejectReason (532); every other reason is 99.
MASS_CANCEL_REJECT_CODES: Final[Mapping[str, str]] = {Reason.MARKET_NOT_FOUND: "1"}
# BusinessRejectReason (380); every other reason is 0.
BUSINESS_REJECT_CODES: Final[Mapping[str, str]] = {
    Reason.ORDER_GROUP_NOT_FOUND: "1",
    Reason.MESSAGE_NOT_SUPPORTED: "3",
    Reason.EXCHANGE_UNAVAILABLE: "4",
    Reason.CONDITIONALLY_REQUIRED_TAG_MISSING: "5",
    Reason.LISTENER_SESSION: "6",
    Reason.NOT_ENTITLED: "6",
    Reason.SESSION_DISABLED: "6",
    Reason.ACCOUNT_NOT_FOUND: "6",
    Reason.ACCOUNT_NOT_PERMITTED: "6",
}
# EventResendRejectReason (21004).
REPLAY_REJECT_CODES: Final[Mapping[str, str]] = {
    Reason.REPLAY_IN_PROGRESS: "1",
    Reason.REPLAY_FAILED: "2",
    Reason.REPLAY_INTERRUPTED: "2",
    Reason.UNKNOWN_BEGIN_EXEC_ID: "3",
    Reason.UNKNOWN_END_EXEC_ID: "4",
}
OTHER: Final = "99"
BUSINESS_OTHER: Final = "0"

# SessionRejectReason (373) and the words beside it.
INVALID_TAG_NUMBER: Final = 0
REQUIRED_TAG_MISSING: Final = 1
VALUE_IS_INCORRECT: Final = 5
INCORRECT_DATA_FORMAT: Final = 6
COMP_ID_PROBLEM: Final = 9
SENDING_TIME_ACCURACY: Final = 10
GROUP_OUT_OF_ORDER: Final = 15
SESSION_REJECT_TEXTS: Final[Mapping[int, str]] = {
    INVALID_TAG_NUMBER: "INVALID_TAG_NUMBER",
    REQUIRED_TAG_MISSING: "REQUIRED_TAG_MISSING",
    VALUE_IS_INCORRECT: "VALUE_IS_INCORRECT",
    INCORRECT_DATA_FORMAT: "INCORRECT_DATA_FORMAT",
    COMP_ID_PROBLEM: "COMP_ID_PROBLEM",
    SENDING_TIME_ACCURACY: "SENDING_TIME_ACCURACY",
    GROUP_OUT_OF_ORDER: "REPEATING_GROUP_OUT_OF_ORDER",
}

# --- requirements by message ---------------------------------------------------------------------

# What the stock FIX 4.4 dictionary requires (UOG: ours); its absence is a Reject (3), 373=1.
# Symbol (55) is not among it: an order without one names a market that does not exist.
REQUIRED: Final[Mapping[str, tuple[int, ...]]] = {
    "D": (11, 54, 60, 40),
    "F": (41, 11, 54, 60),
    "G": (41, 11, 54, 60, 40),
    "q": (11, 530, 60),
    "H": (11, 54),
    "AF": (584, 585),
    "AN": (710, 724, 1, 581, 715, 60),
    "BB": (),
    "UOG": (20131,),
    "U1": (21001,),
}
# Values of FIX 4.4's (or the venue's) enumeration; anything else is a Reject (3), 373=5.
ENUMERATED: Final[Mapping[str, tuple[tuple[int, frozenset[str]], ...]]] = {
    "D": (
        (54, frozenset(SIDES)),
        (40, ORD_TYPES),
        (59, TIMES_IN_FORCE),
        (2964, SELF_TRADES),
        (21006, BOOLEANS),
    ),
    "F": ((54, frozenset(SIDES)), (20901, SCOPES)),
    "G": (
        (54, frozenset(SIDES)),
        (40, ORD_TYPES),
        (59, TIMES_IN_FORCE),
        (20901, SCOPES),
    ),
    "q": (
        (530, MASS_CANCEL_TYPES),
        (54, frozenset(SIDES)),
        (20901, SCOPES),
        (20903, LOCKS),
    ),
    "H": ((54, frozenset(SIDES)), (20901, SCOPES)),
    "AF": ((585, MASS_STATUS_TYPES), (54, frozenset(SIDES)), (20901, SCOPES)),
    "AN": ((724, frozenset("0123")),),
    "BB": (),
    "UOG": ((20131, GROUP_ACTIONS),),
    "U1": (),
}
# Which fields are decimals and UTC timestamps; a wrong form is a Reject (3), 373=6.
DECIMALS: Final[Mapping[str, tuple[int, ...]]] = {
    "D": (38, 44, 21009),
    "G": (38, 44),
    "UOG": (20132,),
}
TIMESTAMPS: Final[Mapping[str, tuple[int, ...]]] = {
    "D": (60, 126),
    "F": (60,),
    "G": (60, 126),
    "q": (60,),
    "AN": (60,),
}
# The client's id of a request: ClOrdID or its like. Echoed as BusinessRejectRefID (379).
REQUEST_IDS: Final[Mapping[str, int]] = {
    "D": 11,
    "F": 11,
    "G": 11,
    "H": 11,
    "q": 11,
    "AF": 584,
    "AN": 710,
    "BB": 909,
    "UOG": 20130,
    "V": 262,
    "x": 320,
    "e": 324,
    "U1": 21001,
    "UTQ": 20910,
}
ID_LENGTH_MAX: Final = 64
TEXT_LENGTH_MAX: Final = 256

# --- messages ------------------------------------------------------------------------------------

ORDER_ENTRY_MESSAGES: Final = frozenset({"D", "F", "G", "q", "H", "AF", "AN", "BB", "UOG"})
MARKET_DATA_MESSAGES: Final = frozenset({"V", "x", "e"})
REPLAY_REQUEST: Final = "U1"  # drop copy asks for reports again
THROTTLE_REQUEST: Final = "UTQ"  # a session asks for its own throttle
# What changes something; a listener session may only look.
CHANGING_MESSAGES: Final = frozenset({"D", "F", "G", "q", "UOG"})
