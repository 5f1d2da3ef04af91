"""What FIX demands of a session's messages where a stock engine is content with less.

Identity, possible duplicates, ranges of ResendRequest and SequenceReset, and how much may be asked
for again. Pure: the numbers a rule needs are arguments. How a fault is answered is not known here.
"""

from collections.abc import Mapping
from typing import Final

from attrs import define, field, frozen

from kalshi_fix.fix import tables
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.refusal import Refusal, malformed
from kalshi_fix.fix.time_text import NANOS_MAX, parse_utc
from kalshi_fix.model import NANOS

SEQUENCE_DIGITS_MAX: Final = 18
COMP_ID_TEXT: Final = "CompID problem"
_REQUEST_COST: Final = 10  # messages: what the shortest answer to a ResendRequest is worth
_MINUTE: Final = 60 * NANOS
_SEQUENCE_RESET: Final = "4"
_RESEND_REQUEST: Final = "2"
_COUNTED_ANYWAY: Final = frozenset({"3", "5"})

Fields = Mapping[int, str]


@frozen(slots=True)
class SessionFault:
    """A Reject (3), unless ``refusal`` is None; then the end of the session, if ``logout``."""

    refusal: Refusal | None
    logout: str = ""


# --- any message -----------------------------------------------------------------------------


def message_fault(message: FixMessage, sender: str, target: str) -> SessionFault | None:
    """Wrong identity (FIX 2.k) and faults of a possible duplicate (2.f, 2.g).

    Args:
        message: From the client, its number as expected.
        sender: SenderCompID of the client.
        target: TargetCompID it has to use.
    """
    fields = message.first()
    for tag, right in ((49, sender), (56, target)):
        if fields.get(tag) != right:
            return SessionFault(malformed(tag, tables.COMP_ID_PROBLEM), COMP_ID_TEXT)
    if fields.get(43) != "Y" or message.msg_type == _SEQUENCE_RESET:
        return None
    refusal = header_fault(fields)
    return SessionFault(refusal) if refusal is not None else None


def header_fault(fields: Fields) -> Refusal | None:
    """The first thing wrong with number and times of a message."""
    sequence = fields.get(34)
    if sequence is None:
        return malformed(34, tables.REQUIRED_TAG_MISSING)
    if not (sequence.isascii() and sequence.isdigit()) or len(sequence) > SEQUENCE_DIGITS_MAX:
        return malformed(34, tables.INCORRECT_DATA_FORMAT)
    sent_at = _header_time(fields, 52)
    if isinstance(sent_at, Refusal) or fields.get(43) != "Y":
        return sent_at if isinstance(sent_at, Refusal) else None
    # a repeat says when it was first sent, and that lies before now
    first_sent_at = _header_time(fields, 122)
    if isinstance(first_sent_at, Refusal):
        return first_sent_at
    return malformed(122, tables.SENDING_TIME_ACCURACY) if first_sent_at > sent_at else None


def _header_time(fields: Fields, tag: int) -> int | Refusal:
    if tag not in fields:
        return malformed(tag, tables.REQUIRED_TAG_MISSING)
    at = parse_utc(fields[tag])
    if at is None:
        return malformed(tag, tables.INCORRECT_DATA_FORMAT)
    return at if at <= NANOS_MAX else malformed(tag, tables.SENDING_TIME_ACCURACY)


# --- administrative messages -----------------------------------------------------------------


def admin_fault(message: FixMessage, expected: int, next_outgoing: int) -> Refusal | None:
    """What is wrong with a ResendRequest or a SequenceReset.

    Args:
        message: Valid by the dictionary; a gap fill's number is as expected.
        expected: MsgSeqNum expected from the client.
        next_outgoing: MsgSeqNum the venue uses next.
    """
    fields = message.first()
    if message.msg_type == _RESEND_REQUEST:
        begin, end = number(fields.get(7, "")), number(fields.get(16, ""))
        if not 0 < begin < next_outgoing:  # from nowhere, or what was never sent
            return malformed(7, tables.VALUE_IS_INCORRECT)
        if end and end < begin:  # FIX 4.4: 0 is "everything"
            return malformed(16, tables.VALUE_IS_INCORRECT)
    elif message.msg_type == _SEQUENCE_RESET:
        new = number(fields.get(36, ""))
        least = expected + 1 if is_gap_fill(message) else expected
        if not least <= new < 10**SEQUENCE_DIGITS_MAX:
            return malformed(36, tables.VALUE_IS_INCORRECT)
    return None


def is_gap_fill(message: FixMessage) -> bool:
    """Whether a SequenceReset counts as a message: a rejected one has used its number."""
    return message.msg_type == _SEQUENCE_RESET and message.get(123) == "Y"


def is_counted_anyway(message: FixMessage, expected: int) -> bool:
    """Whether a stock engine counts a message that is not the one expected: a Reject, a Logout.

    Counted behind a gap, the first missing message, sent again, would be too low and be lost.
    """
    return message.msg_type in _COUNTED_ANYWAY and number(message.get(34)) != expected


def number(text: str) -> int:
    """A sequence number; one that no session can reach is as large as can be."""
    digits = text.lstrip("0") or "0"
    return int(digits) if len(digits) <= SEQUENCE_DIGITS_MAX else 10**SEQUENCE_DIGITS_MAX


# --- how much may be asked for again ---------------------------------------------------------


def resend_cost(request: FixMessage, next_outgoing: int) -> int:
    """Messages that the answer to a ResendRequest without a fault holds, or is worth."""
    return max(_REQUEST_COST, resend_count(request, next_outgoing))


def resend_count(request: FixMessage, next_outgoing: int) -> int:
    """Messages that the answer to a ResendRequest without a fault holds."""
    begin, end = number(request.get(7)), number(request.get(16))
    last = min(end or next_outgoing - 1, next_outgoing - 1)
    return last - begin + 1


@define(slots=True)
class Budget:
    """Units that may be spent at once, refilled steadily.

    Whoever has one left may spend any number, and has a debt then: a client that has lost
    everything can always have everything, but not over and over.
    """

    units_max: int
    units_per_minute: int
    _left_nanos: int = field(init=False, default=0)  # in units times a minute
    _at: int = field(init=False, default=0)  # 0 = never used

    def spend(self, units: int, at: int) -> bool:
        """Whether it was there; ``at`` in ns of any steady clock, above 0."""
        full = self.units_max * _MINUTE
        refilled = self._left_nanos + (at - self._at) * self.units_per_minute
        self._left_nanos = min(full, refilled) if self._at else full
        self._at = at
        if self._left_nanos < _MINUTE:
            return False
        self._left_nanos -= units * _MINUTE
        return True
