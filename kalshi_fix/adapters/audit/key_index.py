"""Finds the blocks that may hold a value: a sorted table beside each segment that is complete.

A key is the CRC-32 of a value, so a hit is a candidate, never an answer: who asks reads the block
and looks. An index can be made again from its segment at any time; nothing depends on it but speed.
"""

import mmap
import os
import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final
from zlib import crc32

from kalshi_fix.adapters.audit.segments import AuditError

SUFFIX: Final = ".index"
_MAGIC: Final = b"KFIXAUDX"
_VERSION: Final = 1
_HEAD: Final = struct.Struct("<8sQQQ")  # magic, version, places, entries
_KEY_BITS: Final = 32
_PRIVATE: Final = 0o600

# a block's place in its file, and the values in it
Found = tuple[int, Iterable[bytes]]


def index_of(segment: Path) -> Path:
    """Where a segment's index stands."""
    return segment.with_name(segment.name + SUFFIX)


def write_index(segment: Path, blocks: Iterable[Found]) -> int:
    """Makes the index of a complete segment; returns how many entries it has.

    Raises:
        OSError: the disk; there is no index then.
    """
    places = array("Q")
    entries: set[int] = set()
    for number, (place, values) in enumerate(blocks):
        places.append(place)
        entries.update(crc32(value) << _KEY_BITS | number for value in values)
    table = array("Q", sorted(entries))
    path = index_of(segment)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(_HEAD.pack(_MAGIC, _VERSION, len(places), len(table)))
        places.tofile(file)
        table.tofile(file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return len(table)


def places_of(segment: Path, values: Iterable[bytes]) -> list[int] | None:
    """Places of the blocks that may hold one of the values, in order; None without an index.

    Raises:
        AuditError: the index is none; remove it.
    """
    path = index_of(segment)
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        magic, version, places, entries = _HEAD.unpack_from(mapped)
        if magic != _MAGIC or version != _VERSION:
            raise AuditError(f"{path}: is no index of this version; remove it")
        with memoryview(mapped) as view, view[_HEAD.size :] as words, words.cast("Q") as table:
            numbers = sorted(
                {n for value in values for n in _numbers(table, places, entries, value)}
            )
            return [table[number] for number in numbers]


def _numbers(table: "memoryview[int]", places: int, entries: int, value: bytes) -> Iterator[int]:
    key = crc32(value) << _KEY_BITS
    at = bisect_left(table, key, places, places + entries)
    while at < places + entries and table[at] >> _KEY_BITS << _KEY_BITS == key:
        yield table[at] & 0xFFFF_FFFF
        at += 1
