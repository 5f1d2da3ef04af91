"""A lane put together: engine, sessions, writers, readers, pulse; started and stopped in order.

Starting is recovering: positions and session stores are read, what was made meanwhile is delivered,
only then may anybody log on. Knows everything of a gateway but signals and the lock.
"""

import secrets
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from attrs import define

from kalshi_fix.adapters.acceptor import Acceptor
from kalshi_fix.adapters.audit.recorder import UNRECORDED, Recorder
from kalshi_fix.adapters.bus import Bus
from kalshi_fix.adapters.control import OpenAnswer
from kalshi_fix.adapters.engine import EngineSettings
from kalshi_fix.adapters.engine_numbers import Arrivals
from kalshi_fix.adapters.logs import Log
from kalshi_fix.adapters.metrics import Metrics
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.settings import SessionSettings, Settings
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.session_rules import Budget
from kalshi_fix.model import Role
from kalshi_fix.processes.gateway_acks import AckTimes
from kalshi_fix.processes.gateway_calendar import SessionCalendars
from kalshi_fix.processes.gateway_commands import ConfirmedBook, Process
from kalshi_fix.processes.gateway_control import ControlServer
from kalshi_fix.processes.gateway_desks import build_desks, gathering_of
from kalshi_fix.processes.gateway_gauges import LaneGauges
from kalshi_fix.processes.gateway_guard import SessionGuard
from kalshi_fix.processes.gateway_hold import LaneHold
from kalshi_fix.processes.gateway_intake import Intake
from kalshi_fix.processes.gateway_link import Link, engine_session, has_told, session_view
from kalshi_fix.processes.gateway_machine import raise_numbers
from kalshi_fix.processes.gateway_markets import Routes
from kalshi_fix.processes.gateway_metrics import GatewayMetrics
from kalshi_fix.processes.gateway_moving import CALENDAR, STATE, notes_of
from kalshi_fix.processes.gateway_opening import OpeningLimits, SessionOpener
from kalshi_fix.processes.gateway_outbox import Outbox
from kalshi_fix.processes.gateway_outgoing import OutboxLimits, Outgoing
from kalshi_fix.processes.gateway_pulse import STALE_SECONDS, Pulse
from kalshi_fix.processes.gateway_reader import EventReader, Spacing
from kalshi_fix.processes.gateway_relogon import SessionReplays
from kalshi_fix.processes.gateway_replays import replayer_of
from kalshi_fix.processes.gateway_restart import Restart
from kalshi_fix.processes.gateway_roster import RosterWatch
from kalshi_fix.processes.gateway_router import Router
from kalshi_fix.processes.gateway_shell import Shell
from kalshi_fix.processes.gateway_state import LaneState
from kalshi_fix.processes.gateway_watch import CoreWatch
from kalshi_fix.processes.gateway_writer import ShardWriter, WriterLimits
from kalshi_fix.processes.market_data_feed import FeedTarget, MarketDataFeed, start_feeds
from kalshi_fix.services.market_data import MarketData

DICTIONARY: Final = Path(__file__).parents[2] / "specs" / "FIX44-server.xml"
_SECRET_BYTES: Final = 24
_STOP_SECONDS: Final = 5.0

Connect = Callable[[str], Bus]


@define(slots=True, eq=False, kw_only=True)
class Surroundings:
    """What a lane is built in."""

    name: str
    boot: int
    settings: Settings
    data: DataDir
    connect: Connect  # a bus of a shard, for one thread
    append: Connect | None = None  # one that gives up before a session has waited too long
    metrics: Metrics
    log: Log
    dictionary: Path = DICTIONARY
    machine_went_down: bool = False  # the session stores may have lost their ends
    hold: LaneHold | None = None  # None: no other machine can serve the lane
    audit: Recorder = UNRECORDED


