"""Logon (35=A) as a decision: the client's fields in, the terms of the session or a refusal out.

Every refusal of the rules of engagement that needs nothing but the message, the session's rules
and the time is here, in the order in which it is checked. Whether the credentials are right, who
else is connected and what a gateway says, this module does not know.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from attrs import frozen

from kalshi_fix.fix.time_text import parse_utc

Fields = Sequence[tuple[int, str]]

_SEQUENCE: Final = re.compile(r"0*[1-9]\d{0,17}", re.ASCII)
_SECONDS: Final = re.compile(r"\d{1,9}", re.ASCII)

# Yes or no, nothing else. 21011 is always on in this dialect: Y and N are both taken.
_FLAGS: Final = (141, 8013, 20126, 20127, 20900, 20902, 21011)
# Tags FIX 4.4 allows on a Logon: header, body, trailer.
_STOCK: Final = frozenset({
    8, 9, 35, 49, 56, 115, 128, 90, 91, 34, 50, 142, 57, 143, 116, 144, 129, 145, 43, 97, 52, 122,
    212, 213, 347, 369, 627, 628, 629, 630,
    98, 108, 95, 96, 141, 789, 383, 384, 372, 385, 464, 553, 554,
    93, 89, 10,
})  # fmt: skip
_IN_GROUPS: Final = frozenset((372, 385, 628, 629, 630))
_VENUE: Final = frozenset((8013, *range(20_000, 20_990), *range(21_000, 22_000)))
# What the engine gets of an accepted Logon; the rest was for the edge, or says nothing here.
_FOR_ENGINE: Final = (34, 49, 52, 56, 98, 108, 141, 8013, 20126, 20127, 20900, 20902, 21011)


class LogonReason(StrEnum):
    """Why a Logon is refused: first word of the Logout's Text (58)."""

    REPEATED_TAG = "REPEATED_TAG"
    UNDEFINED_TAG = "UNDEFINED_TAG"
    INVALID_MSG_SEQ_NUM = "INVALID_MSG_SEQ_NUM"
    INVALID_SENDING_TIME = "INVALID_SENDING_TIME"
    SENDING_TIME_OUT_OF_WINDOW = "SENDING_TIME_OUT_OF_WINDOW"
    INVALID_ENCRYPT_METHOD = "INVALID_ENCRYPT_METHOD"
    INVALID_HEART_BT_INT = "INVALID_HEART_BT_INT"
    INVALID_FLAG = "INVALID_FLAG"
    RESET_REQUIRED = "RESET_REQUIRED"
    LISTENER_CONFLICT = "LISTENER_CONFLICT"
    INVALID_CREDENTIALS = "INVALID_CREDENTIALS"
    LOGON_SERVICE_BUSY = "LOGON_SERVICE_BUSY"
    LOGON_RATE_LIMIT = "LOGON_RATE_LIMIT"
    RESEND_LIMIT = "RESEND_LIMIT"
    SESSION_DISABLED = "SESSION_DISABLED"
    NOT_ENTITLED = "NOT_ENTITLED"
    MAINTENANCE = "MAINTENANCE"
    SESSION_CLOSED = "SESSION_CLOSED"
    LOGON_REPLAYED = "LOGON_REPLAYED"
    EXCHANGE_UNAVAILABLE = "EXCHANGE_UNAVAILABLE"
    ALREADY_LOGGED_ON = "ALREADY_LOGGED_ON"
    COMP_ID_PROBLEM = "COMP_ID_PROBLEM"


@frozen
class LogonRules:
    """What a session demands of its Logon. Times in ns."""

    heartbeat_min: int
    heartbeat_max: int
    clock_window: int
    reset_required: bool  # 141=Y at every Logon (NR, MD)


@frozen
class Refusal:
    """A Logon that is not taken; ``detail`` names the field for a person."""

    reason: LogonReason
    detail: str = ""

    @property
    def text(self) -> str:
        """Text (58) of the Logout."""
        return f"{self.reason} {self.detail}".rstrip()


@frozen(kw_only=True)
class Logon:
    """An admissible Logon. ``cancel_on_disconnect`` is -1 where the client left it out.

    ``username``, ``password`` and ``raw_data`` are "" where absent; ``signed_text`` is what a
    signature in ``raw_data`` covers.
    """

    reset: bool
    sent_at: int  # ns UTC
    cancel_on_disconnect: int
    listener: bool
    venue_tags: bool
    settlement_reports: bool
    replay: bool  # 20902=Y on a Logon with 141=Y; without it there is nothing to ask for
    username: str
    password: str
    raw_data: str
    signed_text: str
    for_engine: Fields


