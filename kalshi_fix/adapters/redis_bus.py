"""The bus on Redis or Valkey.

One connection per `RedisBus`, for one thread. Nothing is ever sent twice: an error says whether
the request may have been carried out, and the caller decides. After an error the next call
connects anew, which repeats nothing.
"""

import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from kalshi_fix.adapters import redis_scripts as scripts
from kalshi_fix.adapters.bus import (
    BusDownError,
    BusError,
    Entry,
    FencedError,
    LaneHolder,
    LaneRecord,
    Offset,
    OutcomeUnknownError,
    Position,
    ShardState,
    StaleOffsetError,
)
from kalshi_fix.adapters.redis_connection import Argument, Connection, ServerError

# Error replies after which certainly nothing was written; the connection is dropped, because a
# server that loads, was demoted or lost its scripts needs to be found or prepared again.
_REFUSED: Final = frozenset(
    {
        *("LOADING", "READONLY", "MASTERDOWN", "NOREPLICAS", "MISCONF", "OOM", "BUSY"),
        *("MOVED", "ASK", "CLUSTERDOWN", "TRYAGAIN", "UNBLOCKED", "NOSCRIPT"),
        *("NOAUTH", "WRONGPASS", "NOPERM"),
    }
)


class RedisBus:
    """`Bus` on one shard of a server; see there for the promises."""

    def __init__(
        self,
        connect: Callable[[str], Connection],
        shard: str,
        *,
        replicas: int = 0,
        replicas_wait_ms: int = 1_000,
    ) -> None:
        """``connect`` makes a connection to the server that holds a shard now.

        ``replicas`` > 0: a write is acknowledged only when that many replicas hold it, and what is
        read of ``cmd`` and ``evt`` is on as many: a failover takes nothing back that was acted on.
        """
        self.shard = shard
        self._connect = connect
        self._replicas = replicas
        self._wait = ("WAIT", replicas, replicas_wait_ms)
        self._connection: Connection | None = None
        self._closed = False
        self._in_call = False
        self._lock = threading.Lock()  # only for close() from another thread
        tag = f"{{{shard}}}"
        self._cmd, self._evt, self._md = f"cmd:{tag}", f"evt:{tag}", f"md:{tag}"
        self._state, self._lead, self._positions = f"st:{tag}", f"lead:{tag}", f"pos:{tag}"
        self._seed, self._book, self._lane = f"seed:{tag}", f"book:{tag}:", f"lane:{tag}"
        self._seen = f"seen:{tag}"

    # --- commands

    def append_commands(self, payload: bytes, lane: LaneHolder | None = None) -> str:
        """See `Bus`."""
        if lane is None:
            return _text(self._write("XADD", self._cmd, "*", "d", payload))
        keys = (2, self._cmd, self._lane)
        holder = (f"{lane.reader}/holder", lane.holder)
        try:
            found = self._replicated(["EVALSHA", _SHA[scripts.APPEND], *keys, *holder, payload])
        except ServerError as error:
            if error.code == scripts.FENCED:
                raise FencedError(str(error)) from error
            self._drop()  # an older server puts its reason behind words of its own
            raise BusDownError(str(error)) from error  # the script's only write is its end
        return _text(found)

    def seeds(self) -> dict[str, str]:
        """See `Bus`."""
        return {_text(k): _text(v) for k, v in _pairs(self._read("HGETALL", self._seed))}

    def append_seed(self, payload: bytes, before: dict[str, str], after: dict[str, str]) -> str:
        """See `Bus`."""
        rows = [part for name in after for part in (name, before[name], after[name])]
        found = self._script(scripts.SEED, [self._cmd, self._seed], payload, *rows)
        return _text(found) if found is not None else ""

    def read_commands(self, after: str, count: int, block_ms: int) -> list[Entry]:
        """See `Bus`."""
        return self._replicated_only(self._read_stream(self._cmd, after, count, block_ms))

    # --- the leading core

    def acquire(self, owner: str, lease_ms: int) -> ShardState | None:
        """See `Bus`."""
        found = self._script(scripts.ACQUIRE, [self._state, self._lead], owner, lease_ms)
        if found is None:
            return None
        token, term, entry_id, chunk = found
        return ShardState(_text(token), int(term), Offset(_text(entry_id), int(chunk)))

    def renew(self, token: str, lease_ms: int) -> None:
        """See `Bus`."""
        self._script(scripts.RENEW, [self._state, self._lead], token, lease_ms)

    def release(self, token: str) -> None:
        """See `Bus`."""
        self._script(scripts.RELEASE, [self._state, self._lead], token)

    def commit(
        self, token: str, before: Offset, after: Offset, entries: list[Entry], lease_ms: int
    ) -> None:
        """See `Bus`."""
        rows = [part for entry in entries for part in (entry.id, entry.payload)]
        self._script(
            scripts.COMMIT,
            [self._state, self._lead, self._evt],
            token,
            before.entry_id,
            before.chunk,
            after.entry_id,
            after.chunk,
            lease_ms,
            *rows,
        )

    def state(self) -> ShardState:
        """See `Bus`."""
        token, term, entry_id, chunk = self._read(
            "HMGET", self._state, "tok", "term", "off", "chunk"
        )
        offset = Offset(_text(entry_id or b"0-0"), int(chunk or 0))
        return ShardState(_text(token or b""), int(term or 0), offset)

    # --- events

    def read_events(self, after: int, count: int, block_ms: int) -> list[Entry]:
        """See `Bus`."""
        return self._replicated_only(self._read_stream(self._evt, f"{after}-0", count, block_ms))

    def last_event(self) -> Entry | None:
        """See `Bus`."""
        found = self._read("XREVRANGE", self._evt, "+", "-", "COUNT", 1)
        return _entries(found)[0] if found else None

    def set_position(
        self, reader: str, number: int, at: int, lane: LaneRecord | None = None
    ) -> None:
        """See `Bus`."""
        place = f"{number} {at}"
        if lane is None:
            self._write("HSET", self._positions, reader, place)
        else:
            keys = [self._positions, self._lane]
            self._script(scripts.KEEP_LANE, keys, reader, place, lane.holder, lane.note)

    def lane(self, reader: str) -> LaneRecord:
        """See `Bus`."""
        holder, note = self._read("HMGET", self._lane, f"{reader}/holder", f"{reader}/note")
        return LaneRecord(_text(holder or b""), note or b"")

    def take_lane(self, reader: str, before: str, after: str) -> bool:
        """See `Bus`."""
        return bool(self._script(scripts.TAKE_LANE, [self._lane], reader, before, after))

    def hold_lane(self, lane: LaneHolder) -> None:
        """See `Bus`."""
        self._write("HSET", self._lane, f"{lane.reader}/holder", lane.holder)

    def positions(self) -> dict[str, Position]:
        """See `Bus`."""
        places = {}
        for reader, value in _pairs(self._read("HGETALL", self._positions)):
            number, at = value.split()
            places[_text(reader)] = Position(int(number), int(at))
        return places

    def trim(self, commands_below: str, events_below: int) -> None:
        """See `Bus`."""
        self._write("XTRIM", self._cmd, "MINID", commands_below)
        self._write("XTRIM", self._evt, "MINID", f"{events_below}-0")

    # --- market data

    def put_books(self, books: dict[str, bytes]) -> None:
        """See `Bus`."""
        if books:
            rows = [part for name in books for part in (self._book + name, books[name])]
            self._write("MSET", *rows)

    def get_books(self, symbols: list[str]) -> dict[str, bytes]:
        """See `Bus`."""
        if not symbols:
            return {}
        found = self._read("MGET", *(self._book + symbol for symbol in symbols))
        return {name: book for name, book in zip(symbols, found, strict=True) if book is not None}

    def append_market_data(self, payload: bytes, max_entries: int) -> str:
        """See `Bus`."""
        return _text(self._write("XADD", self._md, "MAXLEN", "~", max_entries, "*", "d", payload))

    def read_market_data(self, after: str, count: int, block_ms: int) -> list[Entry]:
        """See `Bus`."""
        return self._read_stream(self._md, after, count, block_ms)

    def close(self) -> None:
        """See `Bus`."""
        with self._lock:
            self._closed = True
            if self._in_call and self._connection is not None:
                self._connection.wake()  # its thread closes it
            else:
                self._drop()

    # --- one call

    def _read_stream(self, key: str, after: str, count: int, block_ms: int) -> list[Entry]:
        block = ("BLOCK", block_ms) if block_ms else ()
        found = self._read("XREAD", "COUNT", count, *block, "STREAMS", key, after)
        return _entries(found[0][1]) if found else []

    def _replicated_only(self, found: list[Entry]) -> list[Entry]:
        """What was read, once it is on the replicas.

        WAIT counts from the connection's own last write; so something is written behind what was
        read, and whatever holds that holds everything before it.
        """
        if found and self._replicas:
            try:
                self._write("SET", self._seen, found[-1].id)
            except OutcomeUnknownError as error:
                raise BusDownError(f"what was read is perhaps not replicated: {error}") from error
        return found

    def _read(self, *arguments: Argument) -> Any:
        try:
            return self._call([arguments], writes=False)[0]
        except ServerError as error:
            raise BusDownError(str(error)) from error

    def _write(self, *arguments: Argument) -> Any:
        try:
            return self._replicated(arguments)
        except ServerError as error:
            raise BusDownError(str(error)) from error

    def _script(self, script: str, keys: list[str], *arguments: Argument) -> Any:
        try:
            return self._replicated(["EVALSHA", _SHA[script], len(keys), *keys, *arguments])
        except ServerError as error:
            if error.code == scripts.FENCED:
                raise FencedError(str(error)) from error
            if error.code == scripts.STALE_OFFSET:
                raise StaleOffsetError(str(error)) from error
            # it may have failed half-way, and a script is not rolled back
            raise OutcomeUnknownError(str(error)) from error

    def _replicated(self, request: Sequence[Argument]) -> Any:
        """A write; acknowledged on the configured number of replicas when it returns."""
        if not self._replicas:
            return self._call([request], writes=True)[0]
        answer, reached = self._call([request, self._wait], writes=True)
        if reached < self._replicas:
            raise OutcomeUnknownError(f"on {reached} of {self._replicas} replicas in time")
        return answer

    def _call(self, requests: Sequence[Sequence[Argument]], *, writes: bool) -> list[Any]:
        with self._lock:
            self._in_call = True
        try:
            return self._connected().call_many(requests, writes=writes)
        except ServerError as error:
            if error.carried_out:  # the write was; its WAIT failed, as when a primary is demoted
                self._drop()
                raise OutcomeUnknownError(f"store: {error}") from error
            if error.code not in _REFUSED:
                raise
            self._drop()
            raise BusDownError(f"store: {error}") from error
        except BusError:
            self._drop()
            raise
        finally:
            with self._lock:
                self._in_call = False
                if self._closed:
                    self._drop()

    def _connected(self) -> Connection:
        connection = self._connection
        if connection is not None:
            return connection
        if not self._closed:
            connection = self._connect(self.shard)
            try:
                connection.call_many([("SCRIPT", "LOAD", script) for script in scripts.ALL])
            except BusError as error:
                connection.close()
                raise BusDownError(str(error)) from error
            with self._lock:
                self._connection = connection
                if not self._closed:
                    return connection
        raise BusDownError("this connection was closed")

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


_SHA: Final = {
    script: hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
    for script in scripts.ALL
}


def _text(value: bytes) -> str:
    return value.decode()


def _pairs(flat: list[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def _entries(rows: list[Any]) -> list[Entry]:
    return [Entry(row[0].decode(), row[1][1]) for row in rows]
