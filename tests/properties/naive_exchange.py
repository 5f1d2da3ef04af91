"""A second exchange, as obvious and as slow as possible: flat lists, exact fractions, no caches.

It is written from the rules, not from the core, and predicts rows that `rows_of` makes of the
core's events. Everything is worked out again whenever it is needed: who is best is a search
through all orders, what is held a sum over them.
"""

import math
from fractions import Fraction
from typing import Any

from attrs import define

from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e

CENT = Fraction(1, 100)
STEP = Fraction(1, 10_000)
WINDOW = 15 * 10**9


@define(eq=False)
class Open:
    """An order; money in dollars as fractions, price and quantity too."""

    order_id: int
    session: str
    account: str
    firm: str
    symbol: str
    buys: bool
    limit: Fraction
    total: Fraction
    leaves: Fraction
    cl: str
    tif: int
    deadline: int
    inst: int
    mode: int
    group: str
    on_pause: bool
    budget: Fraction
    taker: bool  # may still pay taker fees
    locked: Fraction = Fraction(0)
    cum: Fraction = Fraction(0)
    spent: Fraction = Fraction(0)  # sum of price x quantity
    exact: Fraction = Fraction(0)
    charged: Fraction = Fraction(0)
    status: str = "0"
    resting: bool = False
    rates: tuple[Fraction, Fraction] = (Fraction(0), Fraction(0))  # taker, maker
    ended_on: int = -1  # trading day, counted; -1 = open


def ceil_step(value: Fraction) -> Fraction:
    return math.ceil(value / STEP) * STEP


def money(value: Fraction) -> int:
    result = value * 1_000_000
    assert result.denominator == 1
    return int(result)


def units(value: Fraction, per: int) -> int:
    result = value * per
    assert result.denominator == 1
    return int(result)