def judge(fields: Fields, rules: LogonRules, now: int) -> Logon | Refusal:
    """Decides on the fields of a Logon, as received; ``now`` in ns UTC.

    The identity (49, 56) is the caller's: it found the rules by it.
    """
    refusal = _stray_tag(fields)
    if refusal is not None:
        return refusal
    first = dict(fields)
    for check in (_sequence, _sending_time, _encryption, _heartbeat, _flags, _reset, _listener):
        refusal = check(first, rules, now)
        if refusal is not None:
            return refusal
    sent_at = parse_utc(first[52])
    assert sent_at is not None, "checked by _sending_time"
    return Logon(
        reset=first.get(141) == "Y",
        sent_at=sent_at,
        cancel_on_disconnect={"Y": 1, "N": 0}.get(first.get(8013, ""), -1),
        listener=first.get(20126) == "Y",
        venue_tags=first.get(20900) == "Y",
        settlement_reports=first.get(20127) == "Y",
        replay=first.get(20902) == "Y" == first.get(141),
        username=first.get(553, ""),
        password=first.get(554, ""),
        raw_data=first.get(96, ""),
        signed_text="\x01".join(first[tag] for tag in (52, 35, 34, 49, 56)),
        for_engine=[(tag, first[tag]) for tag in _FOR_ENGINE if tag in first],
    )


def asks_for_reset(fields: Fields) -> bool:
    """Whether the Logon, good or bad, has 141=Y: then a refusal carries 34=1."""
    return (141, "Y") in fields


def _stray_tag(fields: Fields) -> Refusal | None:
    seen: set[int] = set()
    for tag, _ in fields:
        if tag not in _STOCK and tag not in _VENUE:
            return Refusal(LogonReason.UNDEFINED_TAG, f"({tag}) is not defined for a Logon")
        if tag in seen and tag not in _IN_GROUPS:
            return Refusal(LogonReason.REPEATED_TAG, f"({tag}) stands more than once")
        seen.add(tag)
    return None


def _sequence(first: dict[int, str], _rules: LogonRules, _now: int) -> Refusal | None:
    if 34 not in first:
        return Refusal(LogonReason.INVALID_MSG_SEQ_NUM, "MsgSeqNum (34) missing")
    if not _SEQUENCE.fullmatch(first[34]):
        return Refusal(LogonReason.INVALID_MSG_SEQ_NUM, "MsgSeqNum (34) is not a positive number")
    return None


def _sending_time(first: dict[int, str], rules: LogonRules, now: int) -> Refusal | None:
    if 52 not in first:
        return Refusal(LogonReason.INVALID_SENDING_TIME, "SendingTime (52) missing")
    sent_at = parse_utc(first[52])
    if sent_at is None:
        return Refusal(LogonReason.INVALID_SENDING_TIME, "SendingTime (52) is not a UTC timestamp")
    if abs(sent_at - now) > rules.clock_window:
        seconds = rules.clock_window // 1_000_000_000
        detail = f"SendingTime (52) is more than {seconds} s from the server's clock"
        return Refusal(LogonReason.SENDING_TIME_OUT_OF_WINDOW, detail)
    return None


def _encryption(first: dict[int, str], _rules: LogonRules, _now: int) -> Refusal | None:
    if 98 not in first:
        return Refusal(LogonReason.INVALID_ENCRYPT_METHOD, "EncryptMethod (98) missing")
    if first[98] != "0":
        return Refusal(LogonReason.INVALID_ENCRYPT_METHOD, "EncryptMethod (98) must be 0")
    return None


def _heartbeat(first: dict[int, str], rules: LogonRules, _now: int) -> Refusal | None:
    if 108 not in first:
        return Refusal(LogonReason.INVALID_HEART_BT_INT, "HeartBtInt (108) missing")
    text = first[108]
    allowed = f"{rules.heartbeat_min}..{rules.heartbeat_max}"
    if not _SECONDS.fullmatch(text) or not (
        rules.heartbeat_min <= int(text) <= rules.heartbeat_max
    ):
        return Refusal(LogonReason.INVALID_HEART_BT_INT, f"HeartBtInt (108) must be {allowed}")
    return None


def _flags(first: dict[int, str], _rules: LogonRules, _now: int) -> Refusal | None:
    for tag in _FLAGS:
        if first.get(tag, "N") not in {"Y", "N"}:
            return Refusal(LogonReason.INVALID_FLAG, f"({tag}) must be Y or N")
    return None


def _reset(first: dict[int, str], rules: LogonRules, _now: int) -> Refusal | None:
    if rules.reset_required and first.get(141) != "Y":
        return Refusal(LogonReason.RESET_REQUIRED, "ResetSeqNumFlag (141) must be Y here")
    return None


def _listener(first: dict[int, str], _rules: LogonRules, _now: int) -> Refusal | None:
    if first.get(20126) == "Y" and first.get(8013) == "Y":
        detail = "ListenerSession (20126) excludes CancelOrdersOnDisconnect (8013)"
        return Refusal(LogonReason.LISTENER_CONFLICT, detail)
    return None
