"""MarketDataRequest (V): what a client asks for, or why it is refused. Pure reading.

Whether the symbols exist and whether the id is in use is for the service to say; everything that
can be judged from the message alone is judged here, in the order of the fields.
"""

from collections.abc import Callable, Mapping
from typing import Final

from attrs import frozen

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.refusal import Refusal, malformed, tag_needed
from kalshi_fix.fix.tables import REQUIRED_TAG_MISSING
from kalshi_fix.services.market_data_view import ENTRY_TYPES, Interest

SNAPSHOT: Final = "0"
SUBSCRIBE: Final = "1"
UNSUBSCRIBE: Final = "2"
LEVELS_DIGITS_MAX: Final = 6
_REQUIRED: Final = (262, 263, 264, 267, 269, 146, 55)

UNKNOWN_SYMBOL: Final = "0"
DUPLICATE_ID: Final = "1"
INSUFFICIENT_BANDWIDTH: Final = "2"
INSUFFICIENT_PERMISSIONS: Final = "3"
BAD_SUBSCRIPTION_TYPE: Final = "4"
BAD_DEPTH: Final = "5"
BAD_UPDATE_TYPE: Final = "6"
BAD_AGGREGATION: Final = "7"
BAD_ENTRY_TYPE: Final = "8"


@frozen(slots=True)
class Rejection:
    """A MarketDataRequestReject (Y): MDReqRejReason (281) and the words."""

    code: str
    text: str


Fields = Mapping[int, str]
Fault = Rejection | Refusal


@frozen(slots=True)
class MarketDataRequest:
    """A request that makes sense. ``symbols`` in the order asked for, each once."""

    request_id: str
    subscription: str
    interest: Interest
    incremental: bool
    symbols: tuple[str, ...]


def read_request(message: FixMessage, symbols_max: int) -> MarketDataRequest | Rejection | Refusal:
    """A V as a request, or its Y (Rejection), or the j or 3 (Refusal) it gets."""
    fields = message.first()
    for tag in _REQUIRED:
        if tag not in fields:
            return malformed(tag, REQUIRED_TAG_MISSING)
    subscription = fields[263]
    symbols = tuple(dict.fromkeys(_all(message, 55)))
    types = frozenset(_all(message, 269))
    if subscription != UNSUBSCRIBE:  # which needs its id and nothing else
        for judge in _JUDGES:
            fault = judge(fields, types)
            if fault is not None:
                return fault
        if len(symbols) > symbols_max:
            return Rejection(INSUFFICIENT_BANDWIDTH, f"TOO_MANY_SYMBOLS max={symbols_max}")
    levels = 0 if subscription == UNSUBSCRIBE else int(fields[264])
    interest = Interest(levels, types)
    return MarketDataRequest(fields[262], subscription, interest, fields.get(265) == "1", symbols)


def _all(message: FixMessage, tag: int) -> list[str]:
    return [value for found, value in message.fields if found == tag]


def _judge_subscription(fields: Fields, _types: frozenset[str]) -> Fault | None:
    if fields[263] in {SNAPSHOT, SUBSCRIBE}:
        return None
    return Rejection(BAD_SUBSCRIPTION_TYPE, f"UNSUPPORTED_SUBSCRIPTION 263={fields[263]}")


def _judge_depth(fields: Fields, _types: frozenset[str]) -> Fault | None:
    depth = fields[264]
    if depth.isascii() and depth.isdigit() and len(depth) <= LEVELS_DIGITS_MAX:
        return None
    return Rejection(BAD_DEPTH, f"UNSUPPORTED_DEPTH 264={depth}")


def _judge_update_type(fields: Fields, _types: frozenset[str]) -> Fault | None:
    update_type = fields.get(265)
    if update_type is None:
        return tag_needed(265) if fields[263] == SUBSCRIBE else None
    if update_type in {"0", "1"}:
        return None
    return Rejection(BAD_UPDATE_TYPE, f"UNSUPPORTED_UPDATE_TYPE 265={update_type}")


def _judge_aggregation(fields: Fields, _types: frozenset[str]) -> Fault | None:
    if fields.get(266) != "N":
        return None
    return Rejection(BAD_AGGREGATION, "UNSUPPORTED_AGGREGATION 266=N")


def _judge_entry_types(_fields: Fields, types: frozenset[str]) -> Fault | None:
    unknown = sorted(types - ENTRY_TYPES)
    if not unknown:
        return None
    return Rejection(BAD_ENTRY_TYPE, f"UNSUPPORTED_ENTRY_TYPE 269={unknown[0]}")


_JUDGES: Final[tuple[Callable[[Fields, frozenset[str]], Fault | None], ...]] = (
    _judge_subscription,
    _judge_depth,
    _judge_update_type,
    _judge_aggregation,
    _judge_entry_types,
)
