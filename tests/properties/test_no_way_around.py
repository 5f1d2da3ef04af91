"""No path reaches the book around the checks: whatever is sent, whatever is switched, in any order.

The machine keeps its own plain notes of what is forbidden at the moment, and judges only what the
exchange reports: an order that is accepted or replaced, and what is open afterwards, must be
allowed by every note. It does not know how the exchange checks.
"""

from typing import Any

from attrs import Factory, define
from core.core_venue import DOLLAR, Venue
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.model import NANOS

SESSIONS = {"ALPHA": "ALPHA", "ALPHA-B": "ALPHA", "BRAVO": "BRAVO", "CHARLIE": "CHARLIE"}
FIRMS = ("ALPHA", "BRAVO", "CHARLIE")
NAMES = st.sampled_from(sorted(SESSIONS))
SYMBOLS = st.sampled_from(["M", "N"])
LIMITS = {
    "order_size": (0, 150, 300), "order_value": (0, DOLLAR, 2 * DOLLAR), "open_orders": (0, 1, 2),
    "position": (0, 200, 400), "exposure": (0, 3 * DOLLAR, 5 * DOLLAR),
    "price_distance": (0, 500, 1_000),
}  # fmt: skip


@define
class Notes:
    """What is forbidden now."""

    no_sessions: set[tuple[str, str]] = Factory(set)  # (switch, session)
    no_firms: set[tuple[str, str]] = Factory(set)
    no_trading: set[str] = Factory(set)  # switches of the whole exchange
    no_market: set[tuple[str, str]] = Factory(set)  # (switch, symbol)
    restricted: set[tuple[str, str]] = Factory(set)  # (firm, symbol)
    limits: dict[tuple[str, str], dict[str, int]] = Factory(dict)  # (scope, name)

    def switch(self, notes: set[Any], note: Any, *, on: bool) -> None:
        (notes.add if on else notes.discard)(note)

    def limit(self, name: str, session: str, account: str, firm: str) -> int:
        """The tightest there is, 0 = none."""
        keys = (("session", session), ("account", account), ("firm", firm))
        found = [self.limits.get(key, {}).get(name, 0) for key in keys]
        return min((value for value in found if value), default=0)


