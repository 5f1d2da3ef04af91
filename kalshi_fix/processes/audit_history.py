"""A shard's history as the audit trail's readers need it: entries that name an order.

Archive first, by its indexes where there are any, then what the store has and the archive has not.
Reads; never writes but indexes.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgpack
from attrs import field, frozen

from kalshi_fix.adapters.archive import StreamArchive, entry_at, placed_entries
from kalshi_fix.adapters.audit.key_index import index_of, places_of, write_index
from kalshi_fix.adapters.bus import Bus, Entry
from kalshi_fix.messages import codec
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.messages.batch import CommandBatch, EventEntry
from kalshi_fix.processes.core_archive import COMMANDS, EVENTS, number_of

_READ: Final = 200
_TERMS: Final = 6  # place of the terms in an Execution's row, after its kind
_EXECUTION: Final = 101
Names = frozenset[str]


@frozen
class Ordered:
    """One command of the history, with the entry it came in."""

    shard: str
    entry_id: str
    writer: str
    command: c.Command

    @property
    def durable_ms(self) -> int:
        """When the store had it, ms UTC by the store's clock."""
        return int(self.entry_id.partition("-")[0])


@frozen
class Happened:
    """One event of the history; ``others`` are those of the same entry that share its trade."""

    shard: str
    event: e.Event
    others: tuple[e.Execution, ...] = ()


@frozen
class History:
    """One shard's."""

    shard: str
    directory: Path  # of the archive
    bus: Callable[[], Bus] | None = None  # None: the store is not asked
    read_before: dict[str, list[Entry]] = field(factory=dict, init=False, repr=False)

    def commands(self, names: Iterable[str]) -> Iterator[Ordered]:
        """Commands that name one of these ClOrdIDs or OrderIDs."""
        wanted = frozenset(names)
        for entry in self._entries(COMMANDS, wanted):
            batch = CommandBatch.unpack(entry.payload)
            for command in batch.commands:
                if wanted.intersection(_names_in_command(command)):
                    yield Ordered(self.shard, entry.id, batch.writer, command)

    def events(self, names: Iterable[str]) -> Iterator[Happened]:
        """Events about one of these ClOrdIDs or OrderIDs."""
        wanted = frozenset(names)
        for entry in self._entries(EVENTS, wanted):
            events = EventEntry.unpack(entry.payload).events()
            for event in events:
                if wanted.intersection(_names_in_event(event)):
                    yield Happened(self.shard, event, tuple(_other_side(event, events)))

    def _entries(self, stream: str, wanted: Names) -> Iterator[Entry]:
        rest = rest_of(self, stream)  # first: what is archived meanwhile must not be missed
        seen: set[str] = set()
        for entry in self._archived(stream, wanted):
            seen.add(entry.id)
            yield entry
        for entry in rest:
            if entry.id not in seen and _may_hold(entry.payload, wanted):
                yield entry

    def _archived(self, stream: str, wanted: Names) -> Iterator[Entry]:
        values = [name.encode() for name in wanted]
        for path in StreamArchive(self.directory, stream, 0).segments():
            places = places_of(path, values)
            if places is not None:
                yield from (entry_at(path, place) for place in places)
                continue
            for _, entry in placed_entries(path):
                if _may_hold(entry.payload, wanted):
                    yield entry


def rest_of(history: History, stream: str) -> list[Entry]:
    """What the store has and the archive has not yet; read once."""
    if history.bus is None:
        return []
    if stream not in history.read_before:
        last = last_id(StreamArchive(history.directory, stream, 0))
        bus = history.bus()
        try:
            history.read_before[stream] = list(_rest(bus, stream, last))
        finally:
            bus.close()
    return history.read_before[stream]


def _rest(bus: Bus, stream: str, last: str) -> Iterator[Entry]:
    while True:
        if stream == COMMANDS:
            found = bus.read_commands(last or "0-0", _READ, 0)
        else:
            found = bus.read_events(number_of(last), _READ, 0)
        if not found:
            return
        yield from found
        last = found[-1].id


def last_id(archive: StreamArchive) -> str:
    """The last entry archived, "" where there is none."""
    last = ""
    for path in archive.segments()[-1:]:
        for _, entry in placed_entries(path):
            last = entry.id
    return last


def _may_hold(payload: bytes, wanted: Names) -> bool:
    """Whether it is worth unpacking: names stand in it as text, numbers as they are packed."""
    return any(
        name.encode() in payload or (name.isdigit() and _packed(name) in payload) for name in wanted
    )


def _packed(digits: str) -> bytes:
    number = int(digits)
    packed: bytes = msgpack.packb(number) if number < 1 << 64 else b"\xff"
    return packed


def _names_in_command(command: c.Command) -> Iterator[str]:
    for attribute in ("cl_ord_id", "orig_cl_ord_id"):
        yield getattr(command, attribute, "")
    order_id = getattr(command, "order_id", 0)
    if order_id:
        yield str(order_id)


def _names_in_event(event: e.Event) -> Iterator[str]:
    for attribute in ("cl_ord_id", "orig_cl_ord_id"):
        yield getattr(event, attribute, "")
    terms = getattr(event, "terms", None)
    order_id = terms.order_id if terms is not None else getattr(event, "order_id", 0)
    if order_id:
        yield str(order_id)


def _other_side(event: e.Event, events: Iterable[e.Event]) -> Iterator[e.Execution]:
    if not isinstance(event, e.Execution) or not event.trade_id:
        return
    what, own = (event.trade_id, event.exec_type), event.number
    executions = (other for other in events if isinstance(other, e.Execution))
    yield from (
        other
        for other in executions
        if (other.trade_id, other.exec_type) == what and other.number != own
    )


# --- indexes of the archive ----------------------------------------------------------------------


def unindexed(directory: Path) -> list[Path]:
    """Segments of an archive that are complete and have no index."""
    return [
        path
        for stream in (COMMANDS, EVENTS)
        for path in StreamArchive(directory, stream, 0).segments()[:-1]
        if not index_of(path).exists()
    ]


def build_index(path: Path) -> int:
    """Indexes a sealed segment of an archive; returns the number of entries."""
    names = _names_in_commands if path.name.startswith(COMMANDS) else _names_in_events
    found = ((place, names(entry.payload)) for place, entry in placed_entries(path))
    return write_index(path, found)


def _names_in_commands(payload: bytes) -> set[bytes]:
    commands = CommandBatch.unpack(payload).commands
    return {name.encode() for one in commands for name in _names_in_command(one) if name}


def _names_in_events(payload: bytes) -> set[bytes]:
    """The same of events, but without making objects of what is by far the most of them."""
    found: set[bytes] = set()
    rest: list[Any] = []
    entry = EventEntry.unpack(payload)
    for _, block in entry.firms:
        for row in msgpack.unpackb(block, use_list=False, strict_map_key=False):
            if row[0] == _EXECUTION:
                found.add(str(row[_TERMS][0]).encode())
                found.update(name.encode() for name in row[_TERMS + 1 : _TERMS + 3] if name)
            else:
                rest.append(row)
    for row in rest:
        event: Any = codec.from_row(row)
        found.update(name.encode() for name in _names_in_event(event) if name)
    return found
