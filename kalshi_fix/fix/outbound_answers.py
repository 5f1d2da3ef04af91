"""Events to every other message of order entry and post trade: 9, r, j, UOH, AO/AP, BG/BA, B, UMS.

One function per message, each a list of (tag, text); a field without a value is left out. Pure,
like `fix.outbound`; ids are made from event numbers, so a replay gives the same messages.
``suffix`` is what makes them unique beyond shard 0 (`Reports.suffix`).
"""

from typing import Final

from kalshi_fix.fix import tables
from kalshi_fix.fix.decimal_text import money_text, price_text, quantity_text
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.outbound import NO_ORDER, Dialect, Field
from kalshi_fix.messages.events import (
    CancelRejected,
    CollateralReported,
    MassCanceled,
    OrderGroupChanged,
    PositionSettled,
    PositionsReported,
)
from kalshi_fix.model import NANOS_PER_MS, PRICE_UNIT, GroupAction, OrdStatus

_ACCOUNT_TYPE: Final = (581, "1")  # carried customer side
_FINAL: Final = "1"  # SettlPriceType (731): final, or theoretical
_THEORETICAL: Final = "2"
_VALID: Final = "0"  # PosReqResult (728)
_NONE_FOUND: Final = "2"
_NOT_PERMITTED: Final = "3"
_COMPLETED: Final = "0"  # PosReqStatus (729)
_REJECTED: Final = "2"
_LIMITED: Final = (GroupAction.CREATE, GroupAction.UPDATE)


def _built(msg_type: str, *fields: Field) -> FixMessage:
    return FixMessage(msg_type, [field for field in fields if field[1]])


def cancel_reject(event: CancelRejected) -> FixMessage:
    """OrderCancelReject (9)."""
    return _built(
        "9",
        (37, str(event.order_id) if event.order_id > 0 else NO_ORDER),
        (11, event.cl_ord_id),
        (41, event.orig_cl_ord_id),
        (39, event.ord_status or OrdStatus.REJECTED),
        (434, event.response_to),
        (102, tables.CANCEL_REJECT_CODES.get(event.reason, tables.OTHER)),
        (58, event.reason),
    )


def mass_cancel_report(event: MassCanceled, dialect: Dialect, suffix: str = "") -> FixMessage:
    """OrderMassCancelReport (r); 37 is the operation's id, made like an ExecID."""
    refused = bool(event.reason)
    code = tables.MASS_CANCEL_REJECT_CODES.get(event.reason, tables.OTHER)
    return _built(
        "r",
        (11, event.cl_ord_id),
        (37, NO_ORDER if refused else f"{event.at // NANOS_PER_MS};{event.number}{suffix}"),
        (530, event.request_type),
        (531, "0" if refused else event.request_type),
        (532, code if refused else ""),
        (533, str(event.count)),
        (58, event.reason),
        (60, dialect.utc(event.at)),
    )


def order_group_response(event: OrderGroupChanged) -> FixMessage:
    """OrderGroupResponse (UOH), or BusinessMessageReject (j) where the core refused."""
    if event.reason:
        return _built(
            "j",
            (45, str(event.seq)),
            (372, "UOG"),
            (379, event.group_id),
            (380, tables.BUSINESS_REJECT_CODES.get(event.reason, tables.BUSINESS_OTHER)),
            (58, event.reason),
        )
    limit = quantity_text(event.limit) if event.action in _LIMITED else ""
    return _built("UOH", (20130, event.group_id), (20132, limit), (1, event.account))


# --- positions -----------------------------------------------------------------------------------


def positions(event: PositionsReported, suffix: str = "") -> list[FixMessage]:
    """RequestForPositionsAck (AO), then one PositionReport (AP) per market."""
    rows = event.rows if event.permitted else ()
    found = _VALID if rows else _NONE_FOUND
    acknowledged = _built(
        "AO",
        (721, f"P{event.number}{suffix}"),
        (710, event.request_id),
        (727, str(len(rows))),
        (728, found if event.permitted else _NOT_PERMITTED),
        (729, _COMPLETED if event.permitted else _REJECTED),
        (1, event.account),
        _ACCOUNT_TYPE,
    )
    return [acknowledged, *(_position_row(event, place, suffix) for place in range(len(rows)))]


