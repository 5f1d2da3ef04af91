"""A lane's start: what was made since the recorded positions and not sent is delivered.

The same for every start; after a move nothing counts as sent but what clients have surely read.
Until it is done nobody may log on.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from attrs import define

from kalshi_fix.adapters.archive import ArchiveError
from kalshi_fix.adapters.logs import Log
from kalshi_fix.adapters.settings import GatewaySettings
from kalshi_fix.messages.batch import EventEntry
from kalshi_fix.processes.core_archive import Archive
from kalshi_fix.processes.event_history import HistoryError, ShardHistory
from kalshi_fix.processes.gateway_findings import already_sent, replay_the_rest, take_up
from kalshi_fix.processes.gateway_gathering import SavedGathering
from kalshi_fix.processes.gateway_link import Link
from kalshi_fix.processes.gateway_markets import Routes
from kalshi_fix.processes.gateway_marks import LaneNotes
from kalshi_fix.processes.gateway_moving import told_until
from kalshi_fix.processes.gateway_pulse import Pulse
from kalshi_fix.processes.gateway_reader import EventReader
from kalshi_fix.processes.gateway_router import Router
from kalshi_fix.processes.gateway_state import LaneState
from kalshi_fix.processes.gateway_watch import CoreWatch


@define(slots=True, eq=False, kw_only=True)
class Restart:
    """See the module. ``run`` may be called again where the store was away."""

    links: Mapping[str, Link]
    state: LaneState
    shards: Sequence[str]
    reader: str  # as in ``pos``
    watches: Sequence[CoreWatch]
    routes: Routes
    routers: Sequence[Router]
    readers: Sequence[EventReader]
    pulse: Pulse
    gathering: SavedGathering | None
    store: Path
    archive: Callable[[str], Path]  # of a shard's history, where this machine has it
    limits: GatewaySettings
    is_doubtful: bool  # the session stores may have lost their ends
    notes: LaneNotes | None  # None: no other machine can serve the lane
    log: Log

    def run(self) -> None:
        """See `Lane.recover`."""
        if self.notes is not None:  # from here on nobody else appends for the lane, in any shard
            for watch in self.watches[1:]:
                watch.bus.hold_lane(self.notes.hold.holder)
        self.routes.read(watch.bus for watch in self.watches)
        replay_the_rest(self.links, self.log)
        places = [watch.bus.positions().get(self.reader) for watch in self.watches]
        self.pulse.recorded = [recorded.number if recorded else 0 for recorded in places]
        if self.gathering is not None:
            self.gathering.restore(self.pulse.recorded, self.log)
        for index, recorded in enumerate(places):
            self._deliver(index, recorded.at if recorded else 0)
        if self._is_moved:
            self.pulse.record_positions()  # before anybody gets a number that it does not tell

    @property
    def _is_moved(self) -> bool:
        return self.notes is not None and self.notes.hold.is_moved

    def _deliver(self, index: int, recorded_at: int) -> None:
        shard, router = self.shards[index], self.routers[index]
        position = self.pulse.recorded[index]
        told: dict[str, int] = {}
        if self._is_moved and self.notes is not None:
            told = told_until(self.notes.marks, self.links.values(), index, position)
        since = max(min(told.values(), default=position), self.readers[index].done)
        take_up(self.links, self.state, shard, since)
        router.recovery = already_sent(
            self.links,
            self.state,
            shard,
            self.store,
            recorded_at=recorded_at,
            limits=self.limits,
            shards=len(self.shards),
        )
        router.recovery.told = told
        router.told_again_until = position if told else 0
        router.is_doubtful = self.is_doubtful or self._is_moved
        if router.is_doubtful:
            router.recovery.forget_sent()
        if since < position:
            since = self.from_archive(index, since, told)
        done = self.readers[index].catch_up(position, since)
        router.recovery, router.is_doubtful, router.told_again_until = None, False, 0
        self.log.info("recovered", shard=shard, position=position, since=since, events_until=done)

    def from_archive(self, index: int, since: int, told: Mapping[str, int]) -> int:
        """Delivers what the store has trimmed since; returns the event where the store begins."""
        bus, shard = self.watches[index].bus, self.shards[index]
        found = bus.read_events(since, 1, 0)
        begin = EventEntry.unpack(found[0].payload).first - 1 if found else since
        if begin <= since:
            return since
        done = since
        try:
            for entry in ShardHistory(bus, Archive(self.archive(shard)).events).entries(
                since, begin
            ):
                done = self.routers[index].take_entry(entry)
        except (HistoryError, ArchiveError, OSError) as error:
            behind = [name for name, event in told.items() if event < begin]
            self.log.error(  # noqa: TRY400 - said in one line
                "reports_not_told_again",
                shard=shard,
                sessions=behind,
                until=begin,
                error=str(error),
            )
            for name in behind:  # nor can be said which of its older requests were reported
                self.links[name].asked_from = 0
        return max(done, begin)
