"""Reads every shard's events and publishes each firm's files, at each midnight that has passed.

A day is over in a shard when its stream says that the next has begun. Only when it has begun in
all shards is it published; then the books are kept, so that the next run begins there. Without
them a run begins with the first event there ever was, and comes to the same. What stands in the
files is the services'.
"""

from collections import defaultdict
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgpack
from attrs import define, field

from kalshi_fix.adapters import statement_files as files
from kalshi_fix.messages.batch import EventEntry
from kalshi_fix.messages.events import AccountChanged, Event, ExchangeChanged, FirmChanged
from kalshi_fix.processes.event_history import ShardHistory
from kalshi_fix.services import statements
from kalshi_fix.services.statement_books import Books, Day
from kalshi_fix.services.statements import ShardDay

VERSION: Final = 1
KEPT: Final = ".books"  # directory, beside the firms'
_KEPT_MAX: Final = 3  # midnights per shard
_HASH_BYTES: Final = 16
_Parts = dict[str, list[ShardDay]]  # by firm


@define
class Midnight:
    """A day that is over in one shard, by firm, and the date of the one that begins."""

    date: int
    over: dict[str, Day]
    began: int


@define
class ShardBooks:
    """Every firm's books in one shard."""

    shard: int
    date: int = 0  # 0 = no trading day has begun
    number: int = 0  # of the last event
    books: dict[str, Books] = field(factory=dict)

    def days(self, entries: Iterator[EventEntry]) -> Iterator[Midnight]:
        """Takes entries in; one result per midnight, right when it is reached.

        Raises:
            BooksError: the events contradict one another.
        """
        for entry in entries:
            for event in entry.events():
                if event.number <= self.number:
                    continue
                self.number = event.number
                if isinstance(event, ExchangeChanged) and event.trading_day > self.date:
                    yield self._turn(event.trading_day)
                else:
                    self._take(event)

    def _turn(self, date: int) -> Midnight:
        over = {firm: books.turn(date) for firm, books in self.books.items()}
        midnight = Midnight(self.date, over, date)
        self.date = date
        return midnight

    def _take(self, event: Event) -> None:
        if isinstance(event, FirmChanged):
            self._of(event.name)
        elif isinstance(event, AccountChanged):
            self._of(event.owner).open_account(event.name)
        else:
            firm = getattr(event, "firm", "")
            if firm:
                self._of(firm).take(event)

    def _of(self, firm: str) -> Books:
        found = self.books.get(firm)
        if found is None:
            found = self.books[firm] = Books(firm, self.date)
        return found

    # --- kept over midnight

    def save(self, directory: Path) -> None:
        """Right after a midnight."""
        content = [self.date, self.number, [books.dump() for books in self.books.values()]]
        packed: bytes = msgpack.packb(content)
        path = _path(directory, self.shard, self.date)
        fresh = path.with_suffix(".new")
        fresh.write_bytes(msgpack.packb([VERSION, _hash(packed), packed]))
        fresh.replace(path)

    @classmethod
    def load(cls, directory: Path, shard: int, date: int) -> "ShardBooks":
        """Those kept when a day began; empty ones where they are none or damaged."""
        path = _path(directory, shard, date)
        if not path.exists():
            return cls(shard)
        version, digest, packed = msgpack.unpackb(path.read_bytes())
        if version != VERSION or digest != _hash(packed):
            return cls(shard)
        began, number, rows = msgpack.unpackb(packed, use_list=False)
        books = [Books.load(row) for row in rows]
        return cls(shard, began, number, {each.firm: each for each in books})

    @staticmethod
    def kept(directory: Path, shard: int) -> list[int]:
        """Dates of the midnights kept, oldest first."""
        found = directory.glob(f"s{shard}-*.books")
        return sorted(int(path.stem.partition("-")[2]) for path in found)


def _path(directory: Path, shard: int, date: int) -> Path:
    return directory / f"s{shard}-{date}.books"


def _hash(packed: bytes) -> bytes:
    return blake2b(packed, digest_size=_HASH_BYTES).digest()


class Publisher:
    """Publishes what is not there yet. One `run`."""

    def __init__(self, out: Path, histories: list[ShardHistory], *, again: bool = False) -> None:
        """``again``: begin with the first event, whatever is kept."""
        self._out = out
        self._kept = out / KEPT
        self._kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        date = 0 if again else self._common_midnight(len(histories))
        self._books = [ShardBooks.load(self._kept, shard, date) for shard in range(len(histories))]
        if not all(books.date for books in self._books):
            self._books = [ShardBooks(shard) for shard in range(len(histories))]
        self._midnights = [
            books.days(history.everything(books.number))
            for books, history in zip(self._books, histories, strict=True)
        ]
        self._ends: dict[int, _Parts] = {}
        self.published: list[Path] = []

    @property
    def current(self) -> int:
        """The day that has begun in every shard; 0 = none has."""
        return min(books.date for books in self._books)

    def run(self) -> None:
        """Every midnight that all shards have reached.

        Raises:
            BooksError: the events contradict one another.
            BusError: the store went away meanwhile.
            HistoryError: events are missing.
            ArchiveError: the archive cannot be used.
            OSError: the disk.
        """
        heads = [next(midnights, None) for midnights in self._midnights]
        while any(heads):
            date = min(head.began for head in heads if head is not None)
            ahead = zip(heads, self._books, strict=True)
            if any(head is None and books.date < date for head, books in ahead):
                return
            found = [(shard, head) for shard, head in enumerate(heads) if head is not None]
            reached = [(shard, head) for shard, head in found if head.began == date]
            self._midnight(date, reached, {head.date for _, head in found if head.began != date})
            for shard, _ in reached:
                self._books[shard].save(self._kept)
                self._forget(shard)
                heads[shard] = next(self._midnights[shard], None)

    def _common_midnight(self, shards: int) -> int:
        """The newest of which every shard's books are kept."""
        kept = [set(ShardBooks.kept(self._kept, shard)) for shard in range(shards)]
        return max(set.intersection(*kept), default=0)

    def _forget(self, shard: int) -> None:
        for date in ShardBooks.kept(self._kept, shard)[:-_KEPT_MAX]:
            _path(self._kept, shard, date).unlink()

    def _midnight(
        self, date: int, reached: list[tuple[int, Midnight]], unfinished: set[int]
    ) -> None:
        """``unfinished`` days are over, but a shard that began later days has more of them."""
        begins: _Parts = defaultdict(list)
        for shard, midnight in reached:
            ends = self._ends.setdefault(midnight.date, defaultdict(list))
            for firm, day in midnight.over.items():
                begins[firm].append(ShardDay(shard, day))
                ends[firm].append(ShardDay(shard, day))
        for firm, parts in begins.items():
            tables = statements.start_of_day(parts)
            self._publish(
                files.directory_of(self._out, firm, date, files.START), firm, date, tables
            )
        for over in [each for each in self._ends if each not in unfinished]:
            for firm, parts in self._ends.pop(over).items():
                if over:
                    tables = statements.end_of_day(parts)
                    where = files.directory_of(self._out, firm, over, files.END)
                    self._publish(where, firm, over, tables)

    def _publish(
        self, directory: Path, firm: str, date: int, tables: list[statements.Table]
    ) -> None:
        if files.publish(directory, firm, date, tables):
            self.published.append(directory)
