"""D, F, G and q as commands. The form has been judged; what may fail now is business.

Business faults go into the command (`NewOrder.faults`): the core fits them into its order of
precedence. Whether an order exists, a price is on the grid or a time lies in the future is not
known here.
"""

from typing import Final

from kalshi_fix.fix import tables
from kalshi_fix.fix.decimal_text import Fault, parse_money, parse_price, parse_quantity
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.refusal import Refusal, tag_needed
from kalshi_fix.fix.time_text import NANOS_MAX, parse_utc
from kalshi_fix.messages.commands import CancelOrder, MassCancel, NewOrder, ReplaceOrder
from kalshi_fix.model import ExecInst, OrdType, Reason, Repeat, SelfTrade, Side, TimeInForce

_ORDER_ID_DIGITS_MAX: Final = 18
_ABSENT: Final = -1
# Plain numbers: looking a member up in an enumeration costs more than comparing.
_GTC: Final = int(TimeInForce.GTC)
_IOC: Final = int(TimeInForce.IOC)
_GTD: Final = int(TimeInForce.GTD)
_IMMEDIATE: Final = frozenset({_IOC, int(TimeInForce.FOK)})
_RESTING: Final = frozenset({int(TimeInForce.DAY), _GTC, _GTD})
_MARKET: Final = int(OrdType.MARKET)
_SELL: Final = int(Side.SELL)
_POST_ONLY: Final = int(ExecInst.POST_ONLY)
_REDUCE_ONLY: Final = int(ExecInst.REDUCE_ONLY)
_EXEC_INSTS: Final = {"6": _POST_ONLY, "E": _REDUCE_ONLY}
_UNKNOWN_EXEC_INST: Final = 1 << 8  # any value the venue does not trade
_ORD_TYPES: Final = {"1": _MARKET, "2": int(OrdType.LIMIT)}
_SELF_TRADES: Final = {"": int(SelfTrade.CANCEL_INCOMING)} | {
    str(int(value)): int(value) for value in SelfTrade
}
_TIMES_IN_FORCE: Final = {str(int(value)): int(value) for value in TimeInForce}
_PRICE_REASONS: Final = {
    Fault.DECIMALS: Reason.PRICE_OFF_TICK,
    Fault.MISSING: Reason.INVALID_PRICE,
    Fault.FORMAT: Reason.INVALID_PRICE,
    Fault.NOT_POSITIVE: Reason.INVALID_PRICE,
    Fault.TOO_LARGE: Reason.INVALID_PRICE,
}


def new_order(message: FixMessage, session: str, epoch: int, at: int) -> NewOrder:
    """NewOrderSingle (D)."""
    fields = message.first()
    get = fields.get
    faults: list[str] = []
    ord_type = _ORD_TYPES.get(fields[40], 0)
    if 59 in fields:
        time_in_force = _TIMES_IN_FORCE.get(fields[59], _ABSENT)
    else:
        time_in_force = _IOC if ord_type == _MARKET else _GTC
    expire_at = _expire_at(fields)
    exec_inst = _exec_inst(get(18, ""))
    side = tables.SIDES[fields[54]]
    max_cost = parse_money(fields[21009]) if 21009 in fields else None
    if (
        not _is_supported(ord_type, time_in_force, exec_inst)
        or not _expiry_fits(fields, time_in_force, expire_at)
        or side > _SELL
        or (max_cost is not None and max_cost.fault is not None)
    ):
        faults.append(Reason.UNSUPPORTED_ORDER)
    price = _price(get(44, ""), faults) if ord_type != _MARKET else 0
    quantity = _quantity(get(38, ""), faults)
    return NewOrder(
        session,
        epoch,
        int(fields[34]),
        at,
        _sent_at(fields),
        _repeat(fields),
        fields[11],
        fields.get(55, ""),
        side,
        quantity,
        ord_type,
        price,
        time_in_force,
        expire_at,
        get(1, ""),
        exec_inst,
        get(526, ""),
        _SELF_TRADES[get(2964, "")],
        get(21006) == "Y",
        max_cost.value if max_cost is not None else 0,
        tuple(faults),
        (get(1, ""), get(38, ""), get(40, ""), get(44, ""), get(59, "")),
    )


def cancel_order(message: FixMessage, session: str, epoch: int, at: int) -> CancelOrder:
    """OrderCancelRequest (F)."""
    fields = message.first()
    return CancelOrder(
        session,
        epoch,
        int(fields[34]),
        at,
        _sent_at(fields),
        _repeat(fields),
        fields[11],
        fields[41],
        order_id(fields.get(37, "")),
        fields.get(55, ""),
        tables.SIDES[fields[54]],
        fields.get(1, ""),
        fields.get(20901) == "F",
    )


