"""The venue without processes: translation, services and exchange joined by function calls.

One `World` is one fresh exchange with the demo identities, a simulated clock and a queue of
received messages per session. It stands where edge, gateway, store and core stand in production,
and does only what they do with a message on its way.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from kalshi_fix.adapters.config import DEMO_CONFIG, load
from kalshi_fix.adapters.settings import SessionSettings
from kalshi_fix.core.exchange import Exchange
from kalshi_fix.fix import wire
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.model import NANOS, Role
from kalshi_fix.services.drop_copy import DropCopy
from kalshi_fix.services.order_entry import OrderEntry
from kalshi_fix.services.policy import Policy
from kalshi_fix.services.post_trade import PostTrade
from kalshi_fix.services.service import Service, SessionView
from kalshi_fix.services.throttle import Throttle, ThrottleLimits
from scenarios.scenario_format import Fields
from scenarios.scenario_matching import utc_text

START: Final = 1_795_186_800 * NANOS  # 2026-11-20 15:00 UTC, 10:00 in New York
TRADING_DAY: Final = 20261120
DAY_ENDS_AT: Final = START + 14 * 3_600 * NANOS  # midnight in New York
GATEWAY: Final = "gateway:test"
SESSIONS: Final = ("ALPHA", "BRAVO")  # firms whose sessions scenarios use


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
        self._settings = load(DEMO_CONFIG)
        policy = Policy(Throttle({s.name: ThrottleLimits() for s in self._settings.sessions}))
        orders = OrderEntry(self.views, policy, "test")
        self._services: dict[Role, Service] = {
            Role.NR: orders,
            Role.RT: orders,
            Role.DC: DropCopy(self.views, policy),
            Role.PT: PostTrade(self.views, policy),
        }
        self._define()

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

    def apply(self, command: c.Command) -> list[e.Event]:
        """Runs a command through the exchange and its events to whom they concern."""
        events = [*self.exchange.apply(c.AdvanceTime(self.now)), *self.exchange.apply(command)]
        self.exchange.check()
        for event in events:
            self._follow(event)
            for service in dict.fromkeys(self._services.values()):
                for session, message in service.on_event(event):
                    self.inbox[session].append(message)
        return events

    # --- what gateways and bootstrap do

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

    def _define(self) -> None:
        """What starting the demo configuration puts on the bus."""
        self.apply(c.AdvanceTime(self.now))
        self.apply(c.StartTradingDay("day", "", "", self.now, TRADING_DAY, DAY_ENDS_AT))
        for firm in self._settings.firms:
            self.apply(c.DefineFirm(f"f-{firm.name}", "", "", self.now, firm.name, "US"))
        for account in self._settings.accounts:
            name = account.name
            self.apply(c.DefineAccount(f"a-{name}", "", "", self.now, name, account.firm))
            self.apply(c.Deposit(f"d-{name}", "", "", self.now, name, account.deposit))
        for session in self._settings.sessions:
            if session.firm in SESSIONS and Role(session.role) in self._services:
                self._define_session(session)
        self.apply(c.DefineSeries("s-KXTEST", "", "", self.now, "KXTEST"))

    def _define_session(self, session: SessionSettings) -> None:
        name = session.name
        self.views[name] = SessionView(
            name, session.sender_comp_id, session.target_comp_id, session.role, "", ()
        )
        self.inbox[name] = deque()
        self.apply(
            c.DefineSession(
                request_id=f"i-{name}",
                operator="",
                why="",
                at=self.now,
                session=name,
                sender_comp_id=session.sender_comp_id,
                target_comp_id=session.target_comp_id,
                role=session.role,
                firm=session.firm,
                accounts=session.accounts,
                enabled=True,
                cancel_on_disconnect=session.cancel_on_disconnect,
                max_order_age=session.max_order_age_seconds * NANOS,
            )
        )
