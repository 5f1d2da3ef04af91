"""Keeps the depths of all markets true to the public feed: numbered changes, and books for holes.

The rule: a market with a hole stands still, keeps the changes that follow, and goes on when a book
that reaches them arrives; nothing is skipped and nothing is applied twice. This module must not
know who listens or how entries and books are fetched.
"""

from typing import Protocol

from attrs import define, field

from kalshi_fix.messages.market_events import DepthPublished, MarketEvent
from kalshi_fix.services.depth import Depth, Follow, LevelMove
from kalshi_fix.services.market_data_format import FeedEntry, unpack_book


class DepthListener(Protocol):
    """Told of every change, right before and right after."""

    def changing(self, depth: Depth, *, whole: bool) -> None:
        """``depth`` is about to change; ``whole``: not by one step but replaced."""
        ...

    def changed(self, depth: Depth, event: MarketEvent | None, move: LevelMove | None) -> None:
        """``depth`` has changed, by an event (None: replaced by a book)."""
        ...


@define(slots=True)
class DepthFollower:
    """Depths by symbol. ``pending_max``: changes kept per market that waits for its book."""

    listener: DepthListener
    pending_max: int
    depths: dict[str, Depth] = field(factory=dict, init=False)
    _pending: dict[str, list[MarketEvent]] = field(factory=dict, init=False)  # markets with a hole
    _wanted: dict[str, set[str]] = field(factory=dict, init=False)  # shard -> symbols
    _last: dict[str, int] = field(factory=dict, init=False)  # shard -> last event number seen
    _missed: dict[str, int] = field(factory=dict, init=False)  # shard -> last event number missed

    def start(self, shard: str, number: int) -> None:
        """Every book of the shard, as taken from now on, includes the events up to ``number``."""
        self._last[shard] = max(number, self._last.get(shard, 0))
        if number >= self._missed.get(shard, 0):
            self._missed.pop(shard, None)

    def take(self, shard: str, payload: bytes) -> int:
        """Takes an entry of ``md``; returns how many changes it held. Raises FeedVersionError."""
        entry = FeedEntry.unpack(payload)
        last = self._last.get(shard, 0)
        if entry.after > last:
            self._missed[shard] = entry.after
        self._last[shard] = max(last, entry.last)
        count = 0
        for event in entry.events():
            count += 1
            self._take_event(shard, event)
        return count

    def _take_event(self, shard: str, event: MarketEvent) -> None:
        symbol = event.symbol
        depth = self.depths.get(symbol)
        if depth is None:
            depth = self.depths[symbol] = Depth(symbol)
        pending = self._pending.get(symbol)
        follow = depth.follow(event)
        if isinstance(event, DepthPublished) and follow is Follow.NEXT:
            self._apply(depth, event)
            self._go_on(shard, depth)
        elif pending is not None:
            pending.append(event)
            del pending[: -self.pending_max]
        elif follow is Follow.NEXT:
            self._apply(depth, event)
        elif follow is Follow.HOLE:
            self._pending[symbol] = [event]
            self._wanted.setdefault(shard, set()).add(symbol)

    def _apply(self, depth: Depth, event: MarketEvent) -> None:
        self.listener.changing(depth, whole=isinstance(event, DepthPublished))
        move = depth.apply(event)
        self.listener.changed(depth, event, move)

    def take_book(self, shard: str, payload: bytes) -> None:
        """Takes a book; an older one than is known changes nothing. Raises DepthVersionError."""
        book = unpack_book(payload)
        known = self.depths.get(book.symbol) or Depth(book.symbol)
        if book.change > known.change:
            self.listener.changing(known, whole=True)
            self.depths[book.symbol] = book
            self.listener.changed(book, None, None)
        self._go_on(shard, self.depths.setdefault(book.symbol, known))

    def _go_on(self, shard: str, depth: Depth) -> None:
        """Applies what waited, as far as it follows; what still has a hole goes on waiting."""
        waiting = self._pending.pop(depth.symbol, [])
        self._wanted.setdefault(shard, set()).discard(depth.symbol)
        for event in waiting:
            self._take_event(shard, event)

    def wanted(self, shard: str) -> list[str]:
        """Markets of the shard whose book is needed to go on."""
        return sorted(self._wanted.get(shard, ()))

    def needs_reload(self, shard: str) -> bool:
        """Whether entries of ``md`` were missed: every book of the shard must be read again."""
        return shard in self._missed
