"""The core against a second, naive exchange: random commands, every event must be the same.

After every step the ledger is also rebuilt from the events alone, the depth from the published
levels, and now and then the exchange is replaced by one restored from its snapshot. At the end
the whole run is replayed: same events, same hash.
"""

from fractions import Fraction
from typing import Any

import msgpack
from core.core_venue import DATE, DAY_END, DOLLAR, START, Amount, Venue, qty
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from properties.naive_exchange import rows_of
from properties.naive_life import NaiveVenue
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
QUANTITIES = st.sampled_from(["0.01", "0.5", 1, 2, 3, 7])
NAMES = st.sampled_from(sorted(SESSIONS))
SIDES = st.sampled_from(["buy", "sell"])
SYMBOLS = st.sampled_from(["M", "M", "M", "N", "K", "K"])  # K: the market that lives and settles
VALUES = (0, 10_000, 3_333, 5_000)
PICKS = st.integers(0, 9_999).map(lambda n: n * 7_919 % 10_007)  # any, not mostly the small ones


class CoreAgainstNaive(RuleBasedStateMachine):
    """Both exchanges, one command at a time."""

    @initialize(
        cash=st.sampled_from([8, 40]),
        rates=st.sampled_from([(70_000, 0), (70_000, -20_000), (70_000, 17_500), (0, 0)]),
    )
    def start(self, cash: int, rates: tuple[int, int]) -> None:
        taker, maker = rates
        self.venue = Venue(cash=cash, taker=taker, maker=maker)
        million = 1_000_000
        self.naive = NaiveVenue(
            SESSIONS, ["M"], cash, Fraction(taker, million), Fraction(maker, million), DAY_END,
            date=DATE,
        )  # fmt: skip
        self.naive.now = START
        self.born = 0
        self.ids = 0
        self.last: dict[str, list[tuple[str, str, str]]] = {}  # session -> (ClOrdID, side, symbol)
        self.ledger = RebuiltLedger()
        self.depth = RebuiltDepth()
        self.follow(self.venue.events)
        halts = {"halt_band": 200, "halt_window": 2 * NANOS, "halt_time": NANOS}
        self.admin(c.DefineMarket, "N", "E", "S", "N", **halts)
        self.bear(0)
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
            "gtd": {"tif": 6, "expire_at": self.venue.now + (1 + extra % 3) * NANOS},
            "past": {"tif": 6, "expire_at": self.venue.now - extra}, "day": {"tif": 0},
            "cost": {"max_cost": 1 + 10_000 * extra},
            "cost-ioc": {"max_cost": 5_000 * extra, "tif": 3},
            "cost-fok": {"max_cost": 1 + 10_000 * extra, "tif": 4},
            "group": {"group": self.group_of(drawn["session"], extra)},
        }  # fmt: skip
        session = drawn["session"]
        command = self.venue.order(
            drawn["side"], session, self.next_id(), drawn["quantity"],
            0 if how == "market" else drawn["price"], symbol=self.alive(drawn["symbol"]),
            stp=drawn["stp"],
            on_pause=drawn["on_pause"], **options[how],
        )  # fmt: skip
        self.remember(session, self.run(command))

    def group_of(self, session: str, pick: int) -> str:
        """Mostly one of the session's own account, at times somebody else's."""
        own = [n for n, g in self.naive.groups.items() if g["account"] == SESSIONS[session][1]]
        groups = own if own and pick % 8 else sorted(self.naive.groups) or ["G99"]
        return groups[pick % len(groups)]

    def alive(self, symbol: str) -> str:
        """The market a symbol stands for: K is the one born last."""
        return f"K{self.born}" if symbol == "K" else symbol

    @rule(session=NAMES, side=SIDES, quantity=QUANTITIES, price=PRICES, symbol=SYMBOLS,
          again=st.integers(0, 30))  # fmt: skip
    def plain(self, again: int, symbol: str, **drawn: Any) -> None:
        """The commonest order of all, at times with an id that was used before."""
        session = drawn["session"]
        name = f"c{1 + self.ids // 2}" if again == 0 else self.next_id()
        terms = drawn["quantity"], drawn["price"]
        command = self.venue.order(drawn["side"], session, name, *terms, symbol=self.alive(symbol))
        self.remember(session, self.run(command))

    @rule(session=NAMES, side=SIDES, quantity=QUANTITIES, symbol=SYMBOLS)
    def take(self, session: str, side: str, quantity: Amount, symbol: str) -> None:
        """Takes whatever there is."""
        price = 99 if side == "buy" else 1
        command = self.venue.order(
            side, session, self.next_id(), quantity, price, tif=3, stp=2, symbol=self.alive(symbol)
        )
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
        keep_price=st.booleans(), tif=st.sampled_from([-1, -1, -1, 0, 1, 6]),
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
                           1 if side == "buy" else 2, "", False, qty(drawn["quantity"]), 2,
                           price, drawn["tif"], expire_at)
        ))  # fmt: skip

    def mass_cancel(self, pick: int) -> None:
        session = sorted(SESSIONS)[pick % 4]
        head = self.venue.head(session, {})
        kind = "17"[pick // 4 % 2]
        symbol = ("M", self.alive("K"))[pick % 2] if kind == "1" else ""
        firm = pick % 3 == 0
        self.run(c.MassCancel(*head, self.next_id(), kind, symbol, pick % 5 % 3, "", firm, False))

    @rule(session=NAMES, action=st.sampled_from([1, 1, 2, 3, 4, 5]), limit=st.integers(0, 4))
    def group(self, session: str, action: int, limit: int) -> None:
        known = sorted(self.naive.groups)
        name = "" if action == 1 else [*known, "G99"][limit * 7 % (len(known) + 1)]
        head = self.venue.head(session, {})
        self.run(c.ManageOrderGroup(*head, action, name, limit * 100, ""))

    def admin(self, kind: Any, *values: Any, operator: str = "op", **named: Any) -> list[e.Event]:
        self.ids += 1
        return self.run(kind(f"q{self.ids}", operator, "", self.venue.now, *values, **named))

    def limit(self, pick: int) -> None:
        """Sets one limit, mostly off again."""
        names = ("order_size", "open_orders", "position", "order_value", "exposure")
        name = names[pick % 5]
        scale = {"open_orders": 1, "order_value": 1_000_000, "exposure": 1_000_000}.get(name, 100)
        value = (0, 0, 2, 9)[pick // 5 % 4]
        account = ("ALPHA", "BRAVO")[pick // 20 % 2]
        lasts = (0, 0, NANOS)[pick % 3]
        self.admin(c.SetLimits, "account", account, {name: value * scale}, lasts=lasts)

    def kill(self, pick: int) -> None:
        scope = ("session", "firm", "exchange")[pick // 7 % 3]
        name = {"session": sorted(SESSIONS)[pick % 4], "firm": ("ALPHA", "BRAVO")[pick % 2]}
        self.admin(c.KillSwitch, scope, name.get(scope, ""), pick % 7 == 0)
        if pick % 7 == 0 and pick % 2:
            self.admin(c.KillSwitch, scope, name.get(scope, ""), False)

    def pause(self, pick: int) -> None:
        symbol = ("M", "N", self.alive("K"))[pick % 3]
        self.admin(c.SetMarketStatus, symbol, "active" if pick % 5 else "paused")

    def stand_still(self, pick: int) -> None:
        """The whole exchange: pause, drain, and mostly the end of both."""
        if pick % 9 == 0:
            self.admin(c.SetExchangeStatus, True)
        elif pick % 9 == 1:
            self.admin(c.Drain, pick % 3 * NANOS // 2, NANOS, False)
        elif pick % 2:
            self.admin(c.SetExchangeStatus, False)
        else:
            self.admin(c.AnnounceMaintenance, 0, 0)

    def day(self, pick: int) -> None:
        """A new trading day, or another end of the present one; at times one that is refused."""
        date = self.naive.date + (1, 1, 1, 0, -1)[pick % 5]
        self.admin(c.StartTradingDay, date, self.venue.now + (1 + pick % 6) * NANOS // 2)

    def money(self, pick: int) -> None:
        account = ("ALPHA", "BRAVO", "CHARLIE")[pick % 3]
        amount = (1, 500_000, 3 * DOLLAR)[pick // 3 % 3]
        self.admin((c.Deposit, c.Withdraw)[pick // 9 % 2], account, amount)

    def rates(self, pick: int) -> None:
        """Another fee schedule; orders keep the one they came with."""
        taker, maker = ((70_000, 0), (50_000, -20_000), (70_000, 70_000), (0, 0))[pick % 4]
        self.admin(c.DefineSeries, "S", taker, maker, (100, 150)[pick // 4 % 2])

    def bear(self, pick: int) -> None:
        """A market that will not live long."""
        self.born += 1
        name, now = f"K{self.born}", self.venue.now
        terms = {
            "settlement_timer": (0, NANOS, 2 * NANOS)[pick % 3],
            "open_at": now + NANOS if pick % 5 == 1 else 0,
            "close_at": now + (2 + pick % 3) * NANOS if pick % 2 else 0,
            "status": "initialized" if pick % 7 == 6 else "active",
        }
        self.admin(c.DefineMarket, name, "E", "S", name, **terms)
        for seller, buyer in (("CHARLIE", "ALPHA"), ("BRAVO", "CHARLIE")):
            for session, side in ((seller, "sell"), (buyer, "buy")):
                order = self.venue.order(side, session, self.next_id(), 2, 50, symbol=name)
                self.remember(session, self.run(order))

    @rule(pick=PICKS, as_it_goes=st.booleans())
    def life(self, pick: int, as_it_goes: bool) -> None:
        """The next step in the life of K, or any other."""
        symbol = self.alive("K")
        steps: list[tuple[Any, ...]] = [
            (c.SetMarketStatus, symbol, "closed"),
            (c.SetMarketStatus, symbol, "active"),
            (c.Determine, symbol, VALUES[pick % 4], "oracle", "page", True),
            (c.Determine, symbol, VALUES[pick % 4], "operator", "seen"),
            (c.Confirm, symbol),
            (c.Dispute, symbol),
            (c.Settle, symbol),
            (c.Settle, symbol, True, VALUES[pick % 4]),
        ]
        next_steps = {
            "initialized": (1, 0), "active": (0,), "paused": (1, 0), "closed": (2, 3),
            "determined": (4, 6, 5), "disputed": (2, 3), "settled": (7,),
        }  # fmt: skip
        status = self.naive.status[symbol]
        if status == "settled" and pick % 4 < 2:
            self.bear(pick)
            return
        ways = next_steps[status] if as_it_goes else range(len(steps))
        kind, *values = steps[ways[pick % len(ways)]]
        self.admin(kind, *values, operator=("op1", "op2")[pick // 8 % 2])

    @rule(
        what=st.sampled_from([
            "limit", "kill", "pause", "mass_cancel", "stand_still", "stand_still", "day", "money",
            "rates",
        ]),
        pick=PICKS,
    )  # fmt: skip
    def operate(self, what: str, pick: int) -> None:
        """What happens now and then; one rule, so that orders come more often."""
        getattr(self, what)(pick)

    @rule(pick=st.integers(0, 3))
    def advance(self, pick: int) -> None:
        self.venue.now += (1 + pick % 4) * NANOS // 2
        self.run(c.AdvanceTime(self.venue.now))

    @rule(back=st.integers(0, 3))
    def bust(self, back: int) -> None:
        """Busts a recent trade; the core refuses where an account could not pay."""
        known = [*sorted(self.naive.trades), 10**9]
        trade_id = known[-1 - back % len(known)]
        self.ids += 1
        command = c.BustTrade(f"q{self.ids}", "op", "", self.venue.now, trade_id)
        events = self.venue.apply(command)
        self.follow(events)
        if rows_of(events) == [("answer", "INSUFFICIENT_BALANCE")]:
            assert not self.naive.refuses_bust(trade_id)
        else:
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
        for symbol in ("M", "N", self.alive("K")):
            assert self.depth.book(symbol) == self.venue.book(symbol)
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
    max_examples=300,
    derandomize=True,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestCoreAgainstNaive = CoreAgainstNaive.TestCase
