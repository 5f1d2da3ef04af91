"""Writes an audit chain: goes on where the last run ended, whatever end that was.

The rule: a block is in the file whole or not at all, and what a crash left of one is put aside
under a name of its own. One writer per chain at a time. Knows no record's meaning.
"""

import fcntl
import os
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgpack
from attrs import frozen

from kalshi_fix.adapters.audit.segments import (
    BLOCK,
    HEAD,
    HEADER,
    MAGIC,
    NO_HASH,
    SEAL,
    VERSION,
    AuditError,
    DamagedError,
    Segment,
    chained,
    name_of,
    segments_of,
)
from kalshi_fix.adapters.durable import sync_directory

_OUT_OF_REACH: Final = 512  # descriptors the session layer may look at are below
_PRIVATE: Final = 0o600
_SEALED: Final = 0o400


@frozen
class Found:
    """What a chain ended with: its last block's content, and what was torn off behind it."""

    content: bytes = b""
    torn_bytes: int = 0
    torn_file: str = ""
    torn_hash: str = ""
    why: str = ""


class ChainWriter:
    """See the module. For one thread."""

    def __init__(self, directory: Path, chain: str, segment_bytes: int) -> None:
        """A segment is sealed when it has so many bytes."""
        self._directory = directory
        self._chain = chain
        self._segment_bytes = segment_bytes
        self._lock = -1
        self._descriptor = -1
        self._path = directory
        self._first = self._count = self._size = 0
        self.sequence = 0  # number of the last record
        self.head = NO_HASH
        self.segments = 0  # begun by this writer

    def open(self) -> Found:
        """Takes the chain and finds its end.

        Raises:
            AuditError: another process writes it, or a newer version wrote it.
            OSError: the disk.
        """
        self._take_lock()
        found = Found()
        for path in reversed(segments_of(self._directory)):
            try:
                segment = Segment.open(path)
            except DamagedError as error:  # begun and never finished, or worse: kept either way
                found = self._put_aside(path, 0, found, error.why)
                path.unlink()
                continue
            return self._go_on(segment, found)
        return found

    def _take_lock(self) -> None:
        self._lock = _open(self._directory / "lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            self._lock = -1
            raise AuditError(f"{self._directory}: another process writes this chain") from None

    def _go_on(self, segment: Segment, found: Found) -> Found:
        content = b""
        try:
            for block in segment.blocks():
                content = block.content
        except DamagedError as error:
            found = self._put_aside(segment.path, segment.end, found, error.why)
            segment.path.chmod(_PRIVATE)
            os.truncate(segment.path, segment.end)
        self.sequence, self.head = segment.sequence, segment.head
        if not segment.is_sealed:
            self._path = segment.path
            self._descriptor = _open(segment.path, os.O_WRONLY | os.O_APPEND)
            self._first, self._count = segment.first, segment.count
            self._size = segment.end
        return Found(content, found.torn_bytes, found.torn_file, found.torn_hash, found.why)

    def _put_aside(self, path: Path, end: int, found: Found, why: str) -> Found:
        """Keeps what is not good under a name that no reader of the chain takes for a segment."""
        with path.open("rb") as file:
            file.seek(end)
            torn = file.read()
        if not torn:
            return found
        number = len(list(self._directory.glob(f"{path.stem}.torn-*")))
        aside = path.with_suffix(f".torn-{number}")
        descriptor = _open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            _write(descriptor, torn)
            os.fsync(descriptor)
            os.fchmod(descriptor, _SEALED)
        finally:
            os.close(descriptor)
        return Found(b"", found.torn_bytes + len(torn), aside.name, sha256(torn).hexdigest(), why)

    def append(self, content: bytes, count: int, at: int, monotonic: int) -> None:
        """Adds a block of ``count`` records; in the file when it returns, on the disk after `sync`.

        Raises:
            OSError: the disk; nothing of it is in the file.
        """
        assert count, "a block has a record"
        if self._descriptor >= 0 and self._size >= self._segment_bytes:
            self._seal(at, monotonic)
        if self._descriptor < 0:
            self._begin(at)
        self._put(BLOCK, content, count, at, monotonic)
        self.sequence += count
        self._count += count

    def sync(self) -> None:
        """What was appended survives the machine when it returns.

        Raises:
            OSError: the disk.
        """
        if self._descriptor >= 0:
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Gives the chain back; `open` goes on."""
        for descriptor in (self._descriptor, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._lock = -1

    # --- inside

    def _put(self, kind: int, content: bytes, count: int, at: int, monotonic: int) -> None:
        head = HEAD.pack(kind, len(content), count, self.sequence + 1, at, monotonic)
        after = chained(self.head, head, content)
        data = b"".join((head, after, content))
        try:
            _write(self._descriptor, data)
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self.head = after
        self._size += len(data)

    def _begin(self, at: int) -> None:
        self._first, self._count = self.sequence + 1, 0
        facts = {
            "chain": self._chain,
            "previous": self.head,
            "first": self._first,
            "at": at,
        }
        packed: bytes = msgpack.packb(facts)
        header = HEADER.pack(MAGIC, VERSION, len(packed)) + packed
        head = sha256(self.head + header).digest()
        path = self._directory / name_of(self._first)
        descriptor = _open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND)
        try:
            _write(descriptor, header + head)
            sync_directory(self._directory)
        except OSError:
            os.close(descriptor)
            path.unlink()
            raise
        self._descriptor, self._path = descriptor, path
        self.head, self._size = head, len(header) + len(head)
        self.segments += 1

    def _seal(self, at: int, monotonic: int) -> None:
        seal = {"first": self._first, "last": self.sequence, "records": self._count, "at": at}
        self._put(SEAL, msgpack.packb(seal), 0, at, monotonic)
        os.fdatasync(self._descriptor)
        os.fchmod(self._descriptor, _SEALED)
        os.close(self._descriptor)
        self._descriptor = -1


def _open(path: Path, flags: int) -> int:
    """A private file, on a descriptor the session layer will never look at."""
    low = os.open(path, flags | os.O_CLOEXEC, _PRIVATE)
    try:
        return fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_REACH)
    finally:
        os.close(low)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
