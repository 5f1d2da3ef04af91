"""Looks for values in a chain of wire messages: by its indexes, and by reading what has none yet.

Keys are the values of ClOrdID, OrigClOrdID and OrderID. What is found is every record that holds
one of them in such a field. Hashes are not looked at: that is what `verify` is for.
"""

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Final

from kalshi_fix.adapters.audit.key_index import index_of, places_of, write_index
from kalshi_fix.adapters.audit.records import Record, record_of, unpack
from kalshi_fix.adapters.audit.segments import (
    BLOCK,
    HASH_BYTES,
    HEAD,
    HEADER,
    Block,
    block_at,
    segments_of,
)
from kalshi_fix.adapters.audit.wire import fields_of, messages_in

KEY_TAGS: Final = (11, 41, 37)
_VALUES: Final = re.compile(rb"\x01(?:11|41|37)=([^\x01]+)")


def read_blocks(path: Path) -> Iterator[Block]:
    """The blocks of a segment as far as it is written, unchecked."""
    data = path.read_bytes()
    if len(data) < HEADER.size:
        return
    at = HEADER.size + HEADER.unpack_from(data)[2] + HASH_BYTES
    while at + HEAD.size + HASH_BYTES <= len(data):
        kind, length, count, first, wall, monotonic = HEAD.unpack_from(data, at)
        content_at = at + HEAD.size + HASH_BYTES
        if kind != BLOCK or content_at + length > len(data):
            return
        content = data[content_at : content_at + length]
        yield Block(first, count, wall, monotonic, content, b"", at)
        at = content_at + length


def build_index(path: Path) -> int:
    """Indexes a sealed segment; returns the number of entries."""
    return write_index(
        path, ((block.offset, _VALUES.findall(block.content)) for block in read_blocks(path))
    )


def unindexed(directory: Path) -> list[Path]:
    """Segments that are complete and have no index: all but the last, which is being written."""
    return [path for path in segments_of(directory)[:-1] if not index_of(path).exists()]


def candidates(path: Path, values: Iterable[bytes]) -> Iterator[Block]:
    """Blocks of a segment that may hold one of the values."""
    wanted = list(values)
    places = places_of(path, wanted)
    if places is not None:
        for place in places:
            yield block_at(path, place)
        return
    marks = [b"=%s\x01" % value for value in wanted]
    for block in read_blocks(path):
        if any(mark in block.content for mark in marks):
            yield block


def find(directory: Path, values: Iterable[str]) -> Iterator[Record]:
    """Every record of a chain with a message about one of the orders named, in order."""
    wanted = set(values)
    packed = [value.encode() for value in wanted]
    for path in segments_of(directory):
        for block in candidates(path, packed):
            for index, row in enumerate(unpack(block.content)):
                if any(is_about(text, wanted) for text in messages_in(row[4])):
                    yield record_of(directory.name, block.first + index, row)


def is_about(text: str, wanted: AbstractSet[str]) -> bool:
    """Whether a message names one of the orders."""
    if not any(value in text for value in wanted):
        return False
    fields = fields_of(text)
    return any(fields.get(tag) in wanted for tag in KEY_TAGS)


def records(directory: Path, since: int = 0, until: int = 0) -> Iterator[Record]:
    """Every record of a chain between two times (ns; 0 = open), in order."""
    for path in segments_of(directory):
        for block in read_blocks(path):
            for index, row in enumerate(unpack(block.content)):
                if row[1] >= since and not (until and row[1] >= until):
                    yield record_of(directory.name, block.first + index, row)
