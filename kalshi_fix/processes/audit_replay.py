"""Rebuilds an exchange from its commands and compares every hash with what was said at the time.

The archive and what the store has beyond it are read from the first command on. Nothing is written.
"""

from collections.abc import Iterable, Iterator

from attrs import define, field

from kalshi_fix.adapters.archive import StreamArchive
from kalshi_fix.adapters.bus import Entry
from kalshi_fix.core.exchange import Exchange
from kalshi_fix.messages.batch import EventEntry
from kalshi_fix.processes.audit_history import History, last_id, rest_of
from kalshi_fix.processes.core_archive import COMMANDS, EVENTS, number_of
from kalshi_fix.processes.core_recovery import parse_id
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
    until = _last_event(history)  # before any command is read: those of later events may be missing
    exchange = Exchange(index)
    replica = Replica(exchange, quarantines(_entries(history, COMMANDS)))
    recorded = _hashes(_entries(history, EVENTS), until)
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
    """All of a stream; what was archived since the store was read stands in both."""
    rest = rest_of(history, stream)
    last = (0, 0)
    for entry in StreamArchive(history.directory, stream, 0).read():
        last = parse_id(entry.id)
        yield entry
    yield from (entry for entry in rest if parse_id(entry.id) > last)


def _last_event(history: History) -> int:
    rest = rest_of(history, EVENTS)
    archive = StreamArchive(history.directory, EVENTS, 0)
    return number_of(rest[-1].id if rest else last_id(archive))


def _hashes(entries: Iterable[Entry], until: int) -> Iterator[EventEntry]:
    for entry in entries:
        if number_of(entry.id) > until:
            return
        yield EventEntry.unpack(entry.payload)
