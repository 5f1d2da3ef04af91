"""Stream entries: a batch of commands on ``cmd``, a committed step of events on ``evt``.

An event entry holds one block per firm and one of market data, so a reader skips what it does not
serve without decoding it. ``SHARED`` is the block of events that concern every process.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from attrs import define
from msgspec import msgpack

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


# the parts of an entry: the version is read before anything else is believed
_parts: Final = msgpack.Decoder(list[msgspec.Raw])
_version: Final = msgpack.Decoder(int)
_confirmed: Final = msgpack.Decoder(dict[str, tuple[int, int]])
_commands: Final = msgpack.Decoder(list[c.Command])
_entry: Final = msgpack.Decoder(tuple[int, bytes, int, int, list[tuple[str, bytes]], bytes])


def _open(payload: bytes, what: str) -> list[msgspec.Raw]:
    parts = _parts.decode(payload)
    version = _version.decode(parts[0])
    if version != VERSION:
        raise VersionError(f"{what} of version {version}, this is {VERSION}")
    return parts


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
        return msgpack.encode((VERSION, self.writer, self.confirmed, self.commands))

    @classmethod
    def unpack(cls, payload: bytes) -> "CommandBatch":
        """Reads a payload.

        Raises:
            VersionError: written by a newer version.
            UnknownKindError: a command is of a kind this version does not know.
            ValueError: damaged.
        """
        _, writer, confirmed, rows = _open(payload, "command batch")
        commands = codec.decode_rows(_commands, rows)
        return cls(msgpack.decode(writer, type=str), _confirmed.decode(confirmed), commands)


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
        return msgpack.encode(
            (VERSION, self.state_hash, self.first, self.last, self.firms, self.market_data)
        )

    @classmethod
    def unpack(cls, payload: bytes) -> "EventEntry":
        """Reads a payload; the blocks stay packed.

        Raises:
            VersionError: written by a newer version.
            ValueError: damaged.
        """
        _open(payload, "event entry")
        _, state_hash, first, last, firms, market_data = _entry.decode(payload)
        return cls(state_hash, first, last, firms, market_data)

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
