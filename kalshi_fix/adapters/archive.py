"""The archive of a stream: segment files that hold every entry there ever was, in order.

What stands here may be dropped from the store. A segment is a header, frames with a checksum each,
and, once it is full, a seal with the hash of the whole. A torn end (the machine died) is cut off;
any other damage and any newer version is refused, and nothing is changed. Knows no event.
"""

import os
import struct
from bisect import bisect_right
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Final
from zlib import crc32

from attrs import define

from kalshi_fix.adapters.bus import Entry
from kalshi_fix.adapters.durable import sync_directory

VERSION: Final = 1
_MAGIC: Final = b"KFIXARCH"
_HEAD: Final = struct.Struct("<8sH")  # magic, version
_FRAME: Final = struct.Struct("<IIH")  # bytes of id and payload, their CRC-32, bytes of the id
_SEALED: Final = 0xFFFF_FFFF  # instead of a length: the hash follows
_HASH_BYTES: Final = 32
_FRAME_BYTES_MAX: Final = 256 * 1_048_576


class ArchiveError(Exception):
    """The archive cannot be used; the message is one line, and nothing was changed."""


@define
class _Segment:
    """What reading one file found."""

    last_id: str = ""
    last_checksum: int = 0
    good: int = 0  # bytes up to the end of the last whole frame
    is_sealed: bool = False


class StreamArchive:
    """One stream's segments in a directory; one writer at a time, any number of readers."""

    def __init__(self, directory: Path, stream: str, segment_bytes: int) -> None:
        """``stream`` is part of the files' names; a file is sealed when it has so many bytes."""
        self._directory = directory
        self._stream = stream
        self._segment_bytes = segment_bytes
        self._file: BinaryIO | None = None
        self._path = directory
        self._size = 0
        self.last_id = ""  # "" = nothing is archived; known after `open`
        self._last_checksum = 0

    def open(self) -> None:
        """Finds the end, cuts off what is torn.

        Raises:
            ArchiveError: a file is damaged or of a newer version.
        """
        paths = self.segments()
        self.last_id = ""
        for path in paths[:-1]:
            _check_head(path)
        if not paths:
            return
        path = paths[-1]
        found = _scan(path)
        self._last_checksum = found.last_checksum
        if found.is_sealed:
            self.last_id = found.last_id
            return
        if found.good < path.stat().st_size:
            os.truncate(path, found.good)
        if not found.last_id:  # not one whole frame: begun and never written
            path.unlink()
            self.open()
            return
        self.last_id = found.last_id
        self._path, self._size = path, found.good
        self._file = path.open("ab")

    def check(self) -> None:
        """Looks at every header and through the last segment, changing nothing.

        Raises:
            ArchiveError: a file is damaged or of a newer version.
        """
        paths = self.segments()
        for path in paths[:-1]:
            _check_head(path)
        for path in paths[-1:]:
            _scan(path)

    def append(self, entries: list[Entry]) -> None:
        """Adds entries; durable after `sync`.

        Raises:
            OSError: the disk.
        """
        for entry in entries:
            if self._file is None:
                self._begin(entry.id)
            assert self._file is not None
            body = entry.id.encode() + entry.payload
            self._last_checksum = crc32(body)
            self._file.write(_FRAME.pack(len(body), self._last_checksum, len(entry.id)) + body)
            self._size += _FRAME.size + len(body)
            self.last_id = entry.id
            if self._size >= self._segment_bytes:
                self._seal()

    def ends_with(self, entry: Entry) -> bool:
        """Whether an entry is the last one archived, byte for byte."""
        return (entry.id, crc32(entry.id.encode() + entry.payload)) == (
            self.last_id,
            self._last_checksum,
        )

    def sync(self) -> None:
        """What was appended is on the disk when it returns."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file, whatever happens; `open` goes on.

        Raises:
            OSError: the disk; what was appended since the last `sync` may be lost.
        """
        file, self._file = self._file, None
        if file is not None:
            with file:
                file.flush()
                os.fsync(file.fileno())

    def segments(self) -> list[Path]:
        """The files, oldest first."""
        return sorted(self._directory.glob(f"{self._stream}-*.segment"))

    def read(self) -> Iterator[Entry]:
        """Every entry, every checksum and every seal checked.

        Raises:
            ArchiveError: a file is damaged or of a newer version.
        """
        for path in self.segments():
            yield from _frames(path, _Segment())

    def read_after(self, entry_id: str) -> Iterator[Entry]:
        """Every entry behind an id, from the segment on that may hold it; checked as by `read`.

        May run while another process writes: it ends where that one has got to.

        Raises:
            ArchiveError: a file is damaged or of a newer version.
        """
        after = _place(entry_id)
        paths = self.segments()
        firsts = [_place(path.stem.removeprefix(f"{self._stream}-")) for path in paths]
        for path in paths[max(0, bisect_right(firsts, after) - 1) :]:
            for entry in _frames(path, _Segment()):
                if _place(entry.id) > after:
                    yield entry

    def _begin(self, first_id: str) -> None:
        major, _, minor = first_id.partition("-")
        self._path = self._directory / f"{self._stream}-{int(major):020d}-{int(minor):010d}.segment"
        self._file = self._path.open("xb")
        self._file.write(_HEAD.pack(_MAGIC, VERSION))
        self._size = _HEAD.size
        sync_directory(self._directory)

    def _seal(self) -> None:
        assert self._file is not None
        self._file.flush()
        digest = _hash_of(self._path, self._size)
        self._file.write(_FRAME.pack(_SEALED, 0, 0) + digest)
        self.close()


