"""A client's message to a command, or to a refusal: form is judged here, business in the core.

What FIX itself forbids (a missing tag, a value outside the enumeration, a wrong format) is refused
with a Reject, although the session layer's dictionary normally did so already. What the exchange
may refuse travels inside the command, so that the first failing check wins wherever it was found.
No order state, no clock, no sockets here.
"""

from collections.abc import Callable
from typing import Final, Protocol

from kalshi_fix.fix import inbound_orders, inbound_queries, tables
from kalshi_fix.fix.decimal_text import is_decimal
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.refusal import Refusal, business, malformed
from kalshi_fix.fix.session_rules import header_fault
from kalshi_fix.fix.time_text import parse_utc
from kalshi_fix.messages.commands import ClientCommand
from kalshi_fix.model import Reason


class SessionIdentity(Protocol):
    """What translation needs of a session: its name and the epoch of its numbers."""

    @property
    def name(self) -> str:
        """The session's name."""
        ...

    @property
    def epoch(self) -> int:
        """Counts resets of its sequence numbers."""
        ...


_Translate = Callable[[FixMessage, str, int, int], ClientCommand | Refusal]
_TRANSLATORS: Final[dict[str, _Translate]] = {
    "D": inbound_orders.new_order,
    "F": inbound_orders.cancel_order,
    "G": inbound_orders.replace_order,
    "q": inbound_orders.mass_cancel,
    "H": inbound_queries.query_order,
    "AF": inbound_queries.query_orders,
    "AN": inbound_queries.query_positions,
    "BB": inbound_queries.query_collateral,
    "UOG": inbound_queries.manage_order_group,
}


def to_command(message: FixMessage, session: SessionIdentity, at: int) -> ClientCommand | Refusal:
    """Translates one application message; ``at`` is the gateway's clock in ns UTC."""
    translate = _TRANSLATORS.get(message.msg_type)
    if translate is None:
        return business(Reason.MESSAGE_NOT_SUPPORTED)
    refused = form_fault(message)
    if refused is not None:
        return refused
    return translate(message, session.name, session.epoch, at)


def form_fault(message: FixMessage) -> Refusal | None:
    """The first thing wrong with a message's form: header, text, presence, values, formats."""
    return header_fault(message.first()) or text_fault(message) or _field_fault(message)


def text_fault(message: FixMessage) -> Refusal | None:
    """Printable ASCII everywhere, bounded; a client's id has a tighter bound.

    Whoever echoes a client's text asks first: the engine cannot send anything else.
    """
    fields = message.fields
    joined = "".join([value for _, value in fields])
    if not (joined.isascii() and joined.isprintable()):
        for tag, value in fields:
            if not (value.isascii() and value.isprintable()):
                return malformed(tag, tables.INCORRECT_DATA_FORMAT)
    if len(joined) > tables.TEXT_LENGTH_MAX:
        for tag, value in fields:
            if len(value) > tables.TEXT_LENGTH_MAX:
                return malformed(tag, tables.INCORRECT_DATA_FORMAT)
    id_tag = tables.REQUEST_IDS.get(message.msg_type, 0)
    if len(message.get(id_tag)) > tables.ID_LENGTH_MAX:
        return malformed(id_tag, tables.INCORRECT_DATA_FORMAT)
    return None


def _field_fault(message: FixMessage) -> Refusal | None:
    fields = message.first()
    msg_type = message.msg_type
    for tag in tables.REQUIRED[msg_type]:
        if tag not in fields:
            return malformed(tag, tables.REQUIRED_TAG_MISSING)
    for tag, values in tables.ENUMERATED[msg_type]:
        if tag in fields and fields[tag] not in values:
            return malformed(tag, tables.VALUE_IS_INCORRECT)
    if 18 in fields and not tables.EXEC_INSTS.issuperset(fields[18].split(" ")):
        return malformed(18, tables.VALUE_IS_INCORRECT)
    for tag in tables.DECIMALS.get(msg_type, ()):
        if tag in fields and not is_decimal(fields[tag]):
            return malformed(tag, tables.INCORRECT_DATA_FORMAT)
    for tag in tables.TIMESTAMPS.get(msg_type, ()):
        if tag in fields and parse_utc(fields[tag]) is None:
            return malformed(tag, tables.INCORRECT_DATA_FORMAT)
    return None
