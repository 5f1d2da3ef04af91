"""Keeps a shard's view in a file beside the store, with proof of where in the stream it belongs.

A saved view is used only if the stream still holds the entry it was saved at, with the same state
hash: another store, or a damaged file, means reading the history instead.
"""

from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgpack

from kalshi_fix.adapters.bus import Bus
from kalshi_fix.adapters.logs import Log
from kalshi_fix.messages.batch import EventEntry
from kalshi_fix.services.admin_saved import UnreadableViewError, pack, unpack
from kalshi_fix.services.admin_view import ShardView

DIGEST_BYTES: Final = 16


class SavedView:
    """The file of one shard's view."""

    def __init__(self, path: Path, log: Log) -> None:
        self._path = path
        self._log = log
        self._saved_at = 0  # event number

    def load(self, bus: Bus) -> tuple[ShardView, bytes]:
        """The saved view and its state hash if they belong to the stream, else an empty one.

        Raises:
            BusError: the store does not answer.
        """
        if not self._path.exists():
            return ShardView(), b""
        try:
            view, state_hash = self._read()
        except UnreadableViewError as error:
            self._log.warning("admin_view_unreadable", cause=str(error))
            return ShardView(), b""
        entries = bus.read_events(view.number - 1, 1, 0)
        entry = EventEntry.unpack(entries[0].payload) if entries else None
        if entry is None or (entry.last, entry.state_hash) != (view.number, state_hash):
            self._log.warning("admin_view_of_another_stream", number=view.number)
            return ShardView(), b""
        self._saved_at = view.number
        return view, state_hash

    def save(self, view: ShardView, state_hash: bytes) -> bool:
        """Saves a view as it is after the entry with this state hash; False = nothing new."""
        if view.number == self._saved_at:
            return False
        body = msgpack.packb([state_hash, pack(view)])
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(blake2b(body, digest_size=DIGEST_BYTES).digest() + body)
        fresh.replace(self._path)
        self._saved_at = view.number
        return True

    def _read(self) -> tuple[ShardView, bytes]:
        raw = self._path.read_bytes()
        digest, body = raw[:DIGEST_BYTES], raw[DIGEST_BYTES:]
        if blake2b(body, digest_size=DIGEST_BYTES).digest() != digest:
            raise UnreadableViewError("the file is damaged")
        state_hash, packed = msgpack.unpackb(body)
        return unpack(packed), state_hash
