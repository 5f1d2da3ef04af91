"""What the market-data publisher holds: events in; numbered changes and book snapshots out.

The rule: changes go out before the books that include them, and a place in ``evt`` is given up
only when both are out; so whatever dies, a restart repeats and never loses. A market with a hole
stays out of the books until the core has published its depth. This module must not know the store.
"""

from attrs import define, field

from kalshi_fix.messages.batch import SHARED, EventEntry
from kalshi_fix.messages.events import ExchangeChanged
from kalshi_fix.messages.market_events import DepthPublished, MarketEvent
from kalshi_fix.services.depth import Depth, Follow
from kalshi_fix.services.market_data_format import (
    EXCHANGE_KEY,
    INDEX_KEY,
    POSITION_KEY,
    BooksPosition,
    FeedEntry,
    pack_book,
    pack_exchange,
    pack_index,
    pack_position,
    unpack_book,
)

ALL_MARKETS = ""


@define(slots=True)
class Publication:
    """One shard's market data.

    ``number`` is the last event taken, ``entry_id`` the newest ``md`` entry; ``lost`` the markets
    whose depth must be asked of the core (``ALL_MARKETS`` among them: events are missing
    altogether). ``changed_at`` is the exchange time of the oldest change no book has yet, 0 = none.
    """

    number: int = 0
    entry_id: str = "0-0"
    depths: dict[str, Depth] = field(factory=dict)
    lost: set[str] = field(factory=set)
    events_total: int = field(default=0, init=False)
    changed_at: int = field(default=0, init=False)
    _published: int = field(init=False)  # last event of the newest md entry
    _safe_number: int = field(init=False)  # everything up to it is in md and in the books
    _blocks: list[bytes] = field(factory=list, init=False)
    _changed: set[str] = field(factory=set, init=False)
    _index_changed: bool = field(default=True, init=False)
    _exchange: bytes | None = field(default=None, init=False)  # not yet written

    def __attrs_post_init__(self) -> None:
        self._published = self._safe_number = self.number

    @classmethod
    def load(cls, position: BooksPosition, books: dict[str, bytes]) -> "Publication":
        """Continues from the books as they stand. Raises DepthVersionError."""
        depths = {symbol: unpack_book(book) for symbol, book in books.items()}
        return cls(position.number, position.entry_id, depths)

    def take(self, payload: bytes) -> None:
        """Takes one entry of ``evt``. Raises VersionError."""
        entry = EventEntry.unpack(payload)
        if entry.last <= self.number:
            return
        if entry.first > self.number + 1:
            self.lost.add(ALL_MARKETS)
        self.number = entry.last
        if any(firm == SHARED for firm, _ in entry.firms):
            for shared in entry.events(frozenset()):
                if isinstance(shared, ExchangeChanged):
                    self._exchange = pack_exchange(paused=shared.paused)
        if not entry.market_data:
            return
        self._blocks.append(entry.market_data)
        for event in entry.market_events():
            self._take_event(event)

    def _take_event(self, event: MarketEvent) -> None:
        self.events_total += 1
        depth = self.depths.get(event.symbol)
        if depth is None:
            depth = self.depths[event.symbol] = Depth(event.symbol)
            self._index_changed = True
        follow = depth.follow(event)
        if follow is Follow.HOLE:
            self.lost.add(event.symbol)
        elif follow is Follow.NEXT:
            depth.apply(event)
            self._changed.add(event.symbol)
            self.changed_at = self.changed_at or event.at
            if isinstance(event, DepthPublished):
                self.lost -= {event.symbol, ALL_MARKETS}

    @property
    def safe_number(self) -> int:
        """Events up to this one are no longer needed: they are in ``md`` and in the books."""
        if not (self._blocks or self.books_due or self.lost):
            self._safe_number = self.number
        return self._safe_number

    def changes(self) -> bytes | None:
        """The next ``md`` entry, None where nothing changed. Stays until ``changes_written``."""
        if not self._blocks:
            return None
        return FeedEntry(self._published, self.number, tuple(self._blocks)).pack()

    def changes_written(self, entry_id: str) -> None:
        """The entry of ``changes`` is in ``md`` under this id."""
        self._blocks.clear()
        self._published = self.number
        self.entry_id = entry_id

    @property
    def books_due(self) -> bool:
        """Whether a book, or the exchange's state, differs from what is in the store."""
        return bool(self._changed) or self._exchange is not None

    def books(self) -> dict[str, bytes]:
        """Snapshots of what changed, by key. Stays until ``books_written``."""
        assert not self._blocks, "changes go out before the books that include them"
        found = {
            symbol: pack_book(self.depths[symbol])
            for symbol in self._changed
            if symbol not in self.lost
        }
        if self._index_changed:
            found[INDEX_KEY] = pack_index(self.depths)
        if self._exchange is not None:
            found[EXCHANGE_KEY] = self._exchange
        if not self.lost:
            found[POSITION_KEY] = pack_position(BooksPosition(self.entry_id, self.number))
        return found

    def books_written(self) -> None:
        """The snapshots of ``books`` are in the store."""
        self._changed.clear()
        self._index_changed = False
        self._exchange = None
        self.changed_at = 0
