"""The fixed workload "core-v1": a reproducible flow of commands for the matching core.

1,000 markets (Zipf 1.0) of 99 levels; 20,000 accounts of 400 firms with one session each; 200 maker
accounts send 70 % of the passive flow. 50 orders per market as warm-up, then 48 % passive orders,
36 % cancels of a random live order, 4 % reprices by a tick, 2 % size reductions, 10 % aggressive
orders. Live orders are those of a real exchange, run while the flow is made; the commands are then
replayed for measurement.
"""

import random
from typing import Final

from attrs import define, field

from kalshi_fix.core.exchange import Exchange
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.model import NANOS, ExecInst, OrdType, SelfTrade, Side, TimeInForce

START: Final = 1_800_000_000 * NANOS
CASH: Final = 10**13  # ten million dollars each
GEOMETRIC: Final = 0.65
KINDS: Final = ("passive", "cancel", "reprice", "reduce", "aggressive")
WEIGHTS: Final = (48, 36, 4, 2, 10)


@define(slots=True)
class Flow:
    """Commands by phase: definitions, warm-up, and (kind, command) to measure."""

    setup: list[c.Command] = field(factory=list)
    warm_up: list[c.Command] = field(factory=list)
    timed: list[tuple[str, c.Command]] = field(factory=list)


@define(slots=True)
class Live:
    """What the maker of the flow knows of a resting order."""

    cl_ord_id: str
    session: str
    symbol: str
    side: int
    price: int
    leaves: int
    cum: int


