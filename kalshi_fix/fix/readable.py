"""FIX for people: log lines in, named fields out. Secrets never get through.

Takes SOH, ``|`` or ``^A`` between fields and whatever a log puts before ``8=``. Pure: no files, no
colours; the tools that print decide about those.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import frozen

from kalshi_fix.fix.dictionary import Dictionary, Pairs
from kalshi_fix.fix.message import FixMessage

SECRETS: Final = frozenset({554, 925, 96, 89})  # passwords, signatures
MASK: Final = "********"
_START: Final = re.compile(r"8=FIXT?\.\d\.\d")
_SEPARATORS: Final = ("\x01", "^A", "\\x01", "|")
_END: Final = re.compile(r"10=(\d{3})")
_FIELD: Final = re.compile(r"(\d{1,6})=(.*)", re.DOTALL | re.ASCII)
# What a one-line summary shows of a message, in this order.
_SUMMARY: Final = (150, 39, 11, 41, 37, 55, 54, 38, 44, 59, 32, 31, 14, 151, 380, 373, 371, 58)


@frozen(slots=True)
class Row:
    """One field as people read it; ``meaning`` is the name of an enumerated value, or ""."""

    depth: int  # 0 = the message itself, 1 = an entry of a repeating group
    tag: int
    name: str
    value: str
    meaning: str


@frozen(slots=True)
class Line:
    """A FIX message found in a line of text, and what stood before it."""

    prefix: str
    fields: tuple[tuple[int, str], ...]

    @property
    def msg_type(self) -> str:
        """MsgType (35), "" where it is missing."""
        return dict(reversed(self.fields)).get(35, "")


def find(text: str) -> Line | None:
    """The FIX message in a line of a log, or None. A broken message is read as far as it goes."""
    start = _START.search(text)
    if start is None:
        return None
    content = text[start.start() :].rstrip("\r\n")
    separator = _separator(content)
    fields = []
    for part in content.split(separator):
        found = _FIELD.fullmatch(part.lstrip())
        if found is None:
            break
        fields.append((int(found[1]), found[2]))
        if found[1] == "10":
            break
    return Line(text[: start.start()].rstrip(), tuple(fields))


def _separator(content: str) -> str:
    """What stands between BeginString and the next field decides."""
    rest = _START.sub("", content, count=1)
    for separator in _SEPARATORS:
        if rest.startswith(separator):
            return separator
    return next((item for item in _SEPARATORS if item in content), "|")


def rows(msg_type: str, fields: Pairs, dictionary: Dictionary) -> Iterator[Row]:
    """The fields, named, in order, secrets masked."""
    for depth, tag, value in dictionary.walk(msg_type, fields):
        yield Row(
            depth, tag, dictionary.name(tag), shown(tag, value), dictionary.meaning(tag, value)
        )


def shown(tag: int, value: str) -> str:
    """A value as it may be shown: secrets masked, control characters made visible."""
    if tag in SECRETS:
        return MASK
    if value.isprintable():
        return value
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in value)


def masked(fields: Pairs, separator: str = "|") -> str:
    """The message as one line that may be logged."""
    return "".join(f"{tag}={shown(tag, value)}{separator}" for tag, value in fields)


def title(msg_type: str, dictionary: Dictionary) -> str:
    """Name and type of a message: ``NewOrderSingle (D)``."""
    known = dictionary.messages.get(msg_type)
    return f"{known.name} ({msg_type})" if known is not None else f"unknown message ({msg_type})"


def summary(message: FixMessage, dictionary: Dictionary) -> str:
    """One line a person reads at a glance: the message's name and its telling fields."""
    parts = [title(message.msg_type, dictionary)]
    for tag in _SUMMARY:
        value = message.get(tag)
        if value:
            text = dictionary.meaning(tag, value) or shown(tag, value)
            parts.append(f"{dictionary.name(tag)}={text}")
    return " ".join(parts)


def table(title_text: str, found: Sequence[Row]) -> list[str]:
    """Plain text lines: tag, name, value and meaning in columns, groups indented."""
    width = max((len(row.name) + 2 * row.depth for row in found), default=0)
    lines = [title_text]
    for row in found:
        name = f"{'  ' * row.depth}{row.name}".ljust(width)
        meaning = f"  ({row.meaning})" if row.meaning else ""
        lines.append(f"{row.tag:>7} {name} {row.value}{meaning}")
    return lines
