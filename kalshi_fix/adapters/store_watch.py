"""The store's own health, asked of the store every few seconds over a connection of its own.

One thread per shard; a store that cannot be reached is a gauge at 0, not an error. Knows the names
of a shard's keys, nothing of what is in them.
"""

import threading
import time
from typing import Any, Final

from kalshi_fix.adapters.bus import BusError
from kalshi_fix.adapters.metrics import Metrics
from kalshi_fix.adapters.redis_connection import Connection
from kalshi_fix.adapters.store import Store

SECONDS: Final = 2.0
STREAMS: Final = ("cmd", "evt", "md")
# line of INFO -> how it is called here
_GAUGES: Final = {
    "used_memory": ("store_used_memory_bytes", "Memory the store uses [< its limit]"),
    "maxmemory": ("store_memory_limit_bytes", "Its limit, 0 = the machine's [any]"),
    "connected_clients": ("store_connected_clients", "Connections to the store [any]"),
    "connected_slaves": ("store_connected_replicas", "Replicas that follow it [as configured]"),
    "aof_current_size": ("store_log_bytes", "Size of its append-only file [any]"),
}
_COUNTERS: Final = {
    "total_commands_processed": ("store_commands_total", "Commands the store carried out [any]"),
    "aof_delayed_fsync": ("store_fsync_delayed_total", "Writes that waited for the disk [0]"),
    "evicted_keys": ("store_evicted_keys_total", "Keys thrown away for lack of memory [0]"),
}


class StoreMeters:
    """The store's metrics, by shard."""

    def __init__(self, metrics: Metrics) -> None:
        shard = ["shard"]
        self.up = metrics.gauges("store_up", "1 while the store answers [1]", shard)
        self.log_ok = metrics.gauges(
            "store_log_write_ok", "1 while its last write to disk went well [1]", shard
        )
        self.seconds = metrics.size_tally(
            "store_command_seconds", "One question to the store, answered [< 0.001]", shard
        )
        self.entries = metrics.gauges(
            "store_stream_entries",
            "Entries in a stream now [any]",
            ["shard", "stream"],
        )
        self.reader_lag = metrics.gauges(
            "store_reader_lag_events",
            "Newest event minus the place a reader last recorded, once a second [< a second's]",
            ["shard", "reader"],
        )
        self.gauges = {
            key: metrics.gauges(name, text, shard) for key, (name, text) in _GAUGES.items()
        }
        self.counters = {
            key: metrics.count_tally(name, text, shard) for key, (name, text) in _COUNTERS.items()
        }


class StoreWatch:
    """Watches the store of one shard."""

    def __init__(self, store: Store, shard: str, meters: StoreMeters) -> None:
        self._store = store
        self._shard = shard
        self._meters = meters
        self._connection: Connection | None = None
        self._counted: dict[str, int] = {}

    def run(self, stop: threading.Event) -> None:
        """Looks, until told to stop."""
        while not stop.is_set():
            self.look()
            stop.wait(SECONDS)
        if self._connection is not None:
            self._connection.close()

    def look(self) -> None:
        """Once."""
        try:
            if self._connection is None:
                self._connection = self._store.connect(self._shard)
            self._ask(self._connection)
        except BusError:
            self._connection = None
            self._meters.up(self._shard).set(0)
            return
        self._meters.up(self._shard).set(1)

    def _ask(self, connection: Connection) -> None:
        began = time.perf_counter()
        connection.call("PING")
        self._meters.seconds.observe((self._shard,), time.perf_counter() - began)
        tag = f"{{{self._shard}}}"
        lengths = [("XLEN", f"{stream}:{tag}") for stream in STREAMS]
        info, places, newest, *entries = connection.call_many(
            [
                ("INFO",),
                ("HGETALL", f"pos:{tag}"),
                ("XREVRANGE", f"evt:{tag}", "+", "-", "COUNT", 1),
                *lengths,
            ]
        )
        self._take_info(info.decode(errors="replace"))
        for stream, length in zip(STREAMS, entries, strict=True):
            self._meters.entries(self._shard, stream).set(length)
        if newest:
            self._take_places(places, int(newest[0][0].partition(b"-")[0]))

    def _take_info(self, text: str) -> None:
        lines = (line.partition(":") for line in text.splitlines())
        found = {key: value for key, _, value in lines}
        self._meters.log_ok(self._shard).set(found.get("aof_last_write_status", "ok") == "ok")
        for key, gauge in self._meters.gauges.items():
            gauge(self._shard).set(int(found.get(key, "0")))
        for key, counter in self._meters.counters.items():
            total = int(found.get(key, "0"))
            before = self._counted.get(key, 0)
            self._counted[key] = total
            # a store that was started again counts from 0
            counter.add_many((self._shard,), total - before if total >= before else total)

    def _take_places(self, places: Any, newest: int) -> None:
        for reader, place in zip(places[::2], places[1::2], strict=True):
            number = int(place.decode().partition(" ")[0])
            lag = self._meters.reader_lag(self._shard, reader.decode())
            lag.set(max(0, newest - number))
