"""A session's message store, in the files and the order of writes of the real engine.

Written as the engine writes (body, header, numbers; each flushed), so that what a crash leaves is
what the gateway's recovery finds in production. Knows numbers and texts, no session rule.
"""

from __future__ import annotations

from os import SEEK_END
from typing import TYPE_CHECKING, BinaryIO, cast

from attrs import define, field

from kalshi_fix.adapters.fix_store import next_numbers

if TYPE_CHECKING:
    from pathlib import Path


@define(eq=False)
class EngineStore:
    """Next numbers and sent messages of one session."""

    directory: Path
    stem: str
    outgoing: int = 1
    incoming: int = 1
    sent: dict[int, str] = field(factory=dict)
    _files: dict[str, BinaryIO] = field(factory=dict)

    @classmethod
    def load(cls, directory: Path, stem: str) -> EngineStore:
        """What the files say; files of a new session are made."""
        numbers = next_numbers(directory, stem)
        store = cls(directory, stem, numbers.outgoing, numbers.incoming)
        header, body = store._path("header"), store._path("body")
        if header.exists():
            bodies = body.read_bytes()
            for triple in header.read_text().split():
                number, offset, size = map(int, triple.split(","))
                store.sent[number] = bodies[offset : offset + size].decode("latin-1")
        else:
            store.reset()
        return store

    def keep(self, number: int, text: str) -> None:
        """Stores a message that is about to be sent."""
        data = text.encode("latin-1")
        self.sent[number] = text
        bodies = self._file("body")
        offset = bodies.seek(0, SEEK_END)
        bodies.write(data)
        header = self._file("header")
        header.seek(0, SEEK_END)
        header.write(b"%d,%d,%d " % (number, offset, len(data)))

    def count_sent(self) -> None:
        """The next outgoing number."""
        self.outgoing += 1
        self._write_numbers()

    def expect(self, number: int) -> None:
        """Sets the number expected next."""
        self.incoming = number
        self._write_numbers()

    def reset(self) -> None:
        """Both numbers 1, nothing sent."""
        self.outgoing = self.incoming = 1
        self.sent.clear()
        self._file("body").truncate(0)
        self._file("header").truncate(0)
        self._write_numbers()

    def _write_numbers(self) -> None:
        numbers = self._file("seqnums")
        numbers.seek(0)
        numbers.write(b"%020d : %020d" % (self.outgoing, self.incoming))

    def close(self) -> None:
        """The process is gone: its files stay as they are."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _file(self, kind: str) -> BinaryIO:
        """Open and unbuffered: what is written is there, as after the engine's flush."""
        found = self._files.get(kind)
        if found is None:
            path = self._path(kind)
            path.touch()
            found = self._files[kind] = cast("BinaryIO", path.open("r+b", buffering=0))
        return found

    def _path(self, kind: str) -> Path:
        return self.directory / f"{self.stem}.{kind}"
