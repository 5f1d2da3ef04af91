"""Wire bytes in audit records: whole messages in, and messages out again.

A socket may cut a message in two; in a record messages are whole. Runs on the trail's thread, and
in what reads the trail. Knows where a message ends, not what it means.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from kalshi_fix.adapters.audit.records import Kind, Row
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.wire import SOH

_TRAILER: Final = b"\x0110="
_TRAILER_BYTES: Final = 8  # with the separators on both sides
_KEPT_BYTES_MAX: Final = 1_048_576
_START: Final = re.compile(rb"(?<=\x01)(?=8=FIX)")
CUT: Final = "cut"  # ``more`` of a record that ends within a message


class WholeMessages:
    """Puts together what came out of the engine's socket in pieces; one per trail."""

    def __init__(self) -> None:
        self._begun: dict[str, Row] = {}  # by connection

    def __call__(self, rows: list[Row]) -> list[Row]:
        """The rows, those of an incomplete message held back until the rest of it comes."""
        made: list[Row] = []
        for row in rows:
            if row[0] == Kind.OUT:
                whole = self._whole(row)
                if whole is not None:
                    made.append(whole)
                continue
            if row[0] == Kind.ENDED and row[3] in self._begun:
                made.append((*self._begun.pop(row[3])[:5], CUT))
            made.append(row)
        return made

    def _whole(self, row: Row) -> Row | None:
        begun = self._begun.pop(row[3], None) if self._begun else None
        if begun is not None:
            row = (*begun[:4], begun[4] + row[4], None)
        data: bytes = row[4]
        if data[-_TRAILER_BYTES:].startswith(_TRAILER) and data[-1] == 1:
            return row
        # a trailer that begins here is whole, too
        last = data.rfind(_TRAILER, 0, max(0, len(data) - _TRAILER_BYTES + len(_TRAILER)))
        end = last + _TRAILER_BYTES if last >= 0 else 0
        if len(data) - end > _KEPT_BYTES_MAX:
            return (*row[:5], CUT)
        self._begun[row[3]] = (*row[:4], data[end:], None)
        return (*row[:4], data[:end], None) if end else None


def as_text(rows: list[Row]) -> list[Row]:
    """Rows of a gateway: its own messages as FIX text, 35 first, without the engine's header."""
    return [
        (*row[:4], _text_of(row[4]), *row[5:]) if isinstance(row[4], FixMessage) else row
        for row in rows
    ]


def _text_of(message: FixMessage) -> str:
    fields = SOH.join([f"{tag}={value}" for tag, value in message.fields])
    return f"35={message.msg_type}{SOH}{fields}{SOH}"


def messages_in(data: Any) -> Iterator[str]:
    """The FIX messages of a record, each as text with SOH; nothing where it is about none."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, bytes):
        for part in _START.split(data):
            yield part.decode("latin-1")


def fields_of(text: str) -> dict[int, str]:
    """The fields of a message, of a repeated tag the first."""
    found: dict[int, str] = {}
    for part in text.split(SOH):
        tag, mark, value = part.partition("=")
        if mark and tag.isdigit():
            found.setdefault(int(tag), value)
    return found
