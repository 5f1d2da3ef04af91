"""Segment files of an audit chain: blocks of records, each with the hash of all before it.

``hash = SHA-256(hash before, block's head, block's content)``; a segment's header holds the hash
the one before ended with, its seal the counts, and the seal belongs to the chain as well. So a
record cannot be taken out, changed or moved without every later hash being another. What the
machine's death tore off is put aside, never thrown away. Knows no record's meaning.
"""

import struct
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgpack
from attrs import define, frozen

VERSION: Final = 1
HASH_BYTES: Final = 32
NO_HASH: Final = bytes(HASH_BYTES)  # before the first segment
MAGIC: Final = b"KFIXAUDT"
SUFFIX: Final = ".audit"
HEADER: Final = struct.Struct("<8sHI")  # magic, version, bytes of what follows
# kind, bytes of the content, records, first record's number, wall clock ns, monotonic clock ns
HEAD: Final = struct.Struct("<BIIQQQ")
BLOCK: Final = 1
SEAL: Final = 2
BLOCK_BYTES_MAX: Final = 64 * 1_048_576


class AuditError(Exception):
    """The audit trail cannot be used; the message is one line."""


class DamagedError(AuditError):
    """What stands in a file is not what was written there. ``offset``: the first bad byte."""

    def __init__(self, path: Path, offset: int, sequence: int, why: str) -> None:
        super().__init__(f"{path}: {why} (after record {sequence}, byte {offset})")
        self.path = path
        self.offset = offset
        self.sequence = sequence
        self.why = why


@frozen(slots=True)
class Block:
    """Records ``first`` to ``last``, packed; ``head`` is the chain's hash after them."""

    first: int
    count: int
    at: int
    monotonic: int
    content: bytes
    head: bytes
    offset: int

    @property
    def last(self) -> int:
        """Number of its last record."""
        return self.first + self.count - 1


@define
class Segment:
    """A file being read; complete once `blocks` has ended."""

    path: Path
    chain: str
    previous: bytes
    first: int
    facts: dict[str, Any]
    head: bytes
    data: bytes
    end: int = 0  # of the last whole block
    sequence: int = 0  # last record read
    count: int = 0
    is_sealed: bool = False

    @classmethod
    def open(cls, path: Path) -> "Segment":
        """Reads a file and its header.

        Raises:
            DamagedError: it is no segment.
            AuditError: a newer version wrote it.
        """
        data = path.read_bytes()
        if len(data) < HEADER.size or not data.startswith(MAGIC):
            raise DamagedError(path, 0, 0, "the header is not whole")
        _, version, length = HEADER.unpack_from(data)
        if version != VERSION:
            raise AuditError(f"{path}: version {version}, this program reads {VERSION}")
        end = HEADER.size + length
        if len(data) < end + HASH_BYTES:
            raise DamagedError(path, 0, 0, "the header is not whole")
        try:
            facts = msgpack.unpackb(data[HEADER.size : end])
            previous, first, chain = facts["previous"], facts["first"], facts["chain"]
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedError(path, HEADER.size, 0, "the header is not readable") from error
        head = data[end : end + HASH_BYTES]
        if head != sha256(previous + data[:end]).digest():
            raise DamagedError(path, HEADER.size, first - 1, "the header was changed")
        return cls(path, chain, previous, first, facts, head, data, end + HASH_BYTES, first - 1)

    def blocks(self) -> Iterator[Block]:
        """Whole blocks in order, every hash checked.

        Raises:
            DamagedError: something is not what was written; ``end`` is where the good ends.
        """
        data, size = memoryview(self.data), len(self.data)
        while self.end < size:
            at = self.end
            content_at = at + HEAD.size + HASH_BYTES
            if content_at > size:
                raise self._damaged("a block's head is not whole")
            kind, length, count, first, wall, monotonic = HEAD.unpack_from(data, at)
            end = content_at + length
            if kind not in {BLOCK, SEAL} or length > BLOCK_BYTES_MAX or end > size:
                raise self._damaged("a block is not whole")
            written = data[at + HEAD.size : content_at]
            head = chained(self.head, data[at : at + HEAD.size], data[content_at:end])
            if head != written:
                text = f"records {self.sequence + 1} to {self.sequence + count}"
                raise self._damaged(f"{text} are not what was written")
            if first != self.sequence + 1:
                raise self._damaged(f"record {self.sequence + 1} is missing")
            content = bytes(data[content_at:end])
            if kind == SEAL:
                self._sealed(content, end, head)
                return
            self.head, self.end = head, end
            self.sequence += count
            self.count += count
            yield Block(first, count, wall, monotonic, content, head, at)

    def _sealed(self, content: bytes, end: int, head: bytes) -> None:
        seal = msgpack.unpackb(content)
        counted = {"first": self.first, "last": self.sequence, "records": self.count}
        if any(seal[name] != value for name, value in counted.items()):
            raise self._damaged("the seal does not fit the records")
        if end != len(self.data):
            raise self._damaged("something stands after the seal")
        self.head, self.end, self.is_sealed = head, end, True

    def _damaged(self, why: str) -> DamagedError:
        return DamagedError(self.path, self.end, self.sequence, why)


def chained(before: bytes, head: "bytes | memoryview", content: "bytes | memoryview") -> bytes:
    """The chain's hash after a block."""
    digest = sha256(before)
    digest.update(head)
    digest.update(content)  # without the interpreter, where it is long
    return digest.digest()


def block_at(path: Path, offset: int) -> Block:
    """One block of a sealed segment that was verified before; its hash is not looked at."""
    with path.open("rb") as file:
        file.seek(offset)
        head = file.read(HEAD.size + HASH_BYTES)
        _, length, count, first, wall, monotonic = HEAD.unpack_from(head)
        content = file.read(length)
    return Block(first, count, wall, monotonic, content, head[HEAD.size :], offset)


def segments_of(directory: Path) -> list[Path]:
    """A chain's files, oldest first."""
    return sorted(directory.glob(f"*{SUFFIX}"))


def name_of(first: int) -> str:
    """The name of the segment that begins with a record."""
    return f"{first:020d}{SUFFIX}"
