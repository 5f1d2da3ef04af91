"""Refusals made in the gateway, as messages: 3, j, 8, 9 and r.

Built from the client's own message, which may lack anything: what is absent is left out. Such
an 8 carries an ExecID of its own kind (``R;<gateway>;<n>``), so it can never be taken for a report
of the exchange.
"""

from typing import Final

from kalshi_fix.fix import tables
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.refusal import Refusal, business
from kalshi_fix.fix.time_text import utc_text
from kalshi_fix.model import Reason

_NO_ORDER: Final = "NONE"
_ZERO_QTY: Final = "0.00"
_ZERO_PRICE: Final = "0.0000"
_REJECTED: Final = "8"
_ECHOED: Final = (55, 54, 1, 38, 40, 44, 59)  # of a refused order, as the client wrote them


def render(refusal: Refusal, message: FixMessage, at: int, *, microseconds: bool) -> FixMessage:
    """The message a refusal stands for."""
    if refusal.kind == "3":
        return session_reject(message, refusal)
    if refusal.kind == "r":
        return mass_cancel_reject(message, refusal, at, microseconds=microseconds)
    return business_reject(message, refusal)


def session_reject(message: FixMessage, refusal: Refusal) -> FixMessage:
    """Reject (3): RefSeqNum, RefTagID, RefMsgType, SessionRejectReason, Text."""
    return _built(
        "3",
        (45, message.get(34)),
        (371, str(refusal.tag) if refusal.tag else ""),
        (372, message.msg_type),
        (373, refusal.code),
        (58, refusal.text),
    )


def business_reject(message: FixMessage, refusal: Refusal) -> FixMessage:
    """BusinessMessageReject (j): RefSeqNum, RefMsgType, the request's id, reason, Text."""
    id_tag = tables.REQUEST_IDS.get(message.msg_type, 0)
    return _built(
        "j",
        (45, message.get(34)),
        (372, message.msg_type),
        (379, _echo(message, id_tag)),
        (380, refusal.code),
        (58, refusal.text),
    )


def order_reject(
    message: FixMessage, reason: Reason, exec_id: str, at: int, *, microseconds: bool
) -> FixMessage:
    """ExecutionReport (8) refusing a D the core never sees."""
    return _built(
        "8",
        (37, _NO_ORDER),
        (11, _echo(message, 11)),
        (17, exec_id),
        (150, _REJECTED),
        (39, _REJECTED),
        *((tag, _echo(message, tag)) for tag in _ECHOED),
        (151, _ZERO_QTY),
        (14, _ZERO_QTY),
        (6, _ZERO_PRICE),
        (103, tables.ORDER_REJECT_CODES[reason]),
        (58, reason),
        (60, utc_text(at, microseconds=microseconds)),
    )


def cancel_reject(message: FixMessage, reason: Reason) -> FixMessage:
    """OrderCancelReject (9) of an F or G the core never sees: the order is not looked up."""
    return _built(
        "9",
        (37, _NO_ORDER),
        (11, _echo(message, 11)),
        (41, _echo(message, 41)),
        (39, _REJECTED),
        (434, "1" if message.msg_type == "F" else "2"),
        (102, tables.CANCEL_REJECT_CODES.get(reason, tables.OTHER)),
        (58, reason),
    )


def mass_cancel_reject(
    message: FixMessage, refusal: Refusal, at: int, *, microseconds: bool
) -> FixMessage:
    """OrderMassCancelReport (r) refusing a q the core never sees."""
    return _built(
        "r",
        (11, _echo(message, 11)),
        (37, _NO_ORDER),
        (530, message.get(530)),
        (531, "0"),
        (532, refusal.code),
        (533, "0"),
        (58, refusal.text),
        (60, utc_text(at, microseconds=microseconds)),
    )


def internal_error(message: FixMessage, exec_id: str, at: int, *, microseconds: bool) -> FixMessage:
    """The answer to a message on which translation itself failed."""
    if message.msg_type == "D":
        return order_reject(message, Reason.INTERNAL_ERROR, exec_id, at, microseconds=microseconds)
    if message.msg_type in {"F", "G"}:
        return cancel_reject(message, Reason.INTERNAL_ERROR)
    return business_reject(message, business(Reason.INTERNAL_ERROR))


def unavailable(message: FixMessage) -> FixMessage:
    """Store or core down, the message certainly not taken: j 380=4."""
    return business_reject(message, business(Reason.EXCHANGE_UNAVAILABLE))


def _echo(message: FixMessage, tag: int) -> str:
    """A field of the client's as it came; left out where it is not text we would ever send."""
    text = message.get(tag)
    is_text = text.isascii() and text.isprintable() and len(text) <= tables.TEXT_LENGTH_MAX
    return text if is_text else ""


def _built(msg_type: str, *fields: tuple[int, str]) -> FixMessage:
    """A message of the fields that have a value."""
    return FixMessage(msg_type, [field for field in fields if field[1]])
