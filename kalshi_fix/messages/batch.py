"""Stream entries: a batch of commands on ``cmd``, a committed step of events on ``evt``.

An event entry holds one block per firm and one of market data, so a reader skips what it does not
serve without decoding it. ``SHARED`` is the block of events that concern every process.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgpack
from attrs import define

from kalshi_fix.messages import codec
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e

VERSION: Final = 1
SHARED: Final = ""  # block of definitions, sessions of all, exchange status, operators' answers

_MARKET_EVENTS: Final = (
    e.MarketChanged,
    e.LevelChanged,
    e.Traded,
    e.TradeBusted,
    e.OpenInterestChanged,
    e.DepthPublished,
)


class VersionError(ValueError):
    """An entry was written by a version this one cannot read."""


@define(slots=True)
class CommandBatch:
    """One entry of ``cmd``: who wrote it, what is confirmed per session, the commands.

    ``confirmed``: session -> (epoch, MsgSeqNum up to which all is durable on all shards or
    answered).
    """

    writer: str
    confirmed: dict[str, tuple[int, int]]
    commands: list[c.Command]

    def pack(self) -> bytes:
        """The entry's payload."""
        rows = [codec.to_row(command) for command in self.commands]
        packed: bytes = msgpack.packb([VERSION, self.writer, self.confirmed, rows])
        return packed

    @classmethod
    def unpack(cls, payload: bytes) -> "CommandBatch":
        """Reads a payload.

        Raises:
            VersionError: written by a newer version.
        """
        version, writer, confirmed, rows = msgpack.unpackb(
            payload, use_list=False, strict_map_key=False
        )
        if version != VERSION:
            raise VersionError(f"command batch of version {version}, this is {VERSION}")
        commands: list[Any] = [codec.from_row(row) for row in rows]
        return cls(writer, confirmed, commands)


@define(slots=True)
class EventEntry:
    """One entry of ``evt``: rolling state hash after it, firm blocks, market-data block.

    ``first``/``last`` are the numbers of its first and last event. Blocks are packed rows in
    event order; a reader that needs the overall order sorts by event number.
    """

    state_hash: bytes
    first: int
    last: int
    firms: list[tuple[str, bytes]]
    market_data: bytes

    @classmethod
    def from_events(cls, state_hash: bytes, events: Iterable[e.Event]) -> "EventEntry":
        """Sorts events into blocks. At least one event is needed: the entry's id is its number."""
        by_firm: dict[str, list[e.Event]] = {}
        market: list[e.Event] = []
        first = last = 0
        for event in events:
            first = first or event.number
            last = event.number
            if isinstance(event, _MARKET_EVENTS):
                market.append(event)
            else:
                by_firm.setdefault(getattr(event, "firm", SHARED), []).append(event)
        assert last, "an event entry needs an event"
        firms = [(firm, codec.pack_rows(block)) for firm, block in by_firm.items()]
        return cls(state_hash, first, last, firms, codec.pack_rows(market) if market else b"")

    def pack(self) -> bytes:
        """The entry's payload."""
        packed: bytes = msgpack.packb(
            [VERSION, self.state_hash, self.first, self.last, self.firms, self.market_data]
        )
        return packed

    @classmethod
    def unpack(cls, payload: bytes) -> "EventEntry":
        """Reads a payload; the blocks stay packed.

        Raises:
            VersionError: written by a newer version.
        """
        row = msgpack.unpackb(payload, use_list=False)
        if row[0] != VERSION:
            raise VersionError(f"event entry of version {row[0]}, this is {VERSION}")
        return cls(row[1], row[2], row[3], list(row[4]), row[5])

    def events(self, firms: frozenset[str] | None = None) -> list[e.Event]:
        """Events of the firms named (None = all) and the shared block, by event number."""
        wanted: list[Any] = []
        for firm, block in self.firms:
            if firm == SHARED or firms is None or firm in firms:
                wanted.extend(codec.unpack_rows(block))
        wanted.sort(key=lambda event: event.number)
        return wanted

    def market_events(self) -> list[e.MarketEvent]:
        """The market-data block, in order."""
        found: list[Any] = codec.unpack_rows(self.market_data) if self.market_data else []
        return found
