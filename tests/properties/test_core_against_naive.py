"""The core against a second, naive exchange: random commands, every event must be the same.

After every step the ledger is also rebuilt from the events alone, the depth from the published
levels, and now and then the exchange is replaced by one restored from its snapshot. At the end
the whole run is replayed: same events, same hash.
"""

from fractions import Fraction
from typing import Any

import msgpack
from core.core_venue import DAY_END, START, Venue
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from properties.naive_exchange import NaiveExchange, rows_of
from properties.rebuilt import RebuiltDepth, RebuiltLedger

from kalshi_fix.core.exchange import Exchange
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.model import NANOS

SESSIONS = {
    "ALPHA": ("ALPHA", "ALPHA"),
    "ALPHA-B": ("ALPHA", "ALPHA"),
    "BRAVO": ("BRAVO", "BRAVO"),
    "CHARLIE": ("CHARLIE", "CHARLIE"),
}
PRICES = st.sampled_from([1, 48, 49, 50, 51, 52, 64, 99])
QUANTITIES = st.sampled_from([0.01, 0.5, 1, 2, 3, 7])
NAMES = st.sampled_from(sorted(SESSIONS))
SIDES = st.sampled_from(["buy", "sell"])
SYMBOLS = st.sampled_from(["M", "M", "M", "N"])


