"""The lane's heartbeat: polls the core, says that this gateway lives, records positions.

One thread; it also looks for connections that do not read and Logons that do not come. Nothing on
the way of an order waits for it.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from kalshi_fix.adapters.acceptor import Acceptor
from kalshi_fix.adapters.bus import BusError, FencedError
from kalshi_fix.adapters.logs import Log
from kalshi_fix.messages.commands import GatewayAlive
from kalshi_fix.processes.gateway_acks import AckTimes
from kalshi_fix.processes.gateway_calendar import SessionCalendars
from kalshi_fix.processes.gateway_commands import ConfirmedBook, Process
from kalshi_fix.processes.gateway_gathering import SavedGathering
from kalshi_fix.processes.gateway_link import Link
from kalshi_fix.processes.gateway_markets import Routes
from kalshi_fix.processes.gateway_marks import LaneNotes
from kalshi_fix.processes.gateway_metrics import GatewayMetrics
from kalshi_fix.processes.gateway_reader import EventReader
from kalshi_fix.processes.gateway_roster import RosterWatch
from kalshi_fix.processes.gateway_threads import start_thread
from kalshi_fix.processes.gateway_watch import CoreWatch

POLL_SECONDS: Final = 0.2
ALIVE_SECONDS: Final = 1.0
STALE_SECONDS: Final = 10.0  # without a turn of the pulse the process is not healthy


class Pulse:
    """See the module."""

    def __init__(
        self,
        *,
        links: Mapping[str, Link],
        process: Process,
        engine: Acceptor,
        readers: Sequence[EventReader],
        watches: Sequence[CoreWatch],
        routes: Routes,
        books: Sequence[ConfirmedBook],
        acks: AckTimes,
        calendars: SessionCalendars,
        roster: RosterWatch,
        gathering: SavedGathering | None,
        notes: LaneNotes | None,
        metrics: GatewayMetrics,
        log: Log,
    ) -> None:
        self._links = links
        self._process = process
        self._engine = engine
        self._readers = readers
        self._watches = watches
        self._routes = routes
        self._books = books
        self._acks = acks
        self._calendars = calendars
        self._roster = roster
        self._gathering = gathering
        self._notes = notes
        self._metrics = metrics
        self._log = log
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._stalled = False
        self.turned_at = time.monotonic()
        self.recorded = [0] * len(watches)  # positions, by shard

    def start(self) -> None:
        """Starts the thread."""
        self._thread = start_thread("pulse", self._run, self._log)

    def stop(self, seconds: float) -> None:
        """Ends the thread and records the last positions."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(seconds)
        with suppress(FencedError):  # the lane has moved: there is nothing to add
            self.record_positions()
        if self._notes is not None:
            self._notes.hold.release()

    def poll(self) -> None:
        """One look at every shard's core."""
        for watch in self._watches:
            watch.poll()
        stalled = any(watch.is_stalled(time.monotonic()) for watch in self._watches)
        if stalled != self._stalled:
            self._stalled = stalled
            self._metrics.core_stalled.set(int(stalled))
            (self._log.error if stalled else self._log.info)("core_stalled", stalled=stalled)

    def position(self, shard: int) -> int:
        """The event number below which every report was handed to the engine."""
        found = self._readers[shard].done  # before the queues: they hold nothing older
        for link in self._links.values():
            bound = link.outbox.places.bound(shard)
            if bound is not None:
                found = min(found, bound)
        return max(found, self.recorded[shard])

    def record_positions(self) -> None:
        """Writes them to the bus; a store that is away gets them later.

        Raises:
            FencedError: another machine serves the lane now.
        """
        positions = [self.position(shard) for shard in range(len(self._watches))]
        if self._gathering is not None:
            self._gathering.save(self.recorded)
        lane = self._notes.record(positions) if self._notes is not None else None
        for shard, watch in enumerate(self._watches):
            number = positions[shard]
            record = None if shard else lane
            try:
                watch.bus.set_position(self._process.name, number, time.time_ns(), record)
            except FencedError:
                self._log.critical("lane_lost", shard=watch.bus.shard)
                raise
            except BusError as error:
                self._log.info("position_not_recorded", shard=watch.bus.shard, error=str(error))
                continue
            self.recorded[shard] = number
            self._metrics.position(watch.bus.shard).set(number)

    # --- the thread

    def _run(self) -> None:
        due = 0.0
        while not self._stop.wait(POLL_SECONDS):
            self.poll()
            self._calendars.turn(time.time_ns())
            for session in self._roster.look():
                self._calendars.change(session)
            now = time.monotonic()
            for link in self._links.values():
                link.outbox.check_stall(now)
                link.outbox.expire(now)
                self._look_after_wires(link)
            if now >= due:
                due = now + ALIVE_SECONDS - POLL_SECONDS / 2
                self._every_second()
            self._metrics.turn()
            self.turned_at = time.monotonic()

    def _look_after_wires(self, link: Link) -> None:
        wires = link.outbox.wires
        if link.outbox.is_here and not wires.is_known:
            wire = self._engine.wire(link.name)
            if wire is not None:
                wires.attach(wire)
        if wires.needs_tidying and not self._engine.is_connected(link.name):
            wires.tidy()

    def _every_second(self) -> None:
        given_up = self._acks.give_up(time.monotonic())
        if given_up:
            self._metrics.give_up(given_up)
            self._log.error("orders_unanswered", orders=given_up)
        for link in self._links.values():
            if link.outbox.is_here:
                link.progress.skip_to(self._engine.expected_incoming(link.name))
                for book in self._books:
                    book.mark(link.name)
        self._process.submit(
            lambda counter: GatewayAlive(
                self._process.name, self._process.boot, counter, time.time_ns()
            )
        )
        self.record_positions()
        try:
            self._routes.read(watch.bus for watch in self._watches)
        except BusError as error:
            self._log.info("markets_not_read", error=str(error))
