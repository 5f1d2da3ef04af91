"""A gateway's way to the market-data stream: a thread per shard that feeds the MD service.

The rule: the service and the queues of its sessions are touched under one lock, the same that
guards its ``on_message``; so what a client is sent after its snapshot follows that snapshot. Lost
entries are made good by reading books. What is sent to whom is the service's to say.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

from attrs import frozen

from kalshi_fix.adapters.bus import Bus, BusError
from kalshi_fix.adapters.logs import Log
from kalshi_fix.adapters.settings import MarketDataSettings
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.processes.gateway_threads import start_thread
from kalshi_fix.services.market_data import MarketData, MarketDataLimits
from kalshi_fix.services.market_data_format import (
    EXCHANGE_KEY,
    INDEX_KEY,
    POSITION_KEY,
    unpack_exchange,
    unpack_index,
    unpack_position,
)

_ENTRIES_PER_READ: Final = 100
_BLOCK_MS: Final = 100  # also how often a session that was held back is looked at
_RECONNECT_SECONDS: Final = 0.2
_LOADED_SECONDS: Final = 5.0

Deliver = Callable[[str, FixMessage], None]


def limits_of(settings: MarketDataSettings) -> MarketDataLimits:
    """The configured limits, as the service takes them."""
    return MarketDataLimits(
        conflate_after_messages=settings.conflate_after_messages,
        symbols_per_request_max=settings.symbols_per_request_max,
        subscriptions_per_session_max=settings.subscriptions_per_session_max,
        entries_per_message_max=settings.entries_per_message_max,
        markets_per_message_max=settings.markets_per_message_max,
        pending_changes_max=settings.pending_changes_max,
    )


@frozen
class FeedTarget:
    """Where the feed goes. ``deliver`` never waits; ``lock`` is held around it."""

    service: MarketData
    lock: AbstractContextManager[Any]
    deliver: Deliver

    def send(self, messages: Iterable[tuple[str, FixMessage]]) -> None:
        """Hands messages over, in order; call with the lock held."""
        for session, message in messages:
            self.deliver(session, message)


class MarketDataFeed:
    """One shard's feed. ``run`` is a thread's work; `step` and `load` are its parts."""

    def __init__(
        self, connect: Callable[[], Bus], target: FeedTarget, log: Log, spacing_ms: int = 1
    ) -> None:
        self._connect = connect
        self._target = target
        self._log = log
        self._spacing_seconds = spacing_ms / 1_000
        self._bus = connect()
        self.shard = self._bus.shard
        self._after = ""
        self._stop = threading.Event()
        self.loaded = threading.Event()
        self.is_connected = False

    def run(self) -> None:
        """Feeds until `stop`; a store that is away is logged once and waited for."""
        while not self._stop.is_set():
            try:
                if self.step():
                    self._stop.wait(self._spacing_seconds)
                self.is_connected = True
            except BusError as error:
                if self._stop.is_set():
                    break
                if self.is_connected:
                    self._log.error("market_data_not_readable", shard=self.shard, error=str(error))
                self.is_connected = False
                self._bus.close()
                self._bus = self._connect()
                self._stop.wait(_RECONNECT_SECONDS)
        self._bus.close()

    def stop(self) -> None:
        """Ends `run` within a moment; from any thread."""
        self._stop.set()

    def step(self) -> int:
        """One round: books if any are needed, then the entries that are there.

        Returns:
            How many entries there were.

        Raises:
            BusError: the store is away; call again later.
        """
        follower = self._target.service.follower
        if not self.loaded.is_set() or follower.needs_reload(self.shard):
            self._load()
        wanted = follower.wanted(self.shard)
        if wanted:
            self._take_books(self._bus.get_books(wanted))
        entries = self._bus.read_market_data(self._after, _ENTRIES_PER_READ, _BLOCK_MS)
        with self._target.lock:
            for entry in entries:
                self._target.send(self._target.service.on_feed(self.shard, entry.payload))
                self._after = entry.id
            self._target.send(self._target.service.on_idle())
        return len(entries)

    def _load(self) -> None:
        """Reads every book; the first time it also says where in ``md`` to start."""
        found = self._bus.get_books([INDEX_KEY, POSITION_KEY, EXCHANGE_KEY])
        position = unpack_position(found.get(POSITION_KEY))
        books = self._bus.get_books(unpack_index(found.get(INDEX_KEY)))
        with self._target.lock:
            self._target.service.follower.start(self.shard, position.number)
            if not self.loaded.is_set():
                paused = unpack_exchange(found.get(EXCHANGE_KEY))
                self._target.service.start_exchange(paused=paused)
        self._take_books(books)
        self._after = self._after or position.entry_id
        if not self.loaded.is_set():
            self._log.info("market_data_loaded", shard=self.shard, markets=len(books))
        self.loaded.set()

    def _take_books(self, books: dict[str, bytes]) -> None:
        with self._target.lock:
            for payload in books.values():
                self._target.send(self._target.service.on_book(self.shard, payload))


def start_feeds(
    connects: Mapping[str, Callable[[], Bus]], target: FeedTarget, log: Log, spacing_ms: int
) -> list[MarketDataFeed]:
    """A feed per shard, loaded before a client may ask for a market it does not know yet."""
    feeds = []
    for shard, connect in connects.items():
        feeds.append(feed := MarketDataFeed(connect, target, log, spacing_ms))
        start_thread(f"market data {shard}", feed.run, log)
    for feed in feeds:
        feed.loaded.wait(_LOADED_SECONDS)
    return feeds
