"""H, AF, AN, BB and UOG as commands: questions, and the order groups' own request.

The form has been judged before. What a request needs beyond FIX's required tags is refused here
with a BusinessMessageReject that names the tag.
"""

from typing import Final

from kalshi_fix.fix import tables
from kalshi_fix.fix.decimal_text import parse_quantity
from kalshi_fix.fix.inbound_orders import order_id
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.refusal import Refusal, business, tag_needed
from kalshi_fix.messages.commands import (
    ManageOrderGroup,
    QueryCollateral,
    QueryOrder,
    QueryOrders,
    QueryPositions,
)
from kalshi_fix.model import QTY_UNIT, GroupAction, Reason

GROUP_LIMIT_MAX: Final = 1_000_000 * QTY_UNIT
_LIMITED: Final = (GroupAction.CREATE, GroupAction.UPDATE)


def query_order(message: FixMessage, session: str, epoch: int, at: int) -> QueryOrder:
    """OrderStatusRequest (H)."""
    fields = message.first()
    return QueryOrder(
        session,
        epoch,
        int(fields[34]),
        at,
        fields[11],
        order_id(fields.get(37, "")),
        fields.get(55, ""),
        tables.SIDES[fields[54]],
        fields.get(790, ""),
        fields.get(20901) == "F",
    )


def query_orders(message: FixMessage, session: str, epoch: int, at: int) -> QueryOrders | Refusal:
    """OrderMassStatusRequest (AF): all open orders (585=7) or one symbol's (585=1)."""
    fields = message.first()
    request_type = fields[585]
    if request_type not in {"1", "7"}:
        return business(Reason.MESSAGE_NOT_SUPPORTED, f"585={request_type}")
    if request_type == "1" and 55 not in fields:
        return tag_needed(55)
    return QueryOrders(
        session,
        epoch,
        int(fields[34]),
        at,
        fields[584],
        int(request_type),
        fields[55] if request_type == "1" else "",
        tables.SIDES[fields[54]] if 54 in fields else 0,
        fields.get(1, ""),
        fields.get(20901) == "F",
    )


def query_positions(
    message: FixMessage, session: str, epoch: int, at: int
) -> QueryPositions | Refusal:
    """RequestForPositions (AN)."""
    fields = message.first()
    if fields[724] != "0":
        return business(Reason.MESSAGE_NOT_SUPPORTED, f"724={fields[724]}")
    return QueryPositions(
        session, epoch, int(fields[34]), at, fields[710], fields[1], fields.get(55, "")
    )


def query_collateral(
    message: FixMessage, session: str, epoch: int, at: int
) -> QueryCollateral | Refusal:
    """CollateralInquiry (BB)."""
    fields = message.first()
    if 909 not in fields:
        return tag_needed(909)
    return QueryCollateral(session, epoch, int(fields[34]), at, fields[909], fields.get(1, ""))


def manage_order_group(
    message: FixMessage, session: str, epoch: int, at: int
) -> ManageOrderGroup | Refusal:
    """OrderGroupRequest (UOG)."""
    fields = message.first()
    action = GroupAction(int(fields[20131]))
    if action is not GroupAction.CREATE and 20130 not in fields:
        return tag_needed(20130)
    limit = 0
    if action in _LIMITED:
        if 20132 not in fields:
            return tag_needed(20132)
        number = parse_quantity(fields[20132])
        limit = number.value
        if number.fault is not None or limit > GROUP_LIMIT_MAX:
            return business(Reason.INVALID_QUANTITY, "tag=20132")
    return ManageOrderGroup(
        session,
        epoch,
        int(fields[34]),
        at,
        action,
        fields.get(20130, "") if action is not GroupAction.CREATE else "",
        limit,
        fields.get(1, ""),
    )
