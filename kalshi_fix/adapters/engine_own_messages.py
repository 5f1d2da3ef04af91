"""The engine's own administrative messages, put into the venue's form before they are sent.

Also what they tell of the numbers: a message behind a gap is not the one that is due, so it is
asked for with what is missing before it, never rejected now. Works on the engine's message objects
through their methods; does not import the engine.
"""

from collections.abc import Callable
from typing import Any, Final

from attrs import frozen

from kalshi_fix.fix.refusal import Refusal

# Routing that a Reject copies from the message it rejects; this venue never sends it.
_COPIED_ROUTING: Final = (50, 57, 115, 116, 128, 129, 142, 143, 144, 145)
_REJECT_BODY: Final = (45, 58, 371, 372, 373)
_LOGON_PREFIX: Final = "Rejected Logon Attempt: "
_TOO_LOW: Final = "MsgSeqNum too low"
_GAP_TEXT: Final = "MsgSeqNum gap"
_NOT_COUNTED: Final = frozenset({"4", "A"})  # a Reject of these moves no number


@frozen(slots=True)
class Formed:
    """What goes out, and what follows it."""

    msg_type: str
    ends: bool = False  # the engine closes the connection after it
    log_out: str = ""  # text of a Logout to follow


class OwnMessages:
    """Of one engine's sessions, each called on its own thread."""

    def __init__(self) -> None:
        self._asked_from: dict[str, int] = {}  # the number the last ResendRequest began with

    def logged_on(self, session: str) -> None:
        """A new Logon: nothing has been asked for yet."""
        self._asked_from.pop(session, None)

    def form(
        self,
        session: str,
        message: Any,
        expected: Callable[[], int],
        fault: Refusal | None,
        *,
        is_ours: bool,
        keeps_sequence: bool,
    ) -> Formed:
        """Changes the message in place.

        Args:
            session: Whose it is.
            message: The engine's message, complete but for what sending adds.
            expected: The number the engine expects next.
            fault: What this Reject is about, where we found it and not the engine.
            is_ours: Whether it is a Reject the gateway made itself, of a message that was due.
            keeps_sequence: Whether the session has a history to ask for.
        """
        msg_type = message.getHeader().getField(35)
        if msg_type == "5":
            return _logout(message)
        if msg_type == "3":
            if fault is None and not is_ours and _is_behind_gap(message, expected()):
                return self._ask(session, message, expected(), keeps_sequence=keeps_sequence)
            _reject(message, fault)
        elif msg_type == "2":
            return self._ask(session, message, expected(), keeps_sequence=keeps_sequence)
        return Formed(msg_type)

    def _ask(self, session: str, message: Any, first: int, *, keeps_sequence: bool) -> Formed:
        """Asks once for everything from the first missing number on.

        A session without history does not ask for history: it ends. What is not to be sent becomes
        a Heartbeat, because the engine cannot be kept from sending something.
        """
        for tag in _REJECT_BODY:
            message.removeField(tag)
        if keeps_sequence and self._asked_from.get(session) != first:
            self._asked_from[session] = first
            message.getHeader().setField(35, "2")
            message.setField(7, str(first))
            message.setField(16, "0")
            return Formed("2")
        message.getHeader().setField(35, "0")
        message.removeField(7)
        message.removeField(16)
        return Formed("0", log_out="" if keeps_sequence else _GAP_TEXT)


def _is_behind_gap(reject: Any, expected: int) -> bool:
    """Whether the engine rejects a message that is not due yet: a due one it has counted."""
    if not reject.isSetField(45) or (reject.isSetField(372) and _type_of(reject) in _NOT_COUNTED):
        return False
    number: str = reject.getField(45)
    return number.isdecimal() and int(number) >= expected


def _type_of(reject: Any) -> str:
    msg_type: str = reject.getField(372)
    return msg_type


def _logout(message: Any) -> Formed:
    if not message.isSetField(58):
        return Formed("5")
    text: str = message.getField(58)
    message.setField(58, text.removeprefix(_LOGON_PREFIX))
    return Formed("5", ends=text.startswith((_LOGON_PREFIX, _TOO_LOW)))


def _reject(message: Any, fault: Refusal | None) -> None:
    for tag in _COPIED_ROUTING:
        message.getHeader().removeField(tag)
    if fault is not None:
        message.setField(373, fault.code)
        message.setField(58, fault.text)
