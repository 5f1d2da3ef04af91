"""What stands on ``md:{shard}`` and under ``book:{shard}:...``: the public, packed form.

``md`` entry: ``[version, after, last, [block, ...]]``. A block is a msgpack array of market-event
rows (``messages.codec``), as the core wrote it; ``last`` is the number of the last event included
and ``after`` the ``last`` of the entry before, so that a reader sees when entries are missing.
``book`` of a symbol: a packed ``Depth.to_plain()``. Three more keys, which no symbol can be:
``_index`` (all symbols), ``_position`` (md entry id and event number that every book includes) and
``_exchange`` (whether trading is paused everywhere).
This module must not know who reads or writes.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgpack
from attrs import frozen

from kalshi_fix.messages import codec
from kalshi_fix.messages.market_events import MarketEvent
from kalshi_fix.services.depth import Depth

VERSION: Final = 1
INDEX_KEY: Final = "_index"
POSITION_KEY: Final = "_position"
EXCHANGE_KEY: Final = "_exchange"


class FeedVersionError(ValueError):
    """An entry was written by a version this one cannot read."""


@frozen(slots=True)
class FeedEntry:
    """One entry of ``md``."""

    after: int
    last: int
    blocks: tuple[bytes, ...]

    def pack(self) -> bytes:
        """The entry's payload."""
        packed: bytes = msgpack.packb([VERSION, self.after, self.last, self.blocks])
        return packed

    @classmethod
    def unpack(cls, payload: bytes) -> "FeedEntry":
        """Reads a payload; the blocks stay packed.

        Raises:
            FeedVersionError: written by another version.
        """
        version, after, last, blocks = msgpack.unpackb(payload, use_list=False)
        if version != VERSION:
            raise FeedVersionError(f"market data of version {version}, this is {VERSION}")
        return cls(after, last, blocks)

    def events(self) -> Iterable[MarketEvent]:
        """The changes, in order."""
        for block in self.blocks:
            found: list[Any] = codec.unpack_rows(block)
            yield from found


@frozen(slots=True)
class BooksPosition:
    """What every book of the shard includes: ``md`` up to this entry, events up to this number."""

    entry_id: str = "0-0"
    number: int = 0


def pack_book(depth: Depth) -> bytes:
    """A book snapshot."""
    packed: bytes = msgpack.packb(depth.to_plain())
    return packed


def unpack_book(payload: bytes) -> Depth:
    """The depth of a book snapshot. Raises DepthVersionError."""
    return Depth.from_plain(msgpack.unpackb(payload, use_list=False))


def pack_index(symbols: Iterable[str]) -> bytes:
    """The list of all markets of a shard."""
    packed: bytes = msgpack.packb(sorted(symbols))
    return packed


def unpack_index(payload: bytes | None) -> list[str]:
    """All markets of a shard; none where there is no index yet."""
    symbols: list[str] = msgpack.unpackb(payload) if payload is not None else []
    return symbols


def pack_position(position: BooksPosition) -> bytes:
    """The place every book includes."""
    packed: bytes = msgpack.packb([position.entry_id, position.number])
    return packed


def unpack_position(payload: bytes | None) -> BooksPosition:
    """The place every book includes; the beginning where there is none yet."""
    return BooksPosition(*msgpack.unpackb(payload)) if payload is not None else BooksPosition()


def pack_exchange(*, paused: bool) -> bytes:
    """Whether trading is paused everywhere."""
    packed: bytes = msgpack.packb(paused)
    return packed


def unpack_exchange(payload: bytes | None) -> bool:
    """Whether trading is paused everywhere; not, where nobody ever said so."""
    return payload is not None and msgpack.unpackb(payload) is True