class CoreAgainstNaive(RuleBasedStateMachine):
    """Both exchanges, one command at a time."""

    @initialize(
        cash=st.sampled_from([8, 40]),
        rates=st.sampled_from([(70_000, 0), (70_000, -20_000), (70_000, 17_500), (0, 0)]),
    )
    def start(self, cash: int, rates: tuple[int, int]) -> None:
        taker, maker = rates
        self.venue = Venue(cash=cash, taker=taker, maker=maker)
        self.venue.market("N")
        million = 1_000_000
        self.naive = NaiveExchange(
            SESSIONS, ["M", "N"], cash, Fraction(taker, million), Fraction(maker, million), DAY_END
        )
        self.naive.now = START
        self.ids = 0
        self.last: dict[str, list[tuple[str, str, str]]] = {}  # session -> (ClOrdID, side, symbol)
        self.ledger = RebuiltLedger()
        self.depth = RebuiltDepth()
        self.follow(self.venue.events)
        self.group("ALPHA", 1, 3)
        self.group("BRAVO", 1, 2)
        for session, side, price, group in (
            ("BRAVO", "buy", 48, "G2"), ("CHARLIE", "buy", 49, ""), ("ALPHA", "buy", 48, "G1"),
            ("BRAVO", "sell", 52, "G2"), ("CHARLIE", "sell", 51, ""), ("ALPHA", "sell", 51, "G1"),
        ):  # fmt: skip
            order = self.venue.order(side, session, self.next_id(), 2, price, group=group)
            self.remember(session, self.run(order))

    def follow(self, events: list[e.Event]) -> None:
        for event in events:
            self.ledger.follow(event)
            self.depth.follow(event)

    def run(self, command: c.Command) -> list[e.Event]:
        events = self.venue.apply(command)
        self.follow(events)
        assert rows_of(events) == self.naive.apply(command)
        return events

    def next_id(self) -> str:
        self.ids += 1
        return f"c{self.ids}"

    def remember(self, session: str, events: list[e.Event]) -> None:
        for x in events:
            if isinstance(x, e.Execution) and x.exec_type in "05":
                side = "buy" if x.terms.side == 1 else "sell"
                self.last.setdefault(session, []).append((x.cl_ord_id, side, x.terms.symbol))

    @rule(
        session=NAMES, side=SIDES, symbol=SYMBOLS, quantity=QUANTITIES, price=PRICES,
        stp=st.sampled_from([1, 1, 2, 3]), on_pause=st.booleans(),
        how=st.sampled_from(
            ["gtc", "gtc", "gtc", "post", "ioc", "fok", "market", "reduce", "reduce-fok", "gtd",
             "past", "day", "cost", "cost-ioc", "cost-fok", "group", "group"]
        ),
        extra=st.integers(0, 400),
    )  # fmt: skip
    def new(self, **drawn: Any) -> None:
        how, extra = drawn["how"], drawn["extra"]
        options: dict[str, dict[str, Any]] = {
            "gtc": {}, "post": {"inst": 1}, "ioc": {"tif": 3}, "fok": {"tif": 4},
            "market": {"ord_type": 1, "tif": (1, 3, 4)[extra % 3]},
            "reduce": {"tif": 3, "inst": 2}, "reduce-fok": {"tif": 4, "inst": 2},
            "gtd": {"tif": 6, "expire_at": self.venue.now + (1 + extra % 5) * NANOS},
            "past": {"tif": 6, "expire_at": self.venue.now - extra}, "day": {"tif": 0},
            "cost": {"max_cost": 1 + 10_000 * extra},
            "cost-ioc": {"max_cost": 5_000 * extra, "tif": 3},
            "cost-fok": {"max_cost": 1 + 10_000 * extra, "tif": 4},
            "group": {"group": self.group_of(drawn["session"], extra)},
        }  # fmt: skip
        session = drawn["session"]
        command = self.venue.order(
            drawn["side"], session, self.next_id(), drawn["quantity"],
            0 if how == "market" else drawn["price"], symbol=drawn["symbol"], stp=drawn["stp"],
            on_pause=drawn["on_pause"], **options[how],
        )  # fmt: skip
        self.remember(session, self.run(command))

    def group_of(self, session: str, pick: int) -> str:
        """Mostly one of the session's own account, at times somebody else's."""
        own = [n for n, g in self.naive.groups.items() if g["account"] == SESSIONS[session][1]]
        groups = own if own and pick % 8 else sorted(self.naive.groups)
        return groups[pick % len(groups)]

    @rule(session=NAMES, side=SIDES, quantity=QUANTITIES, price=PRICES)
    def plain(self, session: str, side: str, quantity: float, price: int) -> None:
        """The commonest order of all."""
        command = self.venue.order(side, session, self.next_id(), quantity, price)
        self.remember(session, self.run(command))

    @rule(session=NAMES, side=SIDES, quantity=QUANTITIES)
    def take(self, session: str, side: str, quantity: float) -> None:
        """Takes whatever there is."""
        price = 99 if side == "buy" else 1
        command = self.venue.order(side, session, self.next_id(), quantity, price, tif=3, stp=2)
        self.remember(session, self.run(command))

    def chosen(self, session: str, pick: int) -> tuple[str, str, str]:
        recent = self.last.get(session, [])[-6:] or [("nothing", "buy", "M")]
        return recent[pick % len(recent)]

    @rule(session=NAMES, pick=st.integers(0, 5), wrong_side=st.integers(0, 9))
    def cancel(self, session: str, pick: int, wrong_side: int) -> None:
        cl, side, symbol = self.chosen(session, pick)
        if wrong_side == 0:
            side = "sell" if side == "buy" else "buy"
        head = self.venue.head(session, {})
        self.run(
            c.CancelOrder(*head, self.venue.now, 0, self.next_id(), cl, 0, symbol,
                          1 if side == "buy" else 2, "", False)
        )  # fmt: skip

    @rule(
        session=NAMES, pick=st.integers(0, 5), quantity=QUANTITIES, price=PRICES,
        keep_price=st.booleans(), tif=st.sampled_from([-1, -1, -1, 1, 6]),
    )  # fmt: skip
    def replace(self, **drawn: Any) -> None:
        session = drawn["session"]
        cl, side, symbol = self.chosen(session, drawn["pick"])
        order = self.naive.all.get(SESSIONS[session][0] + cl)
        price = drawn["price"] * 100
        if drawn["keep_price"] and order is not None:
            price = int(order.limit * 10_000)
        expire_at = self.venue.now + 3 * NANOS if drawn["tif"] == 6 else 0
        head = self.venue.head(session, {})
        self.remember(session, self.run(
            c.ReplaceOrder(*head, self.venue.now, 0, self.next_id(), cl, 0, symbol,
                           1 if side == "buy" else 2, "", False, round(drawn["quantity"] * 100), 2,
                           price, drawn["tif"], expire_at)
        ))  # fmt: skip

    def mass_cancel(self, pick: int) -> None:
        session = sorted(SESSIONS)[pick % 4]
        head = self.venue.head(session, {})
        kind = "17"[pick // 4 % 2]
        symbol = "M" if kind == "1" else ""
        firm = pick % 3 == 0
        self.run(c.MassCancel(*head, self.next_id(), kind, symbol, pick % 5 % 3, "", firm, False))

    @rule(session=NAMES, action=st.sampled_from([1, 1, 2, 4, 5]), limit=st.integers(1, 4))
    def group(self, session: str, action: int, limit: int) -> None:
        known = sorted(self.naive.groups)
        name = "" if action == 1 else [*known, "G99"][limit * 7 % (len(known) + 1)]
        head = self.venue.head(session, {})
        self.run(c.ManageOrderGroup(*head, action, name, limit * 100, ""))

    def admin(self, kind: Any, *values: Any) -> list[e.Event]:
        self.ids += 1
        return self.run(kind(f"q{self.ids}", "op", "", self.venue.now, *values))

    def limit(self, pick: int) -> None:
        """Sets one limit, mostly off again."""
        names = ("order_size", "open_orders", "position", "order_value", "exposure")
        name = names[pick % 5]
        scale = {"open_orders": 1, "order_value": 1_000_000, "exposure": 1_000_000}.get(name, 100)
        value = (0, 0, 2, 9)[pick // 5 % 4]
        account = ("ALPHA", "BRAVO")[pick // 20 % 2]
        self.admin(c.SetLimits, "account", account, {name: value * scale})

    def kill(self, pick: int) -> None:
        self.admin(c.KillSwitch, "session", sorted(SESSIONS)[pick % 4], pick % 7 == 0)

    def pause(self, pick: int) -> None:
        self.admin(c.SetMarketStatus, "M", "active" if pick % 5 else "paused")

    @rule(what=st.sampled_from(["advance", "limit", "kill", "pause", "mass_cancel"]),
          pick=st.integers(0, 99))  # fmt: skip
    def operate(self, what: str, pick: int) -> None:
        """What happens now and then; one rule, so that orders come more often."""
        getattr(self, what)(pick)

    def advance(self, pick: int) -> None:
        self.venue.now += (1 + pick % 4) * NANOS // 2
        self.run(c.AdvanceTime(self.venue.now))

    @rule(back=st.integers(0, 3))
    def bust(self, back: int) -> None:
        """Busts a recent trade; the core refuses where an account could not pay."""
        known = sorted(self.naive.trades) or [0]
        trade_id = known[-1 - back % len(known)]
        self.ids += 1
        command = c.BustTrade(f"q{self.ids}", "op", "", self.venue.now, trade_id)
        events = self.venue.apply(command)
        self.follow(events)
        if not events[-1].reason:  # type: ignore[union-attr]
            assert rows_of(events) == self.naive.apply(command)

    @rule()
    def restore(self) -> None:
        packed = msgpack.packb(self.venue.exchange.snapshot())
        before = self.venue.exchange.state_hash()
        restored = Exchange.restore(msgpack.unpackb(packed, use_list=False, strict_map_key=False))
        assert msgpack.packb(restored.snapshot()) == packed
        assert restored.state_hash() == before
        restored.check()
        self.venue.exchange = restored

    @invariant()
    def money_and_depth_follow_from_the_events_alone(self) -> None:
        if not hasattr(self, "venue"):
            return
        for name, account in self.venue.exchange.state.accounts.items():
            assert self.ledger.cash(name) == account.cash
            assert self.ledger.held(name) == account.held
        assert self.depth.book("M") == self.venue.book("M")
        assert self.depth.book("N") == self.venue.book("N")
        for account in self.naive.cash:
            assert self.naive.free(account) * 1_000_000 == self.venue.cash(account)

    def teardown(self) -> None:
        if not hasattr(self, "venue"):
            return
        again = Exchange()
        events = [event for command in self.venue.commands for event in again.apply(command)]
        assert events == self.venue.events
        assert again.state_hash() == self.venue.exchange.state_hash()
        assert [event.number for event in events] == list(range(1, len(events) + 1))


CoreAgainstNaive.TestCase.settings = settings(
    max_examples=200,
    derandomize=True,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestCoreAgainstNaive = CoreAgainstNaive.TestCase