def _position_row(event: PositionsReported, place: int, suffix: str) -> FixMessage:
    symbol, position, price, previous, _ = event.rows[place]
    return _built(
        "AP",
        (721, f"P{event.number}.{place + 1}{suffix}"),
        (710, event.request_id),
        (727, str(len(event.rows))),
        (728, _VALID),
        (715, str(event.trading_day)),
        (1, event.account),
        _ACCOUNT_TYPE,
        (55, symbol),
        (730, price_text(price)),
        (731, _THEORETICAL),
        (734, price_text(previous)),
        *_held(position),
        *_worth(position_value(position, price)),
    )


def position_value(position: int, price: int) -> int:
    """What a position is worth at a price, in money: a short one is long NO."""
    return position * price if position >= 0 else -position * (PRICE_UNIT - price)


def _held(position: int) -> list[Field]:
    side = 704 if position >= 0 else 705
    return [(702, "1"), (703, "TQ"), (side, quantity_text(abs(position)))]


def _worth(amount: int) -> list[Field]:
    return [(753, "1"), (707, "CASH"), (708, money_text(amount))]


def settlement(event: PositionSettled, suffix: str = "") -> FixMessage:
    """PositionReport (AP) nobody asked for: a position was paid out, or a payout corrected."""
    return _built(
        "AP",
        (721, settlement_id(event.number, suffix)),
        (325, "Y"),
        (728, _VALID),
        (715, str(event.trading_day)),
        (1, event.account),
        _ACCOUNT_TYPE,
        (55, event.symbol),
        (730, price_text(event.value)),
        (731, _FINAL),
        (734, price_text(event.previous_value)),
        *_held(event.position),
        *_worth(event.payout),
        (58, f"CORRECTS {settlement_id(event.corrects, suffix)}" if event.corrects else ""),
    )


def settlement_id(number: int, suffix: str) -> str:
    """PosMaintRptID (721) of a settlement, from its event number."""
    return f"S{number}{suffix}"


def settlement_report(event: PositionSettled, suffix: str = "") -> FixMessage:
    """MarketSettlementReport (UMS): the same for sessions that asked for it (20127=Y).

    Its SettlPrice (730) is in cents with two decimals, unlike every other price.
    """
    results = {0: "no", PRICE_UNIT: "yes"}
    return _built(
        "UMS",
        (20105, settlement_id(event.number, suffix)),
        (55, event.symbol),
        (715, str(event.trading_day)),
        (20107, results.get(event.value, "scalar")),
        (730, f"{event.value // 100}.{event.value % 100:02}"),
        (893, "Y"),
        (20108, "1"),
        (20109, event.account),
        (20110, "24"),
        (704 if event.position >= 0 else 705, quantity_text(abs(event.position))),
        (1703, "1"),
        (1704, money_text(event.payout)),
        (1705, "PAYOUT"),
        (136, "1"),
        (137, money_text(0)),
        (138, "USD"),
        (139, "4"),
        (891, "0"),
        (58, f"CORRECTS {settlement_id(event.corrects, suffix)}" if event.corrects else ""),
    )


# --- collateral ----------------------------------------------------------------------------------


def collateral(event: CollateralReported, suffix: str = "") -> list[FixMessage]:
    """CollateralInquiryAck (BG), then one CollateralReport (BA) per account."""
    rows = () if event.reason else event.rows
    acknowledged = _built(
        "BG",
        (909, event.request_id),
        (945, "4" if event.reason else "2"),
        (946, tables.OTHER if event.reason else "0"),
        (911, str(len(rows))),
        (58, event.reason),
    )
    return [acknowledged, *(_collateral_row(event, place, suffix) for place in range(len(rows)))]


def _collateral_row(event: CollateralReported, place: int, suffix: str) -> FixMessage:
    account, free, held, value = event.rows[place]
    return _built(
        "BA",
        (908, f"C{event.number}.{place + 1}{suffix}"),
        (909, event.request_id),
        (910, "3"),
        (911, str(len(event.rows))),
        (912, "Y" if place + 1 == len(event.rows) else "N"),
        (1, account),
        _ACCOUNT_TYPE,
        (15, "USD"),
        (899, money_text(free)),
        (900, money_text(free + held + value)),
        (901, money_text(free + held)),
    )


# --- news ----------------------------------------------------------------------------------------


def news(headline: str, *lines: str) -> FixMessage:
    """News (B): maintenance, or a session that uses most of its throttle."""
    text = [(58, line) for line in lines or (headline,)]
    return _built("B", (148, headline), (33, str(len(text))), *text)
