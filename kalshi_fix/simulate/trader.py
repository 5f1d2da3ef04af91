"""A client with a will of its own: logs on, trades, asks what it does not know, comes back.

What it sends is drawn from the seed. After trouble it finds out as the rules of engagement say: by
resend where its session keeps history, by OrderStatusRequest where it does not. Knows one session
and its own book.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import define, field

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.time_text import utc_text
from kalshi_fix.model import NANOS, NANOS_PER_MS, Role
from kalshi_fix.simulate.book import FINAL, Book, Request
from kalshi_fix.simulate.client_session import ClientSession

if TYPE_CHECKING:
    from kalshi_fix.adapters.settings import SessionSettings
    from kalshi_fix.simulate.edge import Edge
    from kalshi_fix.simulate.faults import Faults
    from kalshi_fix.simulate.machine import Machine

_TIMES_IN_FORCE: Final = ("1", "1", "1", "1", "0", "3", "4")
_RETRY_MS: Final = 1_500
_PATIENCE_NANOS: Final = 5 * NANOS  # with a question
_REACH: Final = 8  # cents round the middle


@define(eq=False)
class Trader:
    """One client."""

    machine: Machine
    settings: SessionSettings
    edge: Edge
    faults: Faults
    symbols: tuple[str, ...]
    pace_ms: int
    session: ClientSession = field(init=False)
    book: Book = field(init=False)
    received: list[FixMessage] = field(factory=list)
    is_trading: bool = True
    is_connecting: bool = False
    logons: int = 0
    was_reset: bool = False  # after the first Logon: history was given up
    _count: int = 0
    _asked_about: list[str] = field(factory=list)
    _asked_at: int = 0

    def __attrs_post_init__(self) -> None:
        settings = self.settings
        self.book = Book(settings.name)
        keeps = Role(settings.role).keeps_sequence
        self.session = ClientSession(
            self.machine,
            settings.sender_comp_id,
            settings.target_comp_id,
            keeps,
            self._told,
            self._lost,
        )
        self.session.interval = self.machine.random.choice((2, 5, 10)) * NANOS
        if not keeps:
            self.was_reset = True
        self._after_ms(500, self.connect)
        self._turn()
        self._tick()

    @property
    def name(self) -> str:
        """Its session's name."""
        return self.settings.name

    # --- being connected

    def connect(self) -> None:
        """Logs on, unless it is."""
        if self.session.connection is None and not self.is_connecting:
            self.is_connecting = True
            if self.session.must_reset and self.logons:
                self.forget_requests()
            self.edge.connect(self, self.session.logon())

    def connect_failed(self) -> None:
        """No connection came of it."""
        self.is_connecting = False
        self._retry()

    def connect_done(self) -> None:
        """The Logon went to the engine."""
        self.is_connecting = False
        self.logons += 1

    def _lost(self) -> None:
        if not self.session.keeps_numbers:
            self.forget_requests()
        self._retry()

    def _retry(self) -> None:
        self._after_ms(self.machine.random.randrange(20, _RETRY_MS), self.connect)

    def reset(self, *, replay: bool) -> None:
        """The next Logon begins anew; it gives history up unless it asks for a replay."""
        session = self.session
        is_whole = not session.is_logout_open and (not session.must_reset or session.wants_replay)
        session.drop()
        session.must_reset = True
        session.wants_replay = replay and is_whole
        if not session.wants_replay:
            self.was_reset = True

    def log_out(self) -> None:
        """A Logout; the engine answers and ends the connection."""
        self.session.log_out()

    def forget_requests(self) -> None:
        """Their answers will not come any more: to be asked about, again if they were already."""
        self.book.forget_status()
        for request in self.book.open_requests():
            request.is_over = True

    # --- turns

    def _turn(self) -> None:
        if self.is_trading and self.session.is_logged_on and self.settings.role != Role.DC:
            self.act()
        if not self.faults.are_over or self.is_trading:
            self._after_ms(self.machine.random.randrange(1, 2 * self.pace_ms), self._turn)

    def _tick(self) -> None:
        self.session.tick()
        is_late = self.machine.now - self._asked_at > _PATIENCE_NANOS
        if self.session.is_logged_on and is_late:
            self._ask_again()
        self._after_ms(1_000, self._tick)

    def _after_ms(self, milliseconds: int, action: object) -> None:
        self.machine.after(milliseconds * NANOS_PER_MS, action)  # type: ignore[arg-type]

    def act(self) -> None:
        """One message."""
        chance = self.machine.random.random()
        living = [o for o, state in self.book.states.items() if state[0] not in FINAL]
        if chance < 0.62 or not living:
            self._order()
        elif chance < 0.80:
            self._cancel(self.machine.random.choice(living))
        elif chance < 0.95:
            self._replace(self.machine.random.choice(living))
        elif chance < 0.98:
            self.ask(self.machine.random.choice(list(self.book.orders)))
        else:
            self._mass_cancel()

    def _order(self) -> None:
        random = self.machine.random
        side = random.choice("12")
        price = 50 + random.randrange(-_REACH, _REACH)
        fields = [
            (55, random.choice(self.symbols)),
            (54, side),
            (60, utc_text(self.machine.now)),
            (38, str(random.randrange(1, 30))),
            (40, "2"),
            (44, f"0.{price:02d}"),
            (59, random.choice(_TIMES_IN_FORCE)),
        ]
        if random.random() < 0.05:
            fields.append((18, "6"))
        request = self._request("D")
        body = [(11, request.cl_ord_id), *fields]
        self._send(request, FixMessage("D", body))
        if self.faults.happens("sent_again_as_repeat"):
            now = utc_text(self.machine.now)
            self._send(request, FixMessage("D", [(43, "Y"), (122, now), *body]))
        if self.faults.happens("sent_again_as_resend"):
            self._send(request, FixMessage("D", [(97, "Y"), *body]))

    def _cancel(self, order_id: str) -> None:
        request = self._request("F", self.book.last_ids.get(order_id, "unknown"))
        self._send(request, FixMessage("F", self._of_order(request, order_id)))

    def _replace(self, order_id: str) -> None:
        random = self.machine.random
        request = self._request("G", self.book.last_ids.get(order_id, "unknown"))
        body = [
            *self._of_order(request, order_id),
            (38, str(random.randrange(1, 40))),
            (40, "2"),
            (44, f"0.{50 + random.randrange(-_REACH, _REACH):02d}"),
        ]
        self._send(request, FixMessage("G", body))

    def _of_order(self, request: Request, order_id: str) -> list[tuple[int, str]]:
        symbol, side = self.book.symbols.get(order_id, (self.symbols[0], "1"))
        return [
            (11, request.cl_ord_id),
            (41, request.target),
            (55, symbol),
            (54, side),
            (60, utc_text(self.machine.now)),
        ]

    def _mass_cancel(self) -> None:
        request = self._request("q")
        now = utc_text(self.machine.now)
        self._send(request, FixMessage("q", [(11, request.cl_ord_id), (530, "7"), (60, now)]))

    def ask(self, cl_ord_id: str) -> None:
        """OrderStatusRequest; the answer is found under the ClOrdID."""
        order_id = self.book.orders.get(cl_ord_id, "")
        symbol, side = self.book.symbols.get(order_id, (self.symbols[0], "1"))
        fields = [(11, cl_ord_id), (55, symbol), (54, side), (790, cl_ord_id)]
        self.session.send(FixMessage("H", fields))

    def ask_about_all(self) -> None:
        """A status question for every order it ever sent."""
        self.book.forget_status()
        self._asked_about = [r.cl_ord_id for r in self.book.requests.values() if r.msg_type == "D"]
        self._ask_again()

    def _ask_again(self) -> None:
        """What has no answer yet: it may have been lost with a connection."""
        self._asked_at = self.machine.now
        for cl_ord_id in self.unanswered():
            self.ask(cl_ord_id)

    def unanswered(self) -> list[str]:
        """Of those, the ones without an answer."""
        return [name for name in self._asked_about if name not in self.book.asked]

    def _request(self, msg_type: str, target: str = "") -> Request:
        self._count += 1
        cl_ord_id = f"{self.name}-{self._count}"
        request = self.book.requests[cl_ord_id] = Request(cl_ord_id, msg_type, target)
        return request

    def _send(self, request: Request, message: FixMessage) -> None:
        # known as sent before anything can come of it
        request.numbers.append((self.session.resets, self.session.next_out))
        self.session.send(message)

    def _told(self, message: FixMessage) -> None:
        self.received.append(message)
        self.book.told(message, self.session.resets)