class Lane:
    """See the module."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._log = around.log
        self._limits = around.settings.gateway
        self._shards = around.settings.core.shards
        self._metrics = GatewayMetrics(around.metrics, around.settings, around.name)
        self._acks = AckTimes(self._limits.unacked_orders_max)
        lane = around.data.lane(around.name)
        self._state = LaneState.load(lane / STATE)
        self._sessions = [s for s in around.settings.sessions if s.lane == around.name]
        self._views = {session.name: session_view(session) for session in self._sessions}
        self._roster = RosterWatch(self._sessions, around.data, self._log)
        self._desks = build_desks(
            around.settings,
            self._sessions,
            self._views,
            self._roster.throttle,
            gateway=around.name,
            boot=around.boot,
            backlog=lambda session: self.links[session].outbox.backlog(),
            is_told=lambda session, cl_ord_id: has_told(self.links.get(session), cl_ord_id),
        )
        self._gathering = gathering_of(self._desks, lane / "gathered", len(self._shards))
        self.links: dict[str, Link] = {}
        self._arrivals = Arrivals(self._limits.arrival_seconds, self._limits.end_seconds)
        self._books = [ConfirmedBook(self.links, index) for index in range(len(self._shards))]
        self._watches = [
            CoreWatch(around.connect(shard), self._limits.stalled_core_ms) for shard in self._shards
        ]
        self._writers = [self._writer(index) for index in range(len(self._shards))]
        self._process = Process(f"gateway:{around.name}", around.boot, self._writers)
        self._routes = Routes.of_settings(around.settings)
        self._secret = secrets.token_hex(_SECRET_BYTES)
        self._replayer = replayer_of(
            self._desks.get(Role.DC),
            around.settings,
            around.data,
            connect=around.connect,
            newest=lambda index: self._readers[index].newest,
            delivered=lambda index: self._readers[index].done,
            metrics=self._metrics,
            log=self._log,
        )
        self._engine = self._build_engine()
        self.links.update({session.name: self._link(session) for session in self._sessions})
        if around.machine_went_down:
            raise_numbers(self._engine, self.links.values(), around.data.fix_store(around.name))
        self._notes = notes_of(
            around.hold, around.boot, lane, self.links, self._engine, around.settings
        )
        self._calendars = SessionCalendars(
            self.links, around.settings, lane / CALENDAR, self._process, self._engine, self._log
        )
        self._opener = self._build_opener()
        self._routers = [self._router(index) for index in range(len(self._shards))]
        parts = zip(self._shards, self._routers, self._writers, strict=True)
        self._readers = [
            EventReader(around.connect(shard), router, Spacing.of(self._limits, writer), self._log)
            for shard, router, writer in parts
        ]
        self._pulse = self._build_pulse()
        buses = [around.connect(shard) for shard in self._shards]
        self._gauges = LaneGauges(around.metrics, self.links, self._acks, self._readers, buses)
        self._feeds: list[MarketDataFeed] = []
        self._control: ControlServer | None = None
        self._is_stopped = False

    # --- life

    def recover(self) -> None:
        """Delivers what was made since the recorded positions and not sent.

        Raises:
            BusError: the store cannot be read; may be called again.
            PositionError: the store lost events this lane has read.
        """
        Restart(
            links=self.links,
            state=self._state,
            shards=self._shards,
            reader=self._process.name,
            watches=self._watches,
            routes=self._routes,
            routers=self._routers,
            readers=self._readers,
            pulse=self._pulse,
            gathering=self._gathering,
            store=self._around.data.fix_store(self._around.name),
            archive=self._around.data.archive,
            limits=self._limits,
            is_doubtful=self._around.machine_went_down,
            notes=self._notes,
            log=self._log,
        ).run()

    def start(self) -> None:
        """Opens for business; after `recover`."""
        self._pulse.poll()
        for writer in self._writers:
            writer.start()
        for reader in self._readers:
            reader.start()
        self._start_feeds()
        if self._replayer is not None:
            self._replayer.start()
        # first, so that the number it keeps is below any that the engine's connections get
        self._control = ControlServer(
            self._around.data.control_socket(self._around.name),
            self._opener.open,
            self._limits.control_connections_max,
            self._log,
        )
        port = self._engine.start()
        self._pulse.start()
        self._control.start()
        self._log.info("gateway_serving", engine_port=port, sessions=len(self.links))

    def stop(self) -> None:
        """Logs everybody out, puts away what is on its way, records positions. Once."""
        if self._is_stopped:
            return
        self._is_stopped = True
        if self._control is not None:
            self._control.stop()
        for feed in self._feeds:
            feed.stop()
        if self._replayer is not None:
            self._replayer.stop(_STOP_SECONDS)
        self._engine.stop()
        for link in self.links.values():
            link.outbox.join(_STOP_SECONDS)
        for writer in self._writers:
            writer.stop(_STOP_SECONDS)
        for reader in self._readers:
            reader.stop(_STOP_SECONDS)
        self._pulse.stop(_STOP_SECONDS)
        self._engine.close()
        self._gauges.close()
        self._log.info("gateway_stopped")

    def health(self) -> str:
        """What is wrong; empty if nothing."""
        late = time.monotonic() - self._pulse.turned_at
        return f"the pulse is {late:.0f} s late" if late > STALE_SECONDS else ""

    def readiness(self) -> str:
        """Why orders are not taken; empty if they are and reports flow."""
        if not self._engine.port:
            return "recovering"
        for index, watch in enumerate(self._watches):
            if not watch.is_store_up or not self._readers[index].is_connected:
                return f"the store of shard {self._shards[index]} cannot be reached"
        if any(watch.is_stalled(time.monotonic()) for watch in self._watches):
            return "the core does not move"
        return ""

    # --- parts

    def _writer(self, index: int) -> ShardWriter:
        around = self._around
        return ShardWriter(
            f"gateway:{around.name}",
            (around.append or around.connect)(self._shards[index]),
            WriterLimits.of(self._limits),
            confirmed=self._books[index].collect,
            lane=around.hold.holder if around.hold is not None else None,
            metrics=self._metrics,
            log=self._log,
        )

    def _build_engine(self) -> Acceptor:
        guard = SessionGuard(secret=self._secret, log=self._log)
        intake = Intake(
            desks=self._desks,
            writers=self._writers,
            watches=self._watches,
            books=self._books,
            routes=self._routes,
            acks=self._acks,
            guard=guard,
            replay=self._replayer.ask if self._replayer else None,
            metrics=self._metrics,
            log=self._log,
            audit=self._around.audit,
        )
        shell = Shell(
            links=self.links,
            intake=intake,
            guard=guard,
            secret=self._secret,
            lost=self._lost,
            arrived=self._arrived,
            arrivals=self._arrivals,
            metrics=self._metrics,
            log=self._log,
            audit=self._around.audit,
        )
        settings = EngineSettings(
            store=self._around.data.fix_store(self._around.name),
            dictionary=self._around.dictionary,
            max_latency_seconds=self._limits.max_latency_seconds,
        )
        sessions = [engine_session(session) for session in self._sessions]
        failures = self._metrics.callback_exceptions
        return Acceptor(sessions, settings, shell, lambda name: failures(name).inc(), self._log)

    def _lost(self, link: Link, cause: str) -> None:
        link.progress.skip_to(self._engine.expected_incoming(link.name))
        for book in self._books:
            book.mark(link.name)
        self._opener.lost(link, cause)

    def _link(self, session: SessionSettings) -> Link:
        engine = engine_session(session)
        keeps_history = engine.keeps_sequence and not session.reset_on_logon
        outbox = Outbox(
            session.name,
            self._engine,
            OutboxLimits.of(self._limits),
            shards=len(self._shards),
            metrics=self._metrics,
            log=self._log,
            keeps_history=keeps_history,
            audit=self._around.audit,
        )
        store = self._around.data.fix_store(self._around.name)
        replays = SessionReplays(store, engine.store_name, self._shards) if keeps_history else None
        resends = Budget(self._limits.resend_messages_max, self._limits.resend_messages_per_minute)
        faults = Budget(self._limits.admin_faults_max, self._limits.admin_faults_per_minute)
        return Link(session, self._views[session.name], engine, outbox, resends, faults, replays)

    def _build_opener(self) -> SessionOpener:
        return SessionOpener(
            self.links,
            self._process,
            self._engine,
            OpeningLimits.of(self._limits),
            shards=len(self._shards),
            let_in=self._let_in,
            closed=self._calendars.refusal,
            log=self._log,
        )

    def _router(self, index: int) -> Router:
        return Router(
            shard_index=index,
            shard=self._shards[index],
            links=self.links,
            desks=list({id(desk): desk for desk in self._desks.values()}.values()),
            firms=frozenset(session.firm for session in self._sessions),
            state=self._state,
            position=lambda: self._pulse.recorded[index],
            on_session_changed=self._opener.on_session_changed,
            log_out=self._engine.log_out,
            set_numbers=self._engine.set_numbers,
            on_answered=self._calendars.answered,
            learn_markets=self._routes.learn,
            acks=self._acks,
            metrics=self._metrics,
            log=self._log,
        )

    def _let_in(self, connection: str) -> OpenAnswer:
        """One connection at a time comes to the engine.

        A Logon inside a session comes over the connection that is there already.
        """
        address = OpenAnswer(port=self._engine.port, secret=self._secret)
        if any(link.outbox.serves(connection) for link in self.links.values()):
            return address
        self._arrivals.come(connection)
        return address

    def _arrived(self, link: Link | None, connection: str) -> None:
        """Its Logon is with the engine: now it can be told which connection is its own."""
        wire = self._engine.wire(link.name) if link is not None else None
        if link is not None and wire is not None:
            link.outbox.wires.attach(wire)
        self._arrivals.came(connection)

    def _build_pulse(self) -> Pulse:
        return Pulse(
            links=self.links,
            process=self._process,
            engine=self._engine,
            readers=self._readers,
            watches=self._watches,
            routes=self._routes,
            books=self._books,
            acks=self._acks,
            calendars=self._calendars,
            roster=self._roster,
            gathering=self._gathering,
            notes=self._notes,
            metrics=self._metrics,
            log=self._log,
        )

    def _start_feeds(self) -> None:
        desk = self._desks.get(Role.MD)
        if desk is None:
            return
        service = desk.service
        assert isinstance(service, MarketData)
        self._metrics.md_subscriptions.set_function(lambda: service.subscription_count)
        self._metrics.md_conflating.set_function(lambda: service.conflating_count)
        target = FeedTarget(service, desk.lock, self._deliver)
        spacing_ms = self._around.settings.market_data.spacing_ms
        connects = {shard: partial(self._around.connect, shard) for shard in self._shards}
        self._feeds = start_feeds(connects, target, self._log, spacing_ms)

    def _deliver(self, session: str, message: FixMessage) -> None:
        self.links[session].outbox.put(Outgoing(message))
