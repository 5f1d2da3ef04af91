"""What a lane has gathered of several shards' answers, kept over its restarts in a small file.

A position says that a shard's answer need not be read again; the other shards' may come later. So
before positions are recorded, the answers that still wait are written down, and a lane that starts
anew takes them back. Also lets one reader at a time into what gathers. Knows no FIX message.
"""

import threading
from collections.abc import Sequence
from pathlib import Path

import msgpack

from kalshi_fix.adapters.logs import Log
from kalshi_fix.messages.codec import from_row, pack_row
from kalshi_fix.messages.events import Event
from kalshi_fix.processes.gateway_router import Rendered
from kalshi_fix.services.order_entry import OrderEntry


class SavedGathering:
    """See the module. Any thread may call it."""

    def __init__(self, orders: OrderEntry, path: Path) -> None:
        self._orders = orders
        self._path = path
        self._lock = threading.Lock()
        self._saved: list[tuple[int, bytes]] = []

    def on_event(self, event: Event, shard: int) -> Rendered:
        """As the service; one thread at a time."""
        with self._lock:
            return self._orders.on_event(event, shard)

    def save(self, recorded: Sequence[int]) -> None:
        """Writes down what waits; between working positions out and recording them.

        Args:
            recorded: The positions recorded last, by shard.
        """
        with self._lock:
            self._orders.gather.release(recorded)
            held = self._orders.gather.held()
        rows = [(shard, pack_row(event)) for shard, event in held]
        if rows != self._saved:
            fresh = self._path.with_suffix(".new")
            fresh.write_bytes(msgpack.packb(rows))
            fresh.replace(self._path)
            self._saved = rows

    def restore(self, positions: Sequence[int], log: Log) -> None:
        """Takes back what was written down; positions are those that were recorded."""
        try:
            rows = msgpack.unpackb(self._path.read_bytes(), use_list=False)
            held = [(shard, _event(row)) for shard, row in rows]
        except FileNotFoundError:
            return
        except (ValueError, TypeError, KeyError, IndexError) as error:
            # torn when the machine went down: whoever asked and has no answer asks again
            log.warning("gathered_answers_lost", error=str(error))
            return
        with self._lock:
            self._orders.gather.restore(held, positions)


def _event(row: bytes) -> Event:
    event = from_row(msgpack.unpackb(row, use_list=False, strict_map_key=False))
    assert hasattr(event, "number"), "only events are gathered"
    return event  # type: ignore[return-value]  # which the line above has made sure of
