"""The market-data publisher: events of the core in; numbered changes and book snapshots out.

One thread and one connection per shard. The rule: a store that cannot be reached is waited for and
whatever had an unknown outcome is written again, because readers recognise a repeat by its number.
What is published is decided in ``services.market_data_publication``.
"""

import sys
import threading
import time
from collections.abc import Callable
from typing import Final

from kalshi_fix.adapters.bus import Bus, BusError
from kalshi_fix.adapters.host import HostGauges
from kalshi_fix.adapters.logs import Log, open_log
from kalshi_fix.adapters.metrics import Counter, Family, Gauge, Metrics, instance_ports
from kalshi_fix.adapters.paths import DataDir, next_boot
from kalshi_fix.adapters.settings import MarketDataSettings, Settings
from kalshi_fix.adapters.store import Store
from kalshi_fix.adapters.store_watch import StoreMeters, StoreWatch
from kalshi_fix.messages.batch import CommandBatch
from kalshi_fix.messages.commands import PublishDepth
from kalshi_fix.model import NANOS
from kalshi_fix.processes.stopping import stop_event
from kalshi_fix.services.market_data_format import (
    INDEX_KEY,
    POSITION_KEY,
    BooksPosition,
    unpack_index,
    unpack_position,
)
from kalshi_fix.services.market_data_publication import ALL_MARKETS, Publication

PROCESS: Final = "marketdata"
EXIT_CONFIGURATION: Final = 2
EXIT_FAILURE: Final = 70
_EVENTS_PER_READ: Final = 50  # entries, each at most 500 events
_BLOCK_MS: Final = 250
_POSITION_SECONDS: Final = 1.0
_RECONNECT_SECONDS: Final = 0.2
_LIVE_SECONDS: Final = 5.0
_ASK_ALL_ABOVE: Final = 50  # holes


class ShardPublisher:
    """Publishes one shard. ``step`` is one round; ``run`` repeats it until told to stop."""

    def __init__(
        self,
        connect: Callable[[], Bus],
        settings: MarketDataSettings,
        boot: int,
        meters: "Meters",
        log: Log,
    ) -> None:
        self._connect = connect
        self._settings = settings
        self._boot = boot
        self._log = log
        self._bus = connect()
        self.shard = self._bus.shard
        self._updates = meters.updates(self.shard)
        self._position = meters.position(self.shard)
        self._holes = meters.holes(self.shard)
        meters.snapshot_age(self.shard).set_function(self.snapshot_age_seconds)
        self.publication: Publication | None = None
        self._counter = 0
        self._books_at = self._position_at = self._asked_at = self._round_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Publishes until ``stop``; a store that is away is logged once and waited for."""
        is_down = False
        while not stop.is_set():
            try:
                if self.step():
                    stop.wait(self._settings.spacing_ms / 1_000)
            except BusError as error:
                if not is_down:
                    self._log.error("store_unreachable", shard=self.shard, error=str(error))
                is_down = True
                self._bus.close()
                self._bus = self._connect()
                stop.wait(_RECONNECT_SECONDS)
            else:
                if is_down:
                    self._log.info("store_reachable", shard=self.shard)
                is_down = False
        self._bus.close()

    @property
    def is_live(self) -> bool:
        """Whether a round has succeeded lately."""
        return time.monotonic() - self._round_at < _LIVE_SECONDS

    def snapshot_age_seconds(self) -> float:
        """Age of the oldest change that is in no snapshot yet, 0 where there is none."""
        publication = self.publication
        changed_at = publication.changed_at if publication is not None else 0
        return max(0.0, (time.time_ns() - changed_at) / NANOS) if changed_at else 0.0

    def step(self) -> int:
        """Reads what is there, appends the changes, writes snapshots and position when due.

        Returns:
            How many changes there were.

        Raises:
            BusError: the store is away; call again later.
        """
        publication = self.publication
        if publication is None:
            publication = self.publication = self._load()
        interval = self._settings.snapshot_interval_ms
        block_ms = min(interval, _BLOCK_MS) if publication.books_due else _BLOCK_MS
        before = publication.events_total
        for entry in self._bus.read_events(publication.number, _EVENTS_PER_READ, block_ms):
            publication.take(entry.payload)
        count = publication.events_total - before
        self._updates.inc(count)
        changes = publication.changes()
        if changes is not None:
            maximum = self._settings.stream_max_entries
            publication.changes_written(self._bus.append_market_data(changes, maximum))
        now = time.monotonic()
        if publication.books_due and now - self._books_at >= interval / 1_000:
            self._bus.put_books(publication.books())
            publication.books_written()
            self._books_at = now
        self._ask(publication, now)
        if now - self._position_at >= _POSITION_SECONDS:
            self._bus.set_position(PROCESS, publication.safe_number, time.time_ns())
            self._position_at = now
        self._position.set(publication.number)
        self._round_at = now
        return count

    def _load(self) -> Publication:
        """Continues from the books and the recorded position, whichever is later."""
        found = self._bus.get_books([INDEX_KEY, POSITION_KEY])
        books = self._bus.get_books(unpack_index(found.get(INDEX_KEY)))
        stored = unpack_position(found.get(POSITION_KEY))
        recorded = self._bus.positions().get(PROCESS)
        number = max(stored.number, recorded.number) if recorded is not None else stored.number
        self._log.info("publishing", shard=self.shard, markets=len(books), after=number)
        return Publication.load(BooksPosition(stored.entry_id, number), books)

    def _ask(self, publication: Publication, now: float) -> None:
        """Asks the core for the depth of what has a hole, and again while it does not come."""
        self._holes.set(len(publication.lost))
        if not publication.lost or now - self._asked_at < self._settings.ask_depth_seconds:
            return
        lost = sorted(publication.lost)
        if ALL_MARKETS in publication.lost or len(lost) > _ASK_ALL_ABOVE:
            lost = [ALL_MARKETS]
        at = time.time_ns()
        commands = [self._publish_depth(symbol, at) for symbol in lost]
        self._bus.append_commands(CommandBatch(PROCESS, {}, [*commands]).pack())
        self._asked_at = now
        self._log.warning("depth_asked", shard=self.shard, markets=lost)

    def _publish_depth(self, symbol: str, at: int) -> PublishDepth:
        self._counter += 1
        return PublishDepth(PROCESS, self._boot, self._counter, at, symbol)


class Meters:
    """The publisher's metrics, by shard."""

    def __init__(self, metrics: Metrics) -> None:
        label = ["shard"]
        self.updates: Family[Counter] = metrics.counters(
            "md_updates_total", "Market-data events published [rises]", label
        )
        self.position: Family[Gauge] = metrics.gauges(
            "md_position", "Number of the last event published [rises]", label
        )
        self.snapshot_age: Family[Gauge] = metrics.gauges(
            "md_snapshot_age_seconds", "Age of the oldest change in no snapshot yet [< 1]", label
        )
        self.holes: Family[Gauge] = metrics.gauges(
            "md_holes", "Markets whose depth is asked of the core [0]", label
        )