class NaiveExchange:
    """One market's worth of rules; markets, accounts and sessions are given, never defined."""

    def __init__(  # noqa: PLR0917 - what is given
        self, sessions: dict[str, tuple[str, str]], symbols: list[str], cash: int,
        taker: Fraction, maker: Fraction, day_end: int,
    ) -> None:  # fmt: skip
        self.sessions = sessions  # session -> (firm, account)
        self.taker, self.maker, self.day_end = taker, maker, day_end
        self.cash = {account: Fraction(cash) for _, account in sessions.values()}  # free + held
        self.position: dict[tuple[str, str], Fraction] = {}
        self.queue: list[Open] = []  # every open order, in time priority
        self.all: dict[str, Open] = {}  # (firm + ClOrdID) -> order
        self.status = dict.fromkeys(symbols, "active")
        self.limits: dict[str, dict[str, int]] = {}
        self.killed: set[tuple[str, str]] = set()  # scope, name
        self.standstill = ""  # why no market takes orders
        self.day = 0  # trading days so far
        self.groups: dict[str, dict[str, Any]] = {}
        self.trades: dict[int, tuple[str, Fraction, Fraction, Open, Open, Any, Any]] = {}
        self.traded_on: dict[int, int] = {}  # trade -> day
        self.volume: dict[str, Fraction] = {}
        self.orders = self.traded = self.grouped = 0
        self.now = 0
        self.rows: list[tuple[Any, ...]] = []

    # --- worked out again every time

    def rests(self, symbol: str, buys: bool) -> list[Open]:
        """Resting orders of a side, best first, in time order."""
        found = [o for o in self.queue if o.symbol == symbol and o.buys == buys and o.resting]
        return sorted(found, key=lambda o: -o.limit if buys else o.limit)

    def meets(self, o: Open) -> list[Open]:
        """What an order could trade with, in the order in which it would."""
        return [
            m for m in self.rests(o.symbol, not o.buys)
            if (m.limit <= o.limit if o.buys else m.limit >= o.limit)
        ]  # fmt: skip

    def at(self, o: Open) -> Fraction:
        return self.position.get((o.account, o.symbol), Fraction(0))

    def opposite(self, o: Open) -> Fraction:
        """How much an order could close."""
        return max(Fraction(0), -self.at(o) if o.buys else self.at(o))

    def cover_free(self, o: Open) -> Fraction:
        others = [
            x for x in self.queue if x is not o and (x.account, x.symbol) == (o.account, o.symbol)
        ]
        return max(
            Fraction(0), self.opposite(o) - sum(x.locked for x in others if x.buys == o.buys)
        )

    def hold(self, o: Open) -> Fraction:
        """Cash an open order needs: what it may cost uncovered, and its worst fee."""
        leaves = o.leaves
        if leaves == 0:
            return Fraction(0)
        if o.inst & 2:
            leaves = min(leaves, self.opposite(o))
        held = (o.limit if o.buys else 1 - o.limit) * (leaves - o.locked)
        rate = max(o.rates) if o.taker else o.rates[1]
        if rate > 0 and leaves > 0:
            worst = o.limit * (1 - o.limit)
            half_is_reachable = o.limit >= Fraction(1, 2) if o.buys else o.limit <= Fraction(1, 2)
            if o.taker and half_is_reachable:
                worst = Fraction(1, 4)
            held += max(Fraction(0), ceil_step(o.exact + rate * worst * leaves) + CENT - o.charged)
        return min(held, o.budget - self.cost(o)) if o.budget else held

    def cost(self, o: Open) -> Fraction:
        return (o.spent if o.buys else o.cum - o.spent) + o.charged

    def free(self, account: str) -> Fraction:
        return self.cash[account] - sum(self.hold(o) for o in self.queue if o.account == account)

    # --- reports

    def report(self, o: Open, kind: str, reason: str = "", orig: str = "", **more: Any) -> None:
        self.rows.append((
            "exec", kind, o.status, o.cl, orig, o.order_id, units(o.total, 100), units(o.cum, 100),
            units(o.leaves, 100), money(o.spent), reason, more.get("qty", 0), more.get("px", 0),
            more.get("trade", 0), more.get("liquidity", 0), more.get("fee", 0),
            units(self.at(o), 100), more.get("change", 0), more.get("payout", 0),
            money(self.hold(o)),
        ))  # fmt: skip

    def end(self, o: Open, kind: str, reason: str, orig: str = "") -> None:
        o.status = {"4": "4", "C": "C"}[kind]
        o.ended_on = self.day
        o.leaves = o.locked = Fraction(0)
        o.resting = False
        self.queue.remove(o)
        self.report(o, kind, reason, orig)

    # --- commands

    def apply(self, command: c.Command) -> list[tuple[Any, ...]]:
        self.rows = []
        getattr(self, type(command).__name__)(command)
        return self.rows

    def AdvanceTime(self, command: c.AdvanceTime) -> None:  # noqa: N802 - named by the command
        self.now = command.at
        due = [o for o in self.queue if o.deadline and o.deadline <= self.now]
        for o in sorted(due, key=lambda o: (o.deadline, o.order_id)):
            self.end(o, "C", "ORDER_EXPIRED")

    def NewOrder(self, n: c.NewOrder) -> None:  # noqa: N802
        firm, account = self.sessions[n.session]
        o = Open(
            0, n.session, account, firm, n.symbol, n.side == 1, Fraction(n.price, 10_000),
            Fraction(n.order_qty, 100), Fraction(n.order_qty, 100), n.cl_ord_id, n.time_in_force,
            0, n.exec_inst, n.self_trade, n.group_id, n.cancel_on_pause,
            Fraction(n.max_cost, 1_000_000), taker=False,
        )  # fmt: skip
        if n.ord_type == 1:
            o.limit = Fraction(99 if o.buys else 1, 100)
            o.tif = 3 if o.tif == 1 else o.tif
        reason = self.refusal(n, o)
        if not reason:
            o.deadline = {6: n.expire_at, 0: self.day_end}.get(n.time_in_force, 0)
            o.rates = (self.taker, self.maker)
            o.taker = not o.inst & 1 and bool(self.meets(o))
            o.locked = min(o.leaves, self.cover_free(o))
            if self.hold(o) > self.free(account):
                reason = "INSUFFICIENT_BALANCE"
        if reason:
            self.rows.append(("rejected", n.cl_ord_id, reason))
            return
        self.orders += 1
        o.order_id = self.orders
        self.all[firm + n.cl_ord_id] = o
        self.queue.append(o)
        self.report(o, "0")
        self.run(o, immediate=n.ord_type == 1 or self.is_immediate(n))

    def is_immediate(self, n: c.NewOrder) -> bool:
        ends = {6: n.expire_at, 0: self.day_end}.get(n.time_in_force, self.now + 1)
        return n.time_in_force in {3, 4} or ends <= self.now

    def known(self, firm: str, cl_ord_id: str) -> Open | None:
        """The order that has or had an id; ended ones until the end of the next trading day."""
        o = self.all.get(firm + cl_ord_id)
        return None if o is None or 0 <= o.ended_on < self.day - 1 else o

    def is_killed(self, o: Any, firm: str) -> bool:
        return bool({("session", o.session), ("firm", firm), ("exchange", "")} & self.killed)

    def refusal(self, n: c.NewOrder, o: Open) -> str:
        immediate = n.ord_type == 1 or self.is_immediate(n)
        limits = self.limits.get(o.account, {})
        worst = self.at(o) if o.buys else -self.at(o)
        worst += o.leaves + sum(
            x.leaves for x in self.queue
            if (x.account, x.symbol, x.buys) == (o.account, o.symbol, o.buys)
        )  # fmt: skip
        gross = o.leaves + sum(x.leaves for x in self.queue if x.account == o.account)
        gross += sum(abs(q) for (account, _), q in self.position.items() if account == o.account)
        value = (o.limit if o.buys else 1 - o.limit) * o.leaves
        mine = [x for x in self.queue if x.account == o.account]
        checks = [
            (self.is_killed(o, o.firm), "SESSION_DISABLED"),
            (self.known(o.firm, n.cl_ord_id) is not None, "ORDER_ALREADY_EXISTS"),
            (self.status[n.symbol] == "paused", "TRADING_PAUSED"),
            (self.status[n.symbol] == "initialized", "MARKET_INACTIVE"),
            (self.status[n.symbol] != "active", "MARKET_CLOSED"),
            (self.standstill, self.standstill),
            (o.inst & 1 and (immediate or n.max_cost), "UNSUPPORTED_ORDER"),
            (o.inst & 2 and not immediate, "UNSUPPORTED_ORDER"),
            (n.group_id and n.group_id not in self.groups, "ORDER_GROUP_NOT_FOUND"),
            (n.group_id and self.groups.get(n.group_id, {}).get("account") != o.account,
             "ORDER_GROUP_NOT_FOUND"),
            (n.group_id and self.groups.get(n.group_id, {}).get("triggered"),
             "EXCEEDED_ORDER_GROUP_LIMIT"),
            (0 < limits.get("order_size", 0) < n.order_qty, "ORDER_SIZE_LIMIT"),
            (0 < limits.get("order_value", 0) < money(value), "ORDER_VALUE_LIMIT"),
            (not immediate and not n.max_cost and 0 < limits.get("open_orders", 0) <= len(mine),
             "OPEN_ORDER_LIMIT"),
            (0 < limits.get("position", 0) < units(worst, 100), "POSITION_LIMIT"),
            (0 < limits.get("exposure", 0) < money(gross), "POSITION_LIMIT"),
        ]  # fmt: skip
        return next((reason for failed, reason in checks if failed), "")

    def run(self, o: Open, *, immediate: bool, replaced: bool = False) -> None:
        """Matches an acknowledged order, then rests it or ends it."""
        reason = ""
        if not replaced and o.inst & 1 and self.meets(o):
            reason = "POST_ONLY_CROSS"
        elif o.inst & 2 and self.opposite(o) == 0:
            reason = "REDUCE_ONLY_INCREASE"
        elif o.tif == 4 and self.meets(o):
            reason = self.cannot_fill_whole(o)
        if not reason:
            reason = self.match(o)
        if o not in self.queue:
            return
        if not reason and o.tif == 4:
            reason = "FOK_INSUFFICIENT_VOLUME"
        if not reason and immediate:
            reason = "IMMEDIATE_OR_CANCELLED"
        if not reason and o.budget:
            reason = "MAX_EXECUTION_COST"
        if reason:
            self.end(o, "4", reason)
        else:
            self.queue.remove(o)
            self.queue.append(o)
            o.resting = True

    def cannot_fill_whole(self, o: Open) -> str:
        if o.inst & 2 and o.leaves > self.opposite(o):
            return "REDUCE_ONLY_INCREASE"
        wanted, cost, exact, charged = o.leaves, Fraction(0), Fraction(0), Fraction(0)
        for m in self.meets(o):
            if m.firm == o.firm:
                if o.mode == 2:
                    continue
                break
            quantity = min(wanted, m.leaves)
            wanted -= quantity
            fee = self.fee(exact, charged, o.rates[0], quantity, m.limit)
            exact += o.rates[0] * quantity * m.limit * (1 - m.limit)
            charged += fee
            cost += quantity * (m.limit if o.buys else 1 - m.limit) + fee
            if wanted == 0:
                return "MAX_EXECUTION_COST" if o.budget and cost > o.budget else ""
        return "FOK_INSUFFICIENT_VOLUME"

    def fee(
        self,
        exact: Fraction,
        charged: Fraction,
        rate: Fraction,
        quantity: Fraction,
        price: Fraction,
    ) -> Fraction:
        part = rate * quantity * price * (1 - price)
        return min(ceil_step(part), ceil_step(exact + part) + CENT - charged)

    def match(self, o: Open) -> str:  # noqa: C901 - every rule in one place
        fills: list[tuple[Open, Fraction]] = []
        while o.leaves and self.meets(o):
            m = self.meets(o)[0]
            if m.firm == o.firm:
                if o.mode != 1:
                    self.end(m, "4", "MAKER_CANCEL_FOR_SELF_TRADE_PREVENTION")
                if o.mode != 2:
                    return "TAKER_CANCEL_FOR_SELF_TRADE_PREVENTION"
                continue
            quantity, reason = min(o.leaves, m.leaves), ""
            if o.inst & 2 and quantity >= self.opposite(o):
                quantity, reason = self.opposite(o), "REDUCE_ONLY_INCREASE"
            if o.budget:
                fits = [
                    n for n in range(1, units(quantity, 100) + 1)
                    if self.cost_of(o, Fraction(n, 100), m.limit) <= o.budget - self.cost(o)
                ]  # fmt: skip
                if len(fits) < units(quantity, 100):
                    quantity, reason = Fraction(len(fits), 100), "MAX_EXECUTION_COST"
            if quantity == 0:
                return reason
            self.trade(m, o, quantity)
            fills.append((m, quantity))
            if o.tif != 4:
                reason = self.count(o, fills) or reason
                if reason:
                    return reason
        self.count(o, fills)
        return ""

    def cost_of(self, o: Open, quantity: Fraction, price: Fraction) -> Fraction:
        fee = self.fee(o.exact, o.charged, o.rates[0], quantity, price)
        return quantity * (price if o.buys else 1 - price) + fee

    def count(self, o: Open, fills: list[tuple[Open, Fraction]]) -> str:
        """Order groups: counts matches, then cancels what reached its limit; halts come between."""
        halted = False
        for m, quantity in fills:
            for x in (m, o):
                if x.group:
                    self.groups[x.group]["matches"].append((self.now, quantity))
            halted = self.halts(m) or halted
            for x in (m, o):
                if x.group and x.group in self.groups:
                    self.judge(x.group)
        fills.clear()
        return "CANCEL_ON_PAUSE" if halted else ""

    def halts(self, m: Open) -> bool:
        """Whether a trade at a maker's price pauses its market; see the life cycle."""
        del m
        return False

    def judge(self, name: str) -> None:
        group = self.groups[name]
        matched = sum(q for at, q in group["matches"] if at > self.now - WINDOW)
        if not group["triggered"] and matched >= group["limit"]:
            group["triggered"] = True
            self.rows.append(("group", 4, name, ""))
            self.cancel_all([x for x in self.queue if x.group == name], "ORDER_GROUP_CANCEL")

    def cancel_all(self, orders: list[Open], reason: str) -> None:
        for o in sorted(orders, key=lambda o: o.order_id):
            self.end(o, "4", reason)

    def trade(self, m: Open, o: Open, quantity: Fraction) -> None:
        self.traded += 1
        price = m.limit
        parts = [self.fill(x, quantity, price, x is m) for x in (m, o)]
        self.trades[self.traded] = (m.symbol, price, quantity, m, o, *parts)
        self.traded_on[self.traded] = self.day
        self.volume[m.symbol] = self.volume.get(m.symbol, Fraction(0)) + quantity
        self.rows.append((
            "trade", self.traded, units(price, 10_000), units(quantity, 100),
            *self.totals(m.symbol),
        ))  # fmt: skip

    def totals(self, symbol: str) -> tuple[int, int]:
        """Volume and open interest."""
        long = sum(q for (_, where), q in self.position.items() if where == symbol and q > 0)
        return units(self.volume.get(symbol, Fraction(0)), 100), units(Fraction(long), 100)

    def fill(self, o: Open, quantity: Fraction, price: Fraction, maker: bool) -> Any:
        change, payout, closed = self.move(o, quantity if o.buys else -quantity, price)
        rate = o.rates[maker]
        part = rate * quantity * price * (1 - price)
        fee = self.fee(o.exact, o.charged, rate, quantity, price)
        o.exact += part
        o.charged += fee
        change -= fee
        self.cash[o.account] += change
        o.leaves -= quantity
        o.cum += quantity
        o.spent += price * quantity
        o.locked -= min(o.locked, quantity)
        o.status = "1" if o.leaves else "2"
        if not o.leaves:
            o.ended_on = self.day
            self.queue.remove(o)
        self.report(
            o, "F", qty=units(quantity, 100), px=units(price, 10_000), trade=self.traded,
            liquidity=1 if maker else 2, fee=money(fee), change=money(change), payout=money(payout),
        )  # fmt: skip
        if closed:
            self.uncover(o)
        return part, fee

    def move(self, o: Open, signed: Fraction, price: Fraction) -> tuple[Fraction, Fraction, bool]:
        """Position and cash of trading against everybody else."""
        key = (o.account, o.symbol)
        held = self.position.get(key, Fraction(0))
        closing = min(abs(signed), abs(held)) if held * signed < 0 else Fraction(0)
        unit = price if signed > 0 else 1 - price
        self.position[key] = held + signed
        payout = (1 - unit) * closing
        return payout - unit * (abs(signed) - closing), payout, closing > 0

    def uncover(self, o: Open) -> None:
        """Locks that a smaller position cannot back any more, the newest order's first."""
        mine = [
            x for x in self.queue if (x.account, x.symbol) == (o.account, o.symbol) and x.locked
        ]
        for x in sorted(mine, key=lambda x: -x.order_id):
            backed = max(Fraction(0), -self.at(x) if x.buys else self.at(x))
            excess = sum(y.locked for y in mine) - backed
            if excess > 0:
                x.locked -= min(excess, x.locked)
                self.rows.append(
                    ("moved", x.order_id, money(self.hold(x)), money(self.free(x.account)))
                )

    def find(self, command: Any) -> Open | None:
        firm, _ = self.sessions[command.session]
        return self.known(firm, command.orig_cl_ord_id)

    def CancelOrder(self, f: c.CancelOrder) -> None:  # noqa: N802
        firm, _ = self.sessions[f.session]
        o = self.find(f)
        reason = self.refuses(f, o, firm)
        if reason or o is None:
            self.rows.append(("refused", f.cl_ord_id, o.order_id if o else 0, reason))
            return
        self.all[firm + f.cl_ord_id] = o
        orig, o.cl = o.cl, f.cl_ord_id
        self.end(o, "4", "", orig)

    def refuses(self, command: Any, o: Open | None, firm: str) -> str:
        if self.known(firm, command.cl_ord_id) is not None:
            return "ORDER_ALREADY_EXISTS"
        if o is None:
            return "UNKNOWN_ORDER"
        if command.side != (1 if o.buys else 2) or command.symbol != o.symbol:
            return "ORDER_ATTRIBUTES_MISMATCH"
        return "" if o in self.queue else "TOO_LATE"

    def ReplaceOrder(self, g: c.ReplaceOrder) -> None:  # noqa: N802
        firm, _ = self.sessions[g.session]
        o = self.find(g)
        total, limit = Fraction(g.order_qty, 100), Fraction(g.price, 10_000)
        reason = "SESSION_DISABLED" if self.is_killed(g, firm) else self.refuses(g, o, firm)
        if not reason and o is not None:
            reason = self.refuses_change(g, o, total, limit)
        if not reason and o is not None and total != o.cum:
            reason = self.try_change(o, total, limit)
        if reason or o is None:
            self.rows.append(("refused", g.cl_ord_id, o.order_id if o else 0, reason))
            return
        self.all[firm + g.cl_ord_id] = o
        orig, o.cl = o.cl, g.cl_ord_id
        before, o.total = o.total, total
        if total == o.cum:
            self.end(o, "4", "", orig)
            return
        if g.time_in_force == 1:
            o.tif, o.deadline = 1, 0
        elif g.time_in_force == 6:
            o.tif, o.deadline = 6, g.expire_at
        elif g.time_in_force == 0:
            o.tif, o.deadline = 0, self.day_end
        o.status = "1" if o.cum else "0"
        keeps = limit == self._old[0] and o.leaves <= self._old[1]
        o.resting = keeps
        del before
        self.report(o, "5", "", orig)
        if not keeps:
            self.run(o, immediate=False, replaced=True)

    def refuses_change(self, g: c.ReplaceOrder, o: Open, total: Fraction, limit: Fraction) -> str:
        limits = self.limits.get(o.account, {})
        added = total - o.cum - o.leaves
        value = (limit if o.buys else 1 - limit) * total
        worst = self.at(o) if o.buys else -self.at(o)
        worst += added + sum(
            x.leaves for x in self.queue
            if (x.account, x.symbol, x.buys) == (o.account, o.symbol, o.buys)
        )  # fmt: skip
        gross = added + sum(x.leaves for x in self.queue if x.account == o.account)
        gross += sum(abs(q) for (account, _), q in self.position.items() if account == o.account)
        probe = Open(
            0, o.session, o.account, o.firm, o.symbol, o.buys, limit, total, total, "", 1, 0, 0, 1,
            "", False, Fraction(0), taker=False,
        )  # fmt: skip
        more = added > 0 or limit != o.limit
        checks = [
            (g.orig_cl_ord_id != o.cl, "UNKNOWN_ORDER"),
            (self.status[o.symbol] == "paused", "TRADING_PAUSED"),
            (self.standstill, self.standstill),
            (g.time_in_force == 0 and self.day_end <= self.now, "UNSUPPORTED_ORDER"),
            (g.time_in_force == 6 and g.expire_at <= self.now, "UNSUPPORTED_ORDER"),
            (o.inst & 1 and limit != o.limit and self.meets(probe), "POST_ONLY_CROSS"),
            (total < o.cum, "INVALID_AMEND_QTY"),
            (more and 0 < limits.get("order_size", 0) < g.order_qty, "ORDER_SIZE_LIMIT"),
            (more and 0 < limits.get("order_value", 0) < money(value), "ORDER_VALUE_LIMIT"),
            (added > 0 and 0 < limits.get("position", 0) < units(worst, 100), "POSITION_LIMIT"),
            (added > 0 and 0 < limits.get("exposure", 0) < money(gross), "POSITION_LIMIT"),
        ]  # fmt: skip
        return next((reason for failed, reason in checks if failed), "")

    def try_change(self, o: Open, total: Fraction, limit: Fraction) -> str:
        """Gives the order its new price, quantity and cover, unless the cash is not there."""
        self._old = (o.limit, o.leaves, o.locked, o.taker)
        o.resting = False
        o.limit, o.leaves, o.locked = limit, total - o.cum, Fraction(0)
        o.locked = min(o.leaves, self.cover_free(o))
        if limit != self._old[0]:
            o.taker = bool(self.meets(o))
        o.resting = True
        if self.free(o.account) >= 0:
            return ""
        o.limit, o.leaves, o.locked, o.taker = self._old
        return "INSUFFICIENT_BALANCE"

    def MassCancel(self, q: c.MassCancel) -> None:  # noqa: N802
        firm, _ = self.sessions[q.session]
        mine = [
            o for o in self.queue
            if (o.firm == firm if q.firm_scope else o.session == q.session)
            and (q.request_type == "7" or o.symbol == q.symbol)
            and q.side in {0, 1 if o.buys else 2}
        ]  # fmt: skip
        self.rows.append(("mass", q.cl_ord_id, len(mine)))
        self.cancel_all(mine, "MASS_CANCEL")

    def ManageOrderGroup(self, u: c.ManageOrderGroup) -> None:  # noqa: N802
        _, account = self.sessions[u.session]
        name = u.group_id
        if u.action in {1, 5} and u.limit < 100:  # one contract
            self.rows.append(("group", u.action, name, "INVALID_QUANTITY"))
            return
        if u.action == 1:
            self.grouped += 1
            name = f"G{self.grouped}"
            self.groups[name] = {"account": account, "limit": Fraction(u.limit, 100),
                                 "matches": [], "triggered": False}  # fmt: skip
        group = self.groups.get(name)
        if group is None or group["account"] != account:
            self.rows.append(("group", u.action, name, "ORDER_GROUP_NOT_FOUND"))
            return
        if u.action == 2:
            group.update(triggered=False, matches=[])
        if u.action == 5:
            group["limit"] = Fraction(u.limit, 100)
        if u.action == 4:
            group["triggered"] = True
        if u.action == 3:
            del self.groups[name]
        self.rows.append(("group", u.action, name, ""))
        if u.action == 5:
            self.judge(name)
        elif u.action in {3, 4}:
            self.cancel_all([x for x in self.queue if x.group == name], "ORDER_GROUP_CANCEL")


