"""Positional msgpack form of commands and events: ``[kind, field, field, ...]``.

The kind is the tag each class is declared with. Nothing here knows about streams, sockets or time.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, get_args

import msgspec
from msgspec import msgpack

from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e

Message = c.Command | e.Event


class UnknownKindError(ValueError):
    """A row names a kind this version does not know: written by a newer one."""


def _by_kind(union: Any) -> dict[int, type[Any]]:
    kinds = {cls.__struct_config__.tag: cls for cls in get_args(union)}
    assert len(kinds) == len(get_args(union)), "two classes have the same kind"
    return kinds


COMMAND_KINDS: Final[dict[int, type[c.Command]]] = _by_kind(c.Command)
EVENT_KINDS: Final[dict[int, type[e.Event]]] = _by_kind(e.Event)
KINDS: Final[dict[int, type[Message]]] = {**COMMAND_KINDS, **EVENT_KINDS}

_encoder: Final = msgpack.Encoder()
_rows: Final = msgpack.Decoder(list[Message])


def to_row(message: Message) -> tuple[Any, ...]:
    """The positional form of a command or event, not yet packed."""
    kind = message.__struct_config__.tag
    return (kind, *msgspec.structs.astuple(message))


def from_row(row: Sequence[Any]) -> Message:
    """The command or event a row stands for.

    Raises:
        UnknownKindError: the kind is not known to this version.
        ValueError: its fields are not those of its kind.
    """
    check_kinds([row])
    return msgspec.convert(row, KINDS[row[0]])


def check_kinds(rows: Iterable[Any]) -> None:
    """Tells a row of a newer version from a damaged one.

    Raises:
        UnknownKindError: a row's kind is not known to this version.
    """
    for row in rows:
        if row[0] not in KINDS:
            raise UnknownKindError(f"unknown message kind {row[0]}: written by a newer version?")


pack_row: Final[Callable[[Message], bytes]] = _encoder.encode
"""One packed row; ``join_rows`` makes a block of several without packing them again."""


def pack_rows(messages: Iterable[Message]) -> bytes:
    """Packs messages as one msgpack array of rows."""
    return _encoder.encode(list(messages))


def join_rows(rows: Sequence[bytes]) -> bytes:
    """The block ``pack_rows`` would make of the messages these rows were packed from."""
    return _encoder.encode([msgspec.Raw(row) for row in rows])


def unpack_rows(block: bytes) -> list[Message]:
    """The messages of a block, in order. Arrays come back as tuples, as they were written.

    Raises:
        UnknownKindError: a row's kind is not known to this version.
        ValueError: the block is damaged.
    """
    return decode_rows(_rows, block)


def decode_rows(decoder: "msgpack.Decoder[list[Any]]", block: bytes) -> list[Any]:
    """The messages of a block, by a decoder for the kinds that may be in it."""
    try:
        return decoder.decode(block)
    except msgspec.ValidationError:
        check_kinds(msgpack.decode(block))
        raise
