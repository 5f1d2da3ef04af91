"""Rebuilds an exchange from its commands and compares every hash with what was said at the time.

The archive and what the store has beyond it are read from the first command on. Nothing is written.
"""

from collections.abc import Iterable, Iterator

from attrs import define, field

from kalshi_fix.adapters.archive import StreamArchive
from kalshi_fix.adapters.bus import Entry
from kalshi_fix.core.exchange import Exchange
from kalshi_fix.messages.batch import EventEntry
from kalshi_fix.processes.audit_history import History, rest_of
from kalshi_fix.processes.core_archive import COMMANDS, EVENTS
from kalshi_fix.processes.core_replica import Replica, quarantines


@define
class Replayed:
    """What a replay came to. ``fault`` "" = every hash was the one on record."""

    shard: str
    entries: int = 0
    commands: int = 0
    events: int = 0
    compared: int = 0  # hashes
    state_hash: bytes = b""
    fault: str = ""
    state: Exchange | None = field(default=None, repr=False)


def replay(history: History, index: int) -> Replayed:
    """Replays one shard; ``index`` is its place in the configuration.

    Raises:
        ArchiveError: the archive is damaged.
    """
    result = Replayed(history.shard)
    exchange = Exchange(index)
    replica = Replica(exchange, quarantines(_entries(history, COMMANDS)))
    recorded = _hashes(_entries(history, EVENTS))
    wanted = next(recorded, None)
    for entry in _entries(history, COMMANDS):
        applied = replica.apply(entry)
        result.entries += 1
        result.commands += applied.commands
        for piece in applied.pieces:
            while wanted is not None and wanted.last <= piece.last:
                if wanted.last < piece.last or wanted.state_hash != piece.state_hash:
                    result.fault = _difference(entry.id, piece.last, piece.state_hash, wanted)
                    return result
                result.compared += 1
                wanted = next(recorded, None)
    result.events, result.state_hash = replica.last_event, replica.state_hash
    if not result.compared:
        result.fault = "nothing is on record"
    if wanted is not None:
        result.fault = f"the commands end before event {wanted.last}, which is on record"
    exchange.check()
    result.state = exchange
    return result


def _difference(entry_id: str, last: int, state_hash: bytes, wanted: EventEntry) -> str:
    return (
        f"command entry {entry_id} gives event {last} with {state_hash.hex()}, on record is event "
        f"{wanted.last} with {wanted.state_hash.hex()}"
    )


def _entries(history: History, stream: str) -> Iterator[Entry]:
    yield from StreamArchive(history.directory, stream, 0).read()
    yield from rest_of(history, stream)


def _hashes(entries: Iterable[Entry]) -> Iterator[EventEntry]:
    for entry in entries:
        yield EventEntry.unpack(entry.payload)