class FlowMaker:
    """Makes a flow by running it."""

    def __init__(self, markets: int, accounts: int, seed: int) -> None:
        self.flow = Flow()
        self._random = random.Random(seed)  # noqa: S311 - a workload, reproducible on purpose
        self._exchange = Exchange()
        self._at = START
        self._markets = [f"M{n}" for n in range(markets)]
        self._fair = [self._random.randrange(10, 91) for _ in self._markets]
        self._zipf = [1 / (rank + 1) for rank in range(markets)]
        self._accounts = accounts
        self._firms = max(10, accounts // 50)
        self._makers = max(1, min(200, accounts // 10))
        self._seq = [0] * self._firms
        self._ids = 0
        self._live: dict[int, Live] = {}
        self._order: list[int] = []  # order ids, for a uniform choice
        self._place: dict[int, int] = {}

    def make(self, warm_up_per_market: int, timed: int) -> Flow:
        """The whole flow."""
        self._define()
        for market in range(len(self._markets)):
            for _ in range(warm_up_per_market):
                self.flow.warm_up.append(self._run(self._passive(market)))
        choices = self._random.choices(KINDS, WEIGHTS, k=timed)
        busy = self._random.choices(range(len(self._markets)), self._zipf, k=timed)
        for kind, market in zip(choices, busy, strict=True):
            command = self._command(kind, market)
            self.flow.timed.append((kind, self._run(command)))
        return self.flow

    def _define(self) -> None:
        head = ("", "", START)
        setup: list[c.Command] = [
            c.AdvanceTime(START),
            c.StartTradingDay("day", *head, 20270115, START + 86_400 * NANOS),
            c.DefineSeries("series", *head, "S"),
        ]
        setup += [
            c.DefineMarket(f"m{s}", *head, s, "E", "S", s, ((100, 9_900, 100),))
            for s in self._markets
        ]
        for n in range(self._firms):
            mine = range(n, self._accounts, self._firms)
            setup.append(c.DefineFirm(f"f{n}", *head, f"F{n}"))
            setup += [c.DefineAccount(f"a{m}", *head, f"A{m}", f"F{n}") for m in mine]
            setup += [c.Deposit(f"d{m}", *head, f"A{m}", CASH) for m in mine]
            names = tuple(f"A{m}" for m in mine)
            setup.append(
                c.DefineSession(f"s{n}", *head, f"S{n}", f"S{n}", "KalshiNR", "NR", f"F{n}", names)
            )
        for command in setup:
            self._exchange.apply(command)
        self.flow.setup = setup

    def _run(self, command: c.Command) -> c.Command:
        for event in self._exchange.apply(command):
            if isinstance(event, e.Execution):
                self._follow(event)
            assert not isinstance(event, e.OrderRejected | e.CancelRejected), event
        return command

    def _follow(self, event: e.Execution) -> None:
        order_id = event.terms.order_id
        if not event.leaves_qty:
            if self._live.pop(order_id, None) is not None:
                place = self._place.pop(order_id)
                last = self._order.pop()
                if last != order_id:
                    self._order[place] = last
                    self._place[last] = place
            return
        terms = event.terms
        if order_id not in self._live:
            self._place[order_id] = len(self._order)
            self._order.append(order_id)
        self._live[order_id] = Live(
            event.cl_ord_id, terms.session, terms.symbol, terms.side, terms.price,
            event.leaves_qty, event.cum_qty,
        )  # fmt: skip

    def _command(self, kind: str, market: int) -> c.Command:
        if kind == "aggressive":
            return self._aggressive(market)
        if kind != "passive" and self._order:
            order = self._live[self._random.choice(self._order)]
            if kind == "cancel":
                return self._cancel(order)
            return self._replace(kind, order)
        return self._passive(market)

    def _head(self, session: str) -> tuple[str, int, int, int, int, int]:
        number = int(session[1:])
        self._seq[number] += 1
        self._at += 3_000
        return session, 0, self._seq[number], self._at, self._at, 0

    def _id(self) -> str:
        self._ids += 1
        return f"C{self._ids:09d}"

    def _new(
        self, account: int, market: int, side: int, price: int, quantity: int, **how: int
    ) -> c.NewOrder:
        return c.NewOrder(
            *self._head(f"S{account % self._firms}"), self._id(), self._markets[market], side,
            quantity, how.get("ord_type", int(OrdType.LIMIT)), price,
            how.get("time_in_force", int(TimeInForce.GTC)), 0, f"A{account}",
            how.get("exec_inst", 0), "", int(SelfTrade.CANCEL_INCOMING), False, 0,
        )  # fmt: skip

    def _ticks(self) -> int:
        ticks = 1
        while self._random.random() > GEOMETRIC:
            ticks += 1
        return ticks

    def _quantity(self, mean: int) -> int:
        return 100 * (1 + int(self._random.expovariate(1 / mean)))

    def _passive(self, market: int) -> c.NewOrder:
        chance = self._random
        makers = chance.random() < 0.7
        account = chance.randrange(self._makers if makers else self._accounts)
        is_buy = chance.random() < 0.5
        ticks = self._ticks()
        price = self._fair[market] - ticks if is_buy else self._fair[market] + ticks
        post_only = chance.random() < 0.3
        side = int(Side.BUY if is_buy else Side.SELL)
        inst = int(ExecInst.POST_ONLY) if post_only else 0
        price = 100 * min(99, max(1, price))
        return self._new(account, market, side, price, self._quantity(20), exec_inst=inst)

    def _aggressive(self, market: int) -> c.NewOrder:
        chance = self._random
        is_buy = chance.random() < 0.5
        through = chance.randrange(3)
        best = self._best(market, is_buy)
        price = 100 * min(99, max(1, best + (through if is_buy else -through)))
        how = chance.random()
        time_in_force = int(TimeInForce.GTC if how >= 0.75 else TimeInForce.IOC)
        ord_type = int(OrdType.MARKET if 0.7 <= how < 0.75 else OrdType.LIMIT)
        return self._new(
            chance.randrange(self._accounts), market, int(Side.BUY if is_buy else Side.SELL),
            price if ord_type == OrdType.LIMIT else 0, self._quantity(30),
            time_in_force=time_in_force, ord_type=ord_type,
        )  # fmt: skip

    def _best(self, market: int, is_buy: bool) -> int:
        book = self._exchange.state.markets[self._markets[market]]
        level = (book.offers if is_buy else book.bids).best
        return self._fair[market] if level is None else level.price // 100

    def _cancel(self, order: Live) -> c.CancelOrder:
        return c.CancelOrder(
            *self._head(order.session), self._id(), order.cl_ord_id, 0, order.symbol, order.side,
            "", False,
        )  # fmt: skip

    def _replace(self, kind: str, order: Live) -> c.Command:
        price, leaves = order.price, order.leaves
        if kind == "reprice":
            away = -100 if order.side == Side.BUY else 100
            price = min(9_900, max(100, price + away))
        else:
            leaves = max(1, leaves // 2)
        return c.ReplaceOrder(
            *self._head(order.session), self._id(), order.cl_ord_id, 0, order.symbol, order.side,
            "", False, order.cum + leaves, int(OrdType.LIMIT), price, -1, 0,
        )  # fmt: skip


def core_v1(timed: int = 300_000, markets: int = 1_000, accounts: int = 20_000) -> Flow:
    """The workload itself; smaller arguments give a smaller sibling of it."""
    return FlowMaker(markets, accounts, seed=7).make(50, timed)
