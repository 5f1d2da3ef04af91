"""Follows growing files line by line, over rotation and truncation, as `tail -F` does.

A file that is replaced is read on to its end, then its successor from the beginning; a line is
given out once its end is there. Ends only when whoever reads stops asking.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

POLL_SECONDS: Final = 0.1
_CHUNK_BYTES: Final = 65_536


class _Tail:
    """One path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""

    def lines(self) -> Iterator[str]:
        """What has come since the last time, in whole lines."""
        while True:
            if self._file is None and not self._open():
                return
            data = self._read()
            if not data:
                if not self._is_replaced():
                    return
                self.close()
                continue
            *whole, self._rest = (self._rest + data).split(b"\n")
            for line in whole:
                yield line.decode(errors="backslashreplace")

    def _open(self) -> bool:
        try:
            self._file = self._path.open("rb")
        except FileNotFoundError:
            return False  # between two files of a rotation
        return True

    def _read(self) -> bytes:
        assert self._file is not None
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            self._file.seek(0)  # cut short: begun anew in place
            self._rest = b""
        return self._file.read(_CHUNK_BYTES)

    def _is_replaced(self) -> bool:
        assert self._file is not None
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        here = os.fstat(self._file.fileno())
        return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)

    def close(self) -> None:
        """Lets go of the file; what is read next is read from the beginning."""
        if self._file is not None:
            self._file.close()
        self._file, self._rest = None, b""


def follow_files(paths: list[Path], wait: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """Lines of all files as they come, for ever."""
    tails = [_Tail(path) for path in paths]
    try:
        while True:
            found = False
            for tail in tails:
                for line in tail.lines():
                    found = True
                    yield line
            if not found:
                wait(POLL_SECONDS)
    finally:
        for tail in tails:
            tail.close()