def rows_of(  # noqa: C901, PLR0912 - one line per kind of event
    events: list[e.Event],
) -> list[tuple[Any, ...]]:
    """The core's events as the rows above; what the reference does not predict is left out."""
    rows: list[tuple[Any, ...]] = []
    for x in events:
        match x:
            case e.Execution():
                rows.append((
                    "exec", x.exec_type, x.ord_status, x.cl_ord_id, x.orig_cl_ord_id,
                    x.terms.order_id, x.terms.order_qty, x.cum_qty, x.leaves_qty, x.notional,
                    x.reason, x.last_qty, x.last_px, x.trade_id, x.liquidity, x.fee, x.position,
                    x.cash_change, x.payout, x.hold,
                ))  # fmt: skip
            case e.OrderRejected():
                rows.append(("rejected", x.cl_ord_id, x.reason))
            case e.CancelRejected():
                rows.append(("refused", x.cl_ord_id, x.order_id, x.reason))
            case e.MassCanceled():
                rows.append(("mass", x.cl_ord_id, x.count))
            case e.OrderGroupChanged():
                rows.append(("group", x.action, x.group_id, x.reason))
            case e.Traded():
                rows.append(("trade", x.trade_id, x.price, x.quantity, x.volume, x.open_interest))
            case e.TradeBusted():
                rows.append(("busted", x.trade_id, x.volume, x.open_interest, x.last_price))
            case e.OpenInterestChanged():
                rows.append(("interest", x.symbol, x.volume, x.open_interest))
            case e.MarketChanged():
                rows.append(("market", x.symbol, x.status, x.value, x.settles_at))
            case e.PositionSettled():
                rows.append(("settled", x.account, x.position, x.value, x.payout, x.cash))
            case e.ExchangeChanged():
                rows.append(("exchange", x.paused, x.killed, x.trading_day, x.day_ends_at))
            case e.MaintenanceChanged():
                rows.append(("maintenance", x.phase))
            case e.LimitsChanged():
                rows.append(("limits", x.name, dict(x.limits)))
            case e.AdminAnswered():
                rows.append(("answer", x.reason))
            case e.BalanceChanged(why="HOLD_MOVED"):
                rows.append(("moved", x.order_id, x.hold, x.cash))
            case e.BalanceChanged():
                rows.append(("cash", x.account, x.amount, x.cash))
    return rows
