"""A refusal translation decides by itself: which message says no, which tag, why.

A value, never an exception. `fix.refusals` renders it; nothing here knows the exchange.
"""

from typing import Final

from attrs import frozen

from kalshi_fix.fix import tables
from kalshi_fix.model import Reason


@frozen(slots=True)
class Refusal:
    """``kind`` is the MsgType that says no; ``code`` its reason field (373, 380, 532)."""

    kind: str  # "3", "j" or "r"
    code: str
    text: str
    tag: int = 0  # RefTagID (371), 0 = none


MISSING_TEXT: Final = tables.SESSION_REJECT_TEXTS[tables.REQUIRED_TAG_MISSING]


def malformed(tag: int, code: int) -> Refusal:
    """A Reject (3): the message itself is wrong."""
    return Refusal("3", str(code), tables.SESSION_REJECT_TEXTS[code], tag)


def business(reason: Reason, detail: str = "") -> Refusal:
    """A BusinessMessageReject (j); the detail follows the reason in Text (58)."""
    code = tables.BUSINESS_REJECT_CODES.get(reason, tables.BUSINESS_OTHER)
    return Refusal("j", code, f"{reason} {detail}" if detail else reason)


def tag_needed(tag: int) -> Refusal:
    """A tag this kind of request needs, though FIX does not require it, is absent."""
    return business(Reason.CONDITIONALLY_REQUIRED_TAG_MISSING, f"tag={tag}")