def replace_order(message: FixMessage, session: str, epoch: int, at: int) -> ReplaceOrder:
    """OrderCancelReplaceRequest (G): absent 59 and 126 keep the expiry."""
    fields = message.first()
    get = fields.get
    faults: list[str] = []
    time_in_force = _TIMES_IN_FORCE.get(fields[59], _ABSENT) if 59 in fields else _ABSENT
    expire_at = _expire_at(fields)
    if (
        fields[40] != "2"
        or (59 in fields and time_in_force not in _RESTING)
        or not _expiry_fits(fields, time_in_force, expire_at)
    ):
        faults.append(Reason.UNSUPPORTED_ORDER)
    price = _price(get(44, ""), faults)
    quantity = _quantity(get(38, ""), faults)
    return ReplaceOrder(
        session,
        epoch,
        int(fields[34]),
        at,
        _sent_at(fields),
        _repeat(fields),
        fields[11],
        fields[41],
        order_id(get(37, "")),
        fields.get(55, ""),
        tables.SIDES[fields[54]],
        get(1, ""),
        get(20901) == "F",
        quantity,
        _ORD_TYPES.get(fields[40], 0),
        price,
        time_in_force,
        expire_at,
        tuple(faults),
    )


def mass_cancel(message: FixMessage, session: str, epoch: int, at: int) -> MassCancel | Refusal:
    """OrderMassCancelRequest (q): one symbol (530=1) or everything (530=7)."""
    fields = message.first()
    request_type = fields[530]
    side = tables.SIDES[fields[54]] if 54 in fields else 0
    if request_type not in {"1", "7"} or side > _SELL:
        return Refusal("r", tables.OTHER, Reason.UNSUPPORTED_ORDER)
    if request_type == "1" and 55 not in fields:
        return tag_needed(55)
    return MassCancel(
        session,
        epoch,
        int(fields[34]),
        at,
        fields[11],
        request_type,
        fields[55] if request_type == "1" else "",
        side,
        fields.get(1, ""),
        fields.get(20901) == "F",
        fields.get(20903) == "LOCK",
    )


def order_id(text: str) -> int:
    """OrderID (37) as the core's number; 0 where absent, -1 where it cannot be one of ours."""
    if not text:
        return 0
    if not text.isdigit() or text[0] == "0" or len(text) > _ORDER_ID_DIGITS_MAX:
        return -1
    return int(text)


def _is_supported(ord_type: int, time_in_force: int, exec_inst: int) -> bool:
    """Which valid FIX values, and combinations of them, the venue trades."""
    if ord_type == 0 or time_in_force == _ABSENT or exec_inst & _UNKNOWN_EXEC_INST:
        return False
    if ord_type == _MARKET and time_in_force not in _IMMEDIATE:
        return False
    if exec_inst & _POST_ONLY and time_in_force in _IMMEDIATE:
        return False
    return not exec_inst & _REDUCE_ONLY or time_in_force in _IMMEDIATE


def _exec_inst(text: str) -> int:
    """ExecInst (18), space separated, as bits of `ExecInst`."""
    if not text:
        return 0
    bits = 0
    for value in text.split():
        bits |= _EXEC_INSTS.get(value, _UNKNOWN_EXEC_INST)
    return bits


def _price(text: str, faults: list[str]) -> int:
    number = parse_price(text)
    if number.fault is not None:
        faults.append(_PRICE_REASONS[number.fault])
    return number.value


def _quantity(text: str, faults: list[str]) -> int:
    number = parse_quantity(text)
    if number.fault is not None:
        faults.append(Reason.INVALID_QUANTITY)
    return number.value


def _expire_at(fields: dict[int, str]) -> int:
    """ExpireTime (126) in ns; 0 where absent or beyond what a clock of 64 bits can say."""
    if 126 not in fields:
        return 0
    at = parse_utc(fields[126]) or 1  # the epoch itself is past, not absent
    return at if at <= NANOS_MAX else 0


def _expiry_fits(fields: dict[int, str], time_in_force: int, expire_at: int) -> bool:
    """126 stands with 59=6, and only there."""
    if time_in_force == _GTD:
        return expire_at > 0
    return 126 not in fields


def _repeat(fields: dict[int, str]) -> int:
    if fields.get(43) == "Y":
        return int(Repeat.POSS_DUP)
    return int(Repeat.POSS_RESEND) if fields.get(97) == "Y" else 0


def _sent_at(fields: dict[int, str]) -> int:
    """When the client first sent the message: OrigSendingTime of a repeat, else SendingTime."""
    if 122 in fields and (fields.get(43) == "Y" or fields.get(97) == "Y"):
        first_sent_at = parse_utc(fields[122])
        if first_sent_at is not None:
            return first_sent_at
    return parse_utc(fields[52]) or 0
