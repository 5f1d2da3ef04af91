"""The bus in memory: the same promises as `redis_bus`, inside one process.

A `MemoryStore` is the server, a `MemoryBus` one connection to it. For tests and simulation; the
clock of leases is given, so simulated time works. `MemoryStore.down` takes the store away, as a
crash of the server would: what was written stays.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from attrs import define, field

from kalshi_fix.adapters.bus import (
    BusDownError,
    Entry,
    FencedError,
    LaneHolder,
    LaneRecord,
    Offset,
    Position,
    ShardState,
    StaleOffsetError,
)

Id = tuple[int, int]
_FIRST: Final[Id] = (0, 0)


def _parse(text: str) -> Id:
    major, _, minor = text.partition("-")
    return int(major), int(minor or 0)


@define
class _Stream:
    """Entries in id order. Reading from an id is a search, as in the server."""

    ids: list[Id] = field(factory=list)
    entries: list[Entry] = field(factory=list)
    last: Id = _FIRST

    def add(self, payload: bytes, id_: Id | None = None) -> str:
        id_ = id_ or (self.last[0] + 1, 0)
        if id_ <= self.last:
            raise BusDownError(f"id {id_} is not above {self.last}")
        self.last = id_
        entry = Entry(f"{id_[0]}-{id_[1]}", payload)
        self.ids.append(id_)
        self.entries.append(entry)
        return entry.id

    def after(self, id_: Id, count: int) -> list[Entry]:
        low, high = 0, len(self.ids)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self.ids[middle] <= id_ else (low, middle)
        return self.entries[low : low + count]

    def drop_below(self, id_: Id) -> None:
        while self.ids and self.ids[0] < id_:
            del self.ids[0], self.entries[0]


@define
class _Shard:
    cmd: _Stream = field(factory=_Stream)
    evt: _Stream = field(factory=_Stream)
    md: _Stream = field(factory=_Stream)
    state: ShardState = field(factory=lambda: ShardState("", 0, Offset()))
    lease_token: str = ""
    lease_until_ms: int = 0
    positions: dict[str, Position] = field(factory=dict)
    lanes: dict[str, LaneRecord] = field(factory=dict)
    seeds: dict[str, str] = field(factory=dict)
    books: dict[str, bytes] = field(factory=dict)


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class MemoryStore:
    """The server: shards by name, one lock, and a condition that new entries signal."""

    def __init__(self, clock_ms: Callable[[], int] = _monotonic_ms) -> None:
        self.clock_ms = clock_ms
        self.down = False
        self.changed = threading.Condition()
        self._shards: dict[str, _Shard] = {}

    def shard(self, name: str) -> _Shard:
        """A shard's data; call with the lock held."""
        found = self._shards.get(name)
        if found is None:
            found = self._shards[name] = _Shard()
        return found

    def connect(self, shard: str) -> "MemoryBus":
        """A connection to a shard."""
        return MemoryBus(self, shard)