class NoWayAround(RuleBasedStateMachine):
    """Random orders and replaces against random switches."""

    @initialize()
    def start(self) -> None:
        self.venue = Venue(cash=30)
        self.venue.market("N", jurisdictions_excluded=("XX",))
        self.notes = Notes()
        self.ids = 0
        self.open: dict[str, list[str]] = {}
        self.last: dict[str, int] = {}
        self.terms: dict[int, e.OrderTerms] = {}

    def next_id(self) -> str:
        self.ids += 1
        return f"c{self.ids}"

    def send(self, command: c.Command) -> None:
        before = dict(self.last)
        for event in self.venue.apply(command):
            if isinstance(event, e.Execution) and event.exec_type in "05":
                self.judge(event, before)
                self.terms[event.terms.order_id] = event.terms
                self.open.setdefault(event.terms.session, []).append(event.cl_ord_id)
            elif isinstance(event, e.Traded):
                self.last[event.symbol] = event.price

    def judge(self, x: e.Execution, last: dict[str, int]) -> None:
        """An order came into the exchange, or changed: nothing may forbid it."""
        terms, notes = x.terms, self.notes
        session, firm, symbol = terms.session, terms.firm, terms.symbol
        assert not notes.no_trading
        assert session not in {name for _, name in notes.no_sessions}
        assert firm not in {name for _, name in notes.no_firms}
        assert symbol not in {name for _, name in notes.no_market}
        assert (firm, symbol) not in notes.restricted

        def limit(name: str) -> int:
            return notes.limit(name, session, terms.account, firm)

        old = self.terms.get(terms.order_id, terms)
        if x.exec_type == "5" and old.order_qty >= terms.order_qty and old.price == terms.price:
            return  # less, or only another expiry: that takes risk away
        price = terms.price or (9_900 if terms.side == 1 else 100)
        unit = price if terms.side == 1 else 10_000 - price
        assert not 0 < limit("order_size") < terms.order_qty
        assert not 0 < limit("order_value") < unit * terms.order_qty
        if x.exec_type == "5":
            return
        distance = abs(terms.price - last.get(symbol, terms.price))
        assert not terms.price or not 0 < limit("price_distance") < distance
        rests = terms.time_in_force == 1 and not terms.max_cost
        account = self.venue.exchange.state.accounts[terms.account]
        if rests and (most := self.notes.limits.get(("account", account.name), {})):
            assert not 0 < most.get("open_orders", 0) < account.open_orders
        self.judge_position(x)

    def judge_position(self, x: e.Execution) -> None:
        """If everything open on its side filled, no limit would be passed."""
        account = self.venue.exchange.state.accounts[x.terms.account]
        position = account.positions[x.terms.symbol]
        worst = position.quantity + position.open_buy
        if x.terms.side != 1:
            worst = position.open_sell - position.quantity
        for scope, name in (("account", account.name), ("session", x.terms.session)):
            limits = self.notes.limits.get((scope, name), {})
            if x.exec_type == "0" and x.terms.time_in_force == 1 and not x.terms.max_cost:
                assert not 0 < limits.get("position", 0) < worst
                assert not 0 < limits.get("exposure", 0) < account.gross * 10_000

    @rule(
        session=NAMES, side=st.sampled_from(["buy", "sell"]), symbol=SYMBOLS,
        quantity=st.sampled_from(["0.5", 1, 2, 4]),
        price=st.sampled_from([1, 40, 48, 50, 52, 60, 99]),
        how=st.sampled_from(["gtc", "gtc", "gtc", "ioc", "fok", "market", "post", "cost", "poss"]),
    )  # fmt: skip
    def new(self, session: str, side: str, how: str, **drawn: Any) -> None:
        options: dict[str, dict[str, Any]] = {
            "gtc": {}, "ioc": {"tif": 3}, "fok": {"tif": 4}, "market": {"ord_type": 1, "tif": 3},
            "post": {"inst": 1}, "cost": {"max_cost": DOLLAR}, "poss": {"repeat": 2},
        }  # fmt: skip
        price = 0 if how == "market" else drawn["price"]
        terms = drawn["quantity"], price
        self.send(self.venue.order(
            side, session, self.next_id(), *terms, symbol=drawn["symbol"], stp=2, **options[how]
        ))  # fmt: skip

    @rule(by=NAMES, pick=st.integers(0, 30), quantity=st.sampled_from([1, 2, 4]),
          price=st.sampled_from([40, 50, 60]), firm_scope=st.booleans())  # fmt: skip
    def replace(self, by: str, pick: int, quantity: int, price: int, firm_scope: bool) -> None:
        """Any order of the firm, by its session or by another one of the same firm."""
        known = [x for s, ids in self.open.items() if SESSIONS[s] == SESSIONS[by] for x in ids]
        if not known:
            return
        cl = known[-1 - pick % min(len(known), 4)]
        order = self.venue.exchange.state.firms[SESSIONS[by]].ids.get(cl)
        if order is None:
            return
        head = self.venue.head(by, {})
        terms = order.terms
        self.send(c.ReplaceOrder(
            *head, self.venue.now, 0, self.next_id(), cl, 0, terms.symbol, terms.side, "",
            firm_scope, quantity * 100, 2, price * 100, -1, 0,
        ))  # fmt: skip

    @rule(what=st.sampled_from(["session", "firm", "exchange"]), name=NAMES, on=st.booleans())
    def kill(self, what: str, name: str, on: bool) -> None:
        notes = self.notes
        if what == "session":
            notes.switch(notes.no_sessions, ("kill", name), on=on)
        elif what == "firm":
            name = SESSIONS[name]
            notes.switch(notes.no_firms, ("kill", name), on=on)
        else:
            name, on = "", on and self.ids % 3 == 0
            notes.switch(notes.no_trading, "kill", on=on)
        self.venue.admin(c.KillSwitch, what, name, on)

    @rule(what=st.sampled_from(["pause", "all", "drain", "session", "jurisdiction", "lock"]),
          name=NAMES, symbol=SYMBOLS, on=st.booleans())  # fmt: skip
    def switch(self, what: str, name: str, symbol: str, on: bool) -> None:
        notes, venue, firm = self.notes, self.venue, SESSIONS[name]
        if what == "pause":
            notes.switch(notes.no_market, (what, symbol), on=on)
            venue.admin(c.SetMarketStatus, symbol, "paused" if on else "active")
        elif what == "all":
            notes.switch(notes.no_trading, what, on=on)
            venue.admin(c.SetExchangeStatus, on)
        elif what == "drain":
            notes.switch(notes.no_trading, what, on=on)
            if on:
                venue.admin(c.Drain, NANOS, NANOS, False)
            else:
                venue.admin(c.AnnounceMaintenance, 0, 0)
        elif what == "session":
            notes.switch(notes.no_sessions, (what, name), on=on)
            venue.session(name, (name if name in FIRMS else firm,), enabled=not on)
        elif what == "jurisdiction":
            notes.switch(notes.restricted, (firm, "N"), on=on)
            venue.admin(c.DefineFirm, firm, "XX" if on else "")
        else:
            notes.switch(notes.no_firms, (what, firm), on=on)
            if on:
                venue.mass_cancel(name, self.next_id(), firm_scope=True, lock=True)
            else:
                venue.admin(c.UnlockFirm, firm)

    @rule(scope=st.sampled_from(["session", "account", "firm"]), name=NAMES,
          limit=st.sampled_from(sorted(LIMITS)), pick=st.integers(0, 2))  # fmt: skip
    def limit(self, scope: str, name: str, limit: str, pick: int) -> None:
        name = name if scope == "session" else SESSIONS[name]
        value = LIMITS[limit][pick]
        self.notes.limits.setdefault((scope, name), {})[limit] = value
        self.venue.admin(c.SetLimits, scope, name, {limit: value})

    @rule()
    def free_everything(self) -> None:
        """Or soon nothing would be allowed any more."""
        venue = self.venue
        for firm in FIRMS:
            venue.admin(c.KillSwitch, "firm", firm, False)
            venue.admin(c.UnlockFirm, firm)
            venue.admin(c.DefineFirm, firm, "")
        for session, firm in SESSIONS.items():
            venue.admin(c.KillSwitch, "session", session, False)
            venue.session(session, (session if session in FIRMS else firm,), enabled=True)
        venue.admin(c.KillSwitch, "exchange", "", False)
        venue.admin(c.SetExchangeStatus, False)
        venue.admin(c.AnnounceMaintenance, 0, 0)
        for symbol in ("M", "N"):
            venue.admin(c.SetMarketStatus, symbol, "active")
        self.notes = Notes(limits=self.notes.limits)

    @invariant()
    def who_is_killed_has_nothing_open(self) -> None:
        if not hasattr(self, "venue"):
            return
        state = self.venue.exchange.state
        for session in state.sessions.values():
            killed = session.killed or session.firm.killed or state.killed or not session.enabled
            assert not (killed and session.open)
        for account in state.accounts.values():
            assert account.cash >= 0


NoWayAround.TestCase.settings = settings(
    max_examples=200,
    derandomize=True,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestNoWayAround = NoWayAround.TestCase