def main(settings: Settings, data: DataDir) -> int:
    """Runs the publisher until SIGTERM or SIGINT.

    Returns:
        0 after a clean stop, 2 when it cannot start as configured, 70 when a shard's thread failed.
    """
    stop = stop_event()
    log = open_log(PROCESS, settings.log, data.log_file(PROCESS))
    metrics = Metrics(PROCESS)
    meters = Meters(metrics)
    HostGauges(metrics, data.root, settings.capacity.resident_bytes_max)
    store = Store.of(settings.store, data)
    boot = next_boot(data.boot(PROCESS))
    publishers = [
        ShardPublisher(_connector(store, shard), settings.market_data, boot, meters, log)
        for shard in settings.core.shards
    ]

    def ready() -> str:
        late = [publisher.shard for publisher in publishers if not publisher.is_live]
        return f"not publishing: {', '.join(late)}" if late else ""

    ports = instance_ports(settings.metrics.marketdata)
    try:
        metrics.serve(settings.metrics.host, ports, lambda: "", ready)
    except OSError as error:
        sys.stderr.write(f"marketdata: cannot serve metrics on port {ports[0]}: {error}\n")
        return EXIT_CONFIGURATION
    try:
        _watch_store(settings, store, metrics, stop)
        return _publish(publishers, stop, log)
    finally:
        metrics.close()


def _watch_store(settings: Settings, store: Store, metrics: Metrics, stop: threading.Event) -> None:
    """This process has the time: nobody's order waits for it."""
    meters = StoreMeters(metrics)
    for shard in settings.core.shards:
        watch = StoreWatch(store, shard, meters)
        name = f"store {shard}"
        threading.Thread(target=watch.run, args=(stop,), name=name, daemon=True).start()


def _connector(store: Store, shard: str) -> Callable[[], Bus]:
    return lambda: store.bus(shard)


def _publish(publishers: list[ShardPublisher], stop: threading.Event, log: Log) -> int:
    failed = threading.Event()

    def guarded(publisher: ShardPublisher) -> None:
        try:
            publisher.run(stop)
        except Exception as error:
            log.critical("publisher_failed", shard=publisher.shard, exc_info=error)
            failed.set()
            stop.set()

    threads = [
        threading.Thread(target=guarded, args=(publisher,), name=f"shard {publisher.shard}")
        for publisher in publishers
    ]
    for thread in threads:
        thread.start()
    stop.wait()
    for thread in threads:
        thread.join()
    log.info("marketdata_stopped")
    return EXIT_FAILURE if failed.is_set() else 0