def _place(entry_id: str) -> tuple[int, int]:
    """An id as it sorts."""
    major, _, minor = entry_id.partition("-")
    return int(major), int(minor)


def placed_entries(path: Path) -> Iterator[tuple[int, Entry]]:
    """A segment's entries with their places in the file, as far as it is written.

    Raises:
        ArchiveError: the file is damaged or of a newer version.
    """
    found = _Segment()
    place = _HEAD.size
    for entry in _frames(path, found):
        yield place, entry
        place = found.good


def entry_at(path: Path, place: int) -> Entry:
    """The entry at a place that `placed_entries` gave.

    Raises:
        ArchiveError: it is damaged.
    """
    with path.open("rb") as file:
        file.seek(place)
        length, checksum, id_length = _FRAME.unpack(file.read(_FRAME.size))
        body = file.read(length)
    if crc32(body) != checksum:
        raise ArchiveError(f"archive {path}: damaged at byte {place}")
    return Entry(body[:id_length].decode(), body[id_length:])


def _scan(path: Path) -> _Segment:
    """Reads a file to its end."""
    found = _Segment()
    for _ in _frames(path, found):
        pass
    return found


def _frames(path: Path, found: _Segment) -> Iterator[Entry]:
    """Whole frames; what is incomplete at the end is not there yet."""
    with path.open("rb") as file:
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size:
            return
        _check(path, head)
        found.good = _HEAD.size
        while len(frame := file.read(_FRAME.size)) == _FRAME.size:
            length, checksum, id_length = _FRAME.unpack(frame)
            if length == _SEALED:
                found.is_sealed = _is_sealed(path, found.good, file.read(_HASH_BYTES + 1))
                return
            if length > _FRAME_BYTES_MAX or id_length > length:
                raise ArchiveError(f"archive {path}: damaged at byte {found.good}")
            body = file.read(length)
            if len(body) < length:
                return
            if crc32(body) != checksum:
                raise ArchiveError(f"archive {path}: damaged at byte {found.good}")
            found.good += _FRAME.size + length
            found.last_id = body[:id_length].decode()
            found.last_checksum = checksum
            yield Entry(found.last_id, body[id_length:])


def _check_head(path: Path) -> None:
    with path.open("rb") as file:
        _check(path, file.read(_HEAD.size))


def _check(path: Path, head: bytes) -> None:
    if len(head) < _HEAD.size or not head.startswith(_MAGIC):
        raise ArchiveError(f"archive {path}: damaged at byte 0")
    _, version = _HEAD.unpack(head)
    if version != VERSION:
        raise ArchiveError(f"archive {path}: version {version}, this program reads {VERSION}")


def _is_sealed(path: Path, size: int, digest: bytes) -> bool:
    if len(digest) < _HASH_BYTES:
        return False  # torn while it was sealed
    if digest != _hash_of(path, size):
        raise ArchiveError(f"archive {path}: its seal does not fit its content")
    return True


def _hash_of(path: Path, size: int) -> bytes:
    digest = blake2b(digest_size=_HASH_BYTES)
    with path.open("rb") as file:
        while size and (data := file.read(min(size, 1_048_576))):
            digest.update(data)
            size -= len(data)
    return digest.digest()
