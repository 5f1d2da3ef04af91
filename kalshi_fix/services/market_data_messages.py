"""Messages of an MD session from entries and depths: W, X, Y, y, f; nothing is decided here.

The rule: tags in the order of the FIX 4.4 dictionary's groups, every X entry with its Symbol, and
nothing that a stock client would refuse. This module must not know subscriptions.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from kalshi_fix.fix.decimal_text import price_text, quantity_text
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.tables import TEXT_LENGTH_MAX
from kalshi_fix.fix.time_text import utc_text
from kalshi_fix.model import MarketStatus
from kalshi_fix.services.depth import Depth
from kalshi_fix.services.market_data_view import ABSENT, Entry

Fields = tuple[tuple[int, str], ...]

READY_TO_TRADE: Final = "17"
HALTED: Final = "2"
RESUMED: Final = "3"
NOT_AVAILABLE: Final = "18"
UNKNOWN: Final = "20"
TRADING_STATUS: Final = {
    MarketStatus.ACTIVE: READY_TO_TRADE,
    MarketStatus.PAUSED: HALTED,
    MarketStatus.INITIALIZED: NOT_AVAILABLE,
    MarketStatus.CLOSED: NOT_AVAILABLE,
    MarketStatus.DETERMINED: NOT_AVAILABLE,
    MarketStatus.DISPUTED: NOT_AVAILABLE,
    MarketStatus.SETTLED: NOT_AVAILABLE,
}
VALID_REQUEST: Final = "0"
INVALID_REQUEST: Final = "1"
NO_INSTRUMENTS: Final = "2"
NOT_AUTHORIZED: Final = "3"
_CURRENCY: Final = "USD"


def _date_and_time(at: int, *, microseconds: bool) -> Fields:
    """MDEntryDate (272) and MDEntryTime (273)."""
    day, _, time = utc_text(at, microseconds=microseconds).partition("-")
    return (272, day), (273, time)


def _values(entry: Entry, *, microseconds: bool) -> Fields:
    """270, 271, 272, 273, 346: what W and X entries share."""
    found: list[tuple[int, str]] = []
    if entry.price != ABSENT:
        found.append((270, price_text(entry.price)))
    if entry.quantity != ABSENT:
        found.append((271, quantity_text(entry.quantity)))
    if entry.at:
        found.extend(_date_and_time(entry.at, microseconds=microseconds))
    if entry.orders != ABSENT:
        found.append((346, str(entry.orders)))
    return tuple(found)


def incremental_fields(symbol: str, entry: Entry, *, microseconds: bool) -> Fields:
    """One entry of an X."""
    head = ((279, str(int(entry.action))), (269, entry.entry_type))
    entry_id = ((278, entry.entry_id),) if entry.entry_id else ()
    return (*head, *entry_id, (55, symbol), *_values(entry, microseconds=microseconds))


def full_refresh(
    request_id: str, symbol: str, entries: Sequence[Entry], *, microseconds: bool
) -> FixMessage:
    """W: the whole of what was asked for of one market; an empty book is 268=0."""
    fields: list[tuple[int, str]] = [(262, request_id), (55, symbol), (268, str(len(entries)))]
    for entry in entries:
        fields.append((269, entry.entry_type))
        fields.extend(_values(entry, microseconds=microseconds))
    return FixMessage("W", fields)


def incremental_refreshes(
    request_id: str, entries: Sequence[Fields], entries_max: int
) -> list[FixMessage]:
    """X: entries already rendered, at most ``entries_max`` in a message."""
    found = []
    for start in range(0, len(entries), entries_max):
        part = entries[start : start + entries_max]
        fields = [(262, request_id), (268, str(len(part)))]
        for entry in part:
            fields.extend(entry)
        found.append(FixMessage("X", fields))
    return found


def request_reject(request_id: str, code: str, text: str) -> FixMessage:
    """Y: why a MarketDataRequest is refused."""
    return FixMessage("Y", [(262, request_id), (281, code), (58, text[:TEXT_LENGTH_MAX])])


def security_lists(
    request_id: str, response_id: str, result: str, depths: Sequence[Depth], markets_max: int
) -> list[FixMessage]:
    """y: the markets, at most ``markets_max`` in a message, the last one says so (893)."""
    head = [(320, request_id), (322, response_id), (560, result), (393, str(len(depths)))]
    if not depths:
        return [FixMessage("y", [*head, (893, "Y")])]
    found = []
    for start in range(0, len(depths), markets_max):
        part = depths[start : start + markets_max]
        last = start + markets_max >= len(depths)
        fields = [*head, (893, "Y" if last else "N"), (146, str(len(part)))]
        for depth in part:
            fields.extend(_security(depth))
        found.append(FixMessage("y", fields))
    return found


def _security(depth: Depth) -> Fields:
    market = depth.definition
    assert market is not None, "only markets whose definition is known are listed"
    title = ((107, market.title),) if market.title else ()
    facts = [f"tick={_ticks(market.price_ranges)}", f"status={depth.status}"]
    if market.close_at:
        facts.append(f"close={utc_text(market.close_at)}")
    facts += [f"event={market.event_ticker}", f"series={market.series}"]
    return ((55, depth.symbol), *title, (15, _CURRENCY), (58, ";".join(facts)[:TEXT_LENGTH_MAX]))


def _ticks(price_ranges: Iterable[tuple[int, int, int]]) -> str:
    """``0.01``; where the tick depends on the price ``0.001@0.001-0.1,0.01@0.1-0.9``."""
    ranges = list(price_ranges)
    if len({step for _, _, step in ranges}) == 1:
        return _short(ranges[0][2])
    return ",".join(f"{_short(step)}@{_short(low)}-{_short(high)}" for low, high, step in ranges)


def _short(price: int) -> str:
    """A price without the zeros nobody reads, two decimals at least."""
    text = price_text(price)
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def security_status(
    request_id: str,
    depth: Depth,
    at: int,
    *,
    code: str,
    unsolicited: bool,
    microseconds: bool,
) -> FixMessage:
    """f: the state of a market; ``at`` is used where the time of the change is not known."""
    return FixMessage(
        "f",
        [
            (324, request_id),
            (55, depth.symbol),
            (325, "Y" if unsolicited else "N"),
            (326, code),
            (60, utc_text(depth.status_at or at, microseconds=microseconds)),
            (58, depth.status),
        ],
    )


def unknown_security_status(
    request_id: str,
    symbol: str,
    at: int,
    text: str,
    *,
    unsolicited: bool = False,
    microseconds: bool,
) -> FixMessage:
    """f: there is no such market, or none that the session may see any more (unsolicited)."""
    return FixMessage(
        "f",
        [
            (324, request_id),
            (55, symbol),
            (325, "Y" if unsolicited else "N"),
            (326, UNKNOWN),
            (60, utc_text(at, microseconds=microseconds)),
            (58, text),
        ],
    )


def trading_status(depth: Depth, *, exchange_paused: bool) -> str:
    """SecurityTradingStatus (326) of a market."""
    code = TRADING_STATUS[MarketStatus(depth.status)]
    return HALTED if exchange_paused and code == READY_TO_TRADE else code
