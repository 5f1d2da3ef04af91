"""The venue without processes: translation, services and exchange joined by function calls.

One `World` is one fresh exchange with the demo identities, a simulated clock and a queue of
received messages per session. It stands where edge, gateway, store and core stand in production,
and does only what they do with a message on its way.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from scenarios.scenario_format import Fields
from scenarios.scenario_matching import utc_text

from kalshi_fix.adapters.config import DEMO_CONFIG, load
from kalshi_fix.adapters.settings import SessionSettings
from kalshi_fix.core.exchange import Exchange
from kalshi_fix.fix import replays, wire
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.replays import ReplayRange
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.model import NANOS, Reason, Role
from kalshi_fix.processes import seeds
from kalshi_fix.services.drop_copy import DropCopy
from kalshi_fix.services.order_entry import OrderEntry
from kalshi_fix.services.policy import Policy
from kalshi_fix.services.post_trade import PostTrade
from kalshi_fix.services.service import Service, SessionView
from kalshi_fix.services.throttle import Throttle, ThrottleLimits

START: Final = 1_795_186_800 * NANOS  # 2026-11-20 15:00 UTC, 10:00 in New York
TRADING_DAY: Final = 20261120
DAY_ENDS_AT: Final = START + 14 * 3_600 * NANOS  # midnight in New York
GATEWAY: Final = "gateway:test"
SETTINGS: Final = load(DEMO_CONFIG)


class World:
    """A venue in one thread. ``inbox`` holds what each session received and nobody expected yet."""

    def __init__(self) -> None:
        self.now = START
        self.exchange = Exchange(0)
        self.inbox: dict[str, deque[FixMessage]] = {}
        self.views: dict[str, SessionView] = {}
        self._sequence: dict[str, int] = {}
        self._connections: dict[str, str] = {}
        self._counter = 0
        policy = Policy(Throttle({s.name: ThrottleLimits() for s in SETTINGS.sessions}))
        self._events: list[e.Event] = []
        self._copies = DropCopy(self.views, policy)
        orders = OrderEntry(self.views, policy, "test")
        self._services: dict[Role, Service] = {
            Role.NR: orders,
            Role.RT: orders,
            Role.DC: self._copies,
            Role.PT: PostTrade(self.views, policy),
        }
        for session in SETTINGS.sessions:
            if Role(session.role) in self._services:
                self.views[session.name] = _view(session)
                self.inbox[session.name] = deque()
        self._seed()

    # --- what the outside does

    def advance(self, seconds: float) -> None:
        """Time passes."""
        self.now += round(seconds * NANOS)
        self.apply(c.AdvanceTime(self.now))

    def logon(self, session: str, flags: Fields) -> None:
        """A Logon the edge accepted; ``flags`` as on the wire."""
        values = dict(flags)
        self._counter += 1
        self._connections[session] = f"connection-{self._counter}"
        asked = {"": -1, "N": 0, "Y": 1}[values.get(8013, "")]
        self.apply(
            c.SessionOpened(
                process=GATEWAY,
                boot=1,
                counter=self._counter,
                at=self.now,
                session=session,
                connection=self._connections[session],
                reset=values.get(141) == "Y",
                cancel_on_disconnect=asked,
                listener=values.get(20126) == "Y",
                venue_tags=values.get(20900) == "Y",
                settlement_reports=values.get(20127) == "Y",
                signed_at=0,
            )
        )

    def leave(self, session: str, cause: str) -> None:
        """The session's connection is gone."""
        self._counter += 1
        connection = self._connections[session]
        self.apply(c.SessionLost(GATEWAY, 1, self._counter, self.now, session, connection, cause))

    def send(self, session: str, fields: Iterable[tuple[int, str]]) -> None:
        """A client's message, through the bytes of the wire."""
        (_, msg_type), *body = fields
        view = self.views[session]
        self._sequence[session] = self._sequence.get(session, 0) + 1
        frame = wire.frame(
            FixMessage(msg_type, body),
            view.sender_comp_id,
            view.target_comp_id,
            self._sequence[session],
            utc_text(self.now),
        )
        message = wire.decode(frame.decode("latin-1"))
        reaction = self._services[Role(view.role)].on_message(view, message, self.now)
        self.inbox[session].extend(reaction.replies)
        for command in reaction.commands:
            self.apply(command)
        if reaction.replay is not None:
            self.inbox[session].extend(self._replay(view, message, reaction.replay))

    def apply(self, command: c.Command) -> list[e.Event]:
        """Runs a command through the exchange and its events to whom they concern."""
        events = self._run(command)
        self.exchange.check()
        return events

    # --- what gateways and bootstrap do

    def _seed(self) -> None:
        """What starting the demo configuration puts on the bus."""
        day = c.StartTradingDay("day", "", "", self.now, TRADING_DAY, DAY_ENDS_AT)
        for command in (day, *seeds.pending(SETTINGS, "s0", {}, self.now).commands):
            self._run(command)

    def _run(self, command: c.Command) -> list[e.Event]:
        events = [*self.exchange.apply(c.AdvanceTime(self.now)), *self.exchange.apply(command)]
        self._events += events
        for event in events:
            self._follow(event)
            for service in dict.fromkeys(self._services.values()):
                for session, message in service.on_event(event):
                    self._deliver(self.views[session], message)
        return events

    def _replay(
        self, view: SessionView, request: FixMessage, asked: ReplayRange
    ) -> list[FixMessage]:
        """What a gateway's replayer says, from all events there ever were."""
        until = asked.end or self._events[-1].number
        if max(asked.begin, until) > self._events[-1].number:
            unknown = "BEGIN" if asked.begin > self._events[-1].number else "END"
            return [replays.rejected(request, Reason(f"UNKNOWN_{unknown}_EXEC_ID"))]
        events = [event for event in self._events if asked.begin <= event.number <= until]
        if not (self._copies.copy(events[0], view, 0) and asked.begin_at_ms):
            return [replays.rejected(request, Reason.UNKNOWN_BEGIN_EXEC_ID)]
        found = [self._copies.copy(event, view, 0) for event in events]
        again = [FixMessage(m.msg_type, [(97, "Y"), *m.fields]) for m in found if m is not None]
        return [*again, replays.complete(request, len(again))]

    def _deliver(self, view: SessionView, message: FixMessage) -> None:
        """To whom is there; a session that keeps its numbers has it kept for the next Logon."""
        if view.is_open or Role(view.role).keeps_sequence:
            self.inbox[view.name].append(message)

    def _follow(self, event: e.Event) -> None:
        if isinstance(event, e.SessionDefined) and event.name in self.views:
            view = self.views[event.name]
            view.firm, view.accounts, view.enabled = event.owner, event.accounts, event.enabled
        elif isinstance(event, e.SessionChanged):
            assert event.reason == "", event
            view = self.views[event.session]
            view.epoch, view.is_open = event.epoch, event.is_open
            view.listener, view.venue_tags = event.listener, event.venue_tags
            view.settlement_reports = event.settlement_reports


def _view(session: SessionSettings) -> SessionView:
    """What a gateway knows of a session before the first event about it."""
    return SessionView(
        session.name, session.sender_comp_id, session.target_comp_id, session.role, "", ()
    )