class MemoryBus:
    """`Bus` on a `MemoryStore`; see there for the promises."""

    def __init__(self, store: MemoryStore, shard: str) -> None:
        self.shard = shard
        self._store = store
        self._closed = False

    def _data(self) -> _Shard:
        """The shard; call with the lock held."""
        if self._closed:
            raise BusDownError("this connection was closed")
        if self._store.down:
            raise BusDownError("the store is down")
        return self._store.shard(self.shard)

    # --- commands

    def append_commands(self, payload: bytes, lane: LaneHolder | None = None) -> str:
        """See `Bus`."""
        with self._store.changed:
            data = self._data()
            if lane is not None:
                self._fence_lane(data, lane.reader, lane.holder)
            id_ = data.cmd.add(payload)
            self._store.changed.notify_all()
            return id_

    def seeds(self) -> dict[str, str]:
        """See `Bus`."""
        with self._store.changed:
            return dict(self._data().seeds)

    def append_seed(self, payload: bytes, before: dict[str, str], after: dict[str, str]) -> str:
        """See `Bus`."""
        with self._store.changed:
            data = self._data()
            if any(data.seeds.get(name, "") != before[name] for name in after):
                return ""
            data.seeds.update(after)
            self._store.changed.notify_all()
            return data.cmd.add(payload)

    def read_commands(self, after: str, count: int, block_ms: int) -> list[Entry]:
        """See `Bus`."""
        return self._read(lambda data: data.cmd, _parse(after), count, block_ms)

    # --- the leading core

    def acquire(self, owner: str, lease_ms: int) -> ShardState | None:
        """See `Bus`."""
        with self._store.changed:
            data = self._data()
            if data.lease_token and self._store.clock_ms() < data.lease_until_ms:
                return None
            term = data.state.term + 1
            data.state = ShardState(f"{term}:{owner}", term, data.state.offset)
            self._extend(data, lease_ms)
            return data.state

    def renew(self, token: str, lease_ms: int) -> None:
        """See `Bus`."""
        with self._store.changed:
            data = self._data()
            self._fence(data, token)
            self._extend(data, lease_ms)

    def release(self, token: str) -> None:
        """See `Bus`."""
        with self._store.changed:
            data = self._data()
            if data.lease_token == token:
                data.lease_token = ""

    def commit(
        self, token: str, before: Offset, after: Offset, entries: list[Entry], lease_ms: int
    ) -> None:
        """See `Bus`."""
        with self._store.changed:
            data = self._data()
            self._fence(data, token)
            if data.state.offset != before:
                raise StaleOffsetError(f"committed is {data.state.offset}")
            for entry in entries:
                data.evt.add(entry.payload, _parse(entry.id))
            data.state = ShardState(token, data.state.term, after)
            self._extend(data, lease_ms)
            self._store.changed.notify_all()

    def state(self) -> ShardState:
        """See `Bus`."""
        with self._store.changed:
            return self._data().state

    # --- events

    def read_events(self, after: int, count: int, block_ms: int) -> list[Entry]:
        """See `Bus`."""
        return self._read(lambda data: data.evt, (after, 0), count, block_ms)

    def last_event(self) -> Entry | None:
        """See `Bus`."""
        with self._store.changed:
            entries = self._data().evt.entries
            return entries[-1] if entries else None

    def set_position(
        self, reader: str, number: int, at: int, lane: LaneRecord | None = None
    ) -> None:
        """See `Bus`."""
        with self._store.changed:
            data = self._data()
            if lane is not None:
                self._fence_lane(data, reader, lane.holder)
                data.lanes[reader] = lane
            data.positions[reader] = Position(number, at)

    def lane(self, reader: str) -> LaneRecord:
        """See `Bus`."""
        with self._store.changed:
            return self._data().lanes.get(reader, LaneRecord())

    def take_lane(self, reader: str, before: str, after: str) -> bool:
        """See `Bus`."""
        with self._store.changed:
            lanes = self._data().lanes
            found = lanes.get(reader, LaneRecord())
            if found.holder == before:
                lanes[reader] = LaneRecord(after, found.note)
            return found.holder == before

    def hold_lane(self, lane: LaneHolder) -> None:
        """See `Bus`."""
        with self._store.changed:
            lanes = self._data().lanes
            lanes[lane.reader] = LaneRecord(lane.holder, lanes.get(lane.reader, LaneRecord()).note)

    def positions(self) -> dict[str, Position]:
        """See `Bus`."""
        with self._store.changed:
            return dict(self._data().positions)

    def trim(self, commands_below: str, events_below: int) -> None:
        """See `Bus`."""
        with self._store.changed:
            data = self._data()
            data.cmd.drop_below(_parse(commands_below))
            data.evt.drop_below((events_below, 0))

    # --- market data

    def put_books(self, books: dict[str, bytes]) -> None:
        """See `Bus`."""
        with self._store.changed:
            self._data().books.update(books)

    def get_books(self, symbols: list[str]) -> dict[str, bytes]:
        """See `Bus`."""
        with self._store.changed:
            books = self._data().books
            return {symbol: books[symbol] for symbol in symbols if symbol in books}

    def append_market_data(self, payload: bytes, max_entries: int) -> str:
        """See `Bus`."""
        with self._store.changed:
            stream = self._data().md
            id_ = stream.add(payload)
            if len(stream.ids) > max_entries:
                stream.drop_below(stream.ids[-max_entries])
            self._store.changed.notify_all()
            return id_

    def read_market_data(self, after: str, count: int, block_ms: int) -> list[Entry]:
        """See `Bus`."""
        if after == "$":
            with self._store.changed:
                start = self._data().md.last
        else:
            start = _parse(after)
        return self._read(lambda data: data.md, start, count, block_ms)

    def close(self) -> None:
        """See `Bus`."""
        with self._store.changed:
            self._closed = True
            self._store.changed.notify_all()

    # --- inside, with the lock held

    def _read(
        self, stream: Callable[[_Shard], _Stream], after: Id, count: int, block_ms: int
    ) -> list[Entry]:
        deadline = time.monotonic() + block_ms / 1000
        with self._store.changed:
            while True:
                found = stream(self._data()).after(after, count)
                remaining = deadline - time.monotonic()
                if found or remaining <= 0:
                    return found
                self._store.changed.wait(remaining)

    def _fence(self, data: _Shard, token: str) -> None:
        if data.state.token != token:
            raise FencedError(f"by {data.state.token}")

    def _fence_lane(self, data: _Shard, reader: str, holder: str) -> None:
        found = data.lanes.get(reader, LaneRecord()).holder
        if found != holder:
            raise FencedError(f"the lane's holder is {found}")

    def _extend(self, data: _Shard, lease_ms: int) -> None:
        data.lease_token = data.state.token
        data.lease_until_ms = self._store.clock_ms() + lease_ms
