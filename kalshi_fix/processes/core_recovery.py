"""Start is recover: the newest snapshot that fits the stream, and the entries after it.

A snapshot fits when the event it ends with stands in the stream with the same hash: after a lossy
fail-over a snapshot may be ahead of the stream or of another history. What an operator quarantined
is skipped here as it was when it happened.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from kalshi_fix.adapters.bus import Bus, Entry
from kalshi_fix.adapters.logs import Log
from kalshi_fix.messages.batch import EventEntry
from kalshi_fix.processes import core_snapshots as snapshots
from kalshi_fix.processes.core_poison import Failures
from kalshi_fix.processes.core_replica import Machine, Place, Replica, quarantines

READ_ENTRIES: Final = 200


class RecoveryError(Exception):
    """The data cannot be used as they are; the message is one line, nothing was changed."""


def recover(
    bus: Bus,
    found: snapshots.Snapshots,
    failures: Failures,
    *,
    new: Callable[[], Machine],
    restore: Callable[[object], Machine],
    log: Log,
    archived: Callable[[], Iterable[Entry]] = tuple,
) -> Replica:
    """A replica at the newest usable snapshot, or at the beginning of the stream.

    Where the beginning has been trimmed away it is taken from ``archived``, the commands of the
    archive.

    Raises:
        RecoveryError: neither can be used.
        NewerSnapshotError: a newer version wrote the snapshot.
        BusDownError: the store.
    """
    quarantined = quarantined_places(bus, failures)
    for path in found.newest_first():
        try:
            snapshot = snapshots.read(path)
        except snapshots.SnapshotDamagedError as error:
            log.exception("snapshot_damaged", error=str(error))
            continue
        fault = snapshot_fault(bus, snapshot)
        if fault:
            log.error("snapshot_does_not_fit", snapshot=str(path), fault=fault)
            continue
        machine = _restored(path, snapshot, restore)
        replica = Replica(machine, quarantined)
        replica.entry_id = snapshot.entry_id
        replica.last_event = snapshot.last_event
        replica.state_hash = snapshot.state_hash
        replica.trading_day = snapshot.trading_day
        log.info("snapshot_loaded", snapshot=str(path), last_event=snapshot.last_event)
        return replica
    if _is_trimmed(bus, archived):
        return _from_archive(bus, archived, Replica(new(), quarantined), log)
    return Replica(new(), quarantined)


def _is_trimmed(bus: Bus, archived: Callable[[], Iterable[Entry]]) -> bool:
    """Whether the streams no longer hold their beginning.

    Events may all be there, kept for a slow reader, when commands are not.
    """
    events = bus.read_events(0, 1, 0)
    if events and EventEntry.unpack(events[0].payload).first != 1:
        return True
    commands = bus.read_commands("0-0", 1, 0)
    for number, entry in enumerate(archived()):
        if commands and entry.id == commands[0].id:
            return number > 0
    return False


def _from_archive(
    bus: Bus, archived: Callable[[], Iterable[Entry]], replica: Replica, log: Log
) -> Replica:
    """Carries out everything archived; that it goes with the stream is seen before leading."""
    log.warning("no_usable_snapshot", replaying="the archive")
    for entry in archived():
        replica.quarantined |= quarantines([entry])
    for entry in archived():
        replica.apply(entry)
    rest = bus.read_events(replica.last_event, 1, 0)
    if rest and EventEntry.unpack(rest[0].payload).first > replica.last_event + 1:
        raise RecoveryError(
            f"shard {bus.shard}: no usable snapshot, and the stream no longer starts at event 1 "
            f"nor where the archive ends ({replica.last_event}); restore a snapshot or the archive"
        )
    return replica


def _restored(
    path: Path, snapshot: snapshots.Snapshot, restore: Callable[[object], Machine]
) -> Machine:
    try:
        machine = restore(snapshot.machine)
    except ValueError as error:
        raise snapshots.NewerSnapshotError(f"snapshot {path}: {error}") from error
    machine.check()
    return machine


def snapshot_fault(bus: Bus, snapshot: snapshots.Snapshot | snapshots.SnapshotHead) -> str:
    """Why a snapshot does not belong to the stream, "" if it does."""
    if snapshot.last_event == 0:
        return ""
    found = bus.read_events(snapshot.last_event - 1, 1, 0)
    if not found or found[0].id != f"{snapshot.last_event}-0":
        return "its last event is not in the stream"
    if EventEntry.unpack(found[0].payload).state_hash != snapshot.state_hash:
        return "its last event is another one in the stream"
    return ""


def snapshot_of(replica: Replica) -> snapshots.Snapshot:
    """What a replica would be restored from.

    Raises:
        AssertionError: an invariant of the exchange is broken; nothing may be built on this state.
    """
    replica.machine.check()
    return snapshots.Snapshot(
        replica.entry_id,
        replica.last_event,
        replica.state_hash,
        replica.trading_day,
        replica.machine.snapshot(),
    )


def quarantined_places(bus: Bus, failures: Failures) -> set[Place]:
    """Which of the places the core failed at an operator has recorded to be skipped."""
    places = failures.places()
    if not places:
        return set()
    first = bus.read_commands("0-0", 1, 0)
    start = parse_id(first[0].id) if first else (0, 0)
    # what was trimmed lies below a snapshot: it was skipped then, or carried out
    found = {place for place in places if parse_id(place[0]) < start}
    after = min((entry_id for entry_id, _ in places), key=parse_id)
    while entries := bus.read_commands(after, READ_ENTRIES, 0):
        readable = [entry for entry in entries if (entry.id, -1) not in places]
        found |= quarantines(readable)
        after = entries[-1].id
    return found & places


def parse_id(entry_id: str) -> tuple[int, int]:
    """A stream id as numbers, for comparing."""
    major, _, minor = entry_id.partition("-")
    return int(major), int(minor)
