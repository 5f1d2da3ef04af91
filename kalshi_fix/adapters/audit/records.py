"""What an audit record is: a row of plain values, packed by msgpack with the others of its block.

``(kind, at, session, connection, data, more)``: at in nanoseconds UTC, session and connection ""
where there is none, ``data`` the message or a table of facts. A kind's number is never reused, and
a row only ever grows at its end. Also what a secret is and how it is taken out.
"""

import re
from enum import IntEnum
from typing import Any, Final

import msgpack
from attrs import frozen

Row = tuple[Any, ...]


class Kind(IntEnum):
    """What a record is about."""

    STARTED = 1  # the process: version, host, how its last run ended
    STOPPED = 2  # in order; without it the run ended otherwise
    RECOVERED = 3  # the file's end was torn, and what became of it
    LOST = 4  # records that could not be kept: how many, when, why
    CONFIGURED = 5  # what it runs with
    IN = 10  # from the client
    OUT = 11  # to the client
    GARBLED = 12  # bytes that were no message and went nowhere
    CONNECTED = 13  # a connection decided upon: who, from where, the result
    ENDED = 14  # and over
    OPERATOR = 20  # what an operator asked for, and the answer
    PLACE = 30  # how far a shard's streams are chained
    COMMANDS = 31  # an entry of cmd: its id and the hash of its content
    EVENTS = 32  # an entry of evt


@frozen(slots=True)
class Record:
    """One row, with its place in its chain."""

    chain: str
    sequence: int
    kind: int
    at: int
    session: str
    connection: str
    data: Any
    more: Any = None


REMOVED: Final = "***"
# Password, NewPassword, RawData, Signature; the secrets between edge and engine
_TAGS: Final = rb"554|925|96|89|20996|20998"
_MARK: Final = re.compile(rb"\x01(?:%s)=" % _TAGS)
_IN_BYTES: Final = re.compile(rb"((?:^|(?<=[\x01|\s]))(?:%s)=)[^\x01]*" % _TAGS)
_IN_TEXT: Final = re.compile(_IN_BYTES.pattern.decode())


def without_secrets(value: Any) -> Any:
    """FIX bytes or text with the values of secret tags removed; anything else as it is."""
    if isinstance(value, bytes):
        return _IN_BYTES.sub(rb"\1***", value)
    if isinstance(value, str):
        return _IN_TEXT.sub(r"\1***", value)
    return value


def pack(rows: list[Row]) -> bytes:
    """Rows as a block's payload, without secrets.

    The packed bytes are searched, once for all rows: that costs less than looking at each.
    """
    payload: bytes = _pack(rows)
    if _MARK.search(payload) is None:
        return payload
    return _pack([(*row[:4], without_secrets(row[4]), *row[5:]) for row in rows])


def _pack(rows: list[Row]) -> bytes:
    packed: bytes = msgpack.packb(rows, unicode_errors="surrogatepass")
    return packed


def unpack(payload: bytes) -> list[Row]:
    """The rows of a block."""
    rows: tuple[Row, ...] = msgpack.unpackb(
        payload, use_list=False, strict_map_key=False, unicode_errors="surrogatepass"
    )
    return list(rows)


def first_kind(content: bytes) -> int:
    """The kind of a block's first record, without unpacking: what a start found stands there."""
    mark = content[0]
    at = {0xDC: 3, 0xDD: 5}.get(mark, 1)  # after the array's own head
    return content[at + 1]  # after the row's


def record_of(chain: str, sequence: int, row: Row) -> Record:
    """A row as a record; what a newer version appended is left out."""
    return Record(chain, sequence, *row[:6])
