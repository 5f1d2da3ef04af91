"""The naive exchange's other half: operators, the life of markets, trading days, settlement, busts.

As obvious as the orders' half: what is due is searched for, what is paid is worked out for every
position anew, and what one command takes back another would pay again.
"""

from fractions import Fraction
from typing import Any

from attrs import Factory, define
from properties.naive_exchange import NaiveExchange, Open, money, units

from kalshi_fix.messages import commands as c

TRADABLE = ("initialized", "active", "paused")
MOVES = {
    ("initialized", "active"), ("initialized", "closed"), ("active", "paused"),
    ("active", "closed"), ("paused", "active"), ("paused", "closed"),
}  # fmt: skip


@define(eq=False)
class Life:
    """What a market has besides its book."""

    open_at: int = 0
    close_at: int = 0
    timer: int = 0
    band: Fraction = Fraction(0)
    window: int = 0
    halt: int = 0
    value: int = -1
    proposer: str = ""
    settle_at: int = 0
    halt_until: int = 0
    seen: list[tuple[int, Fraction]] = Factory(list)  # trades since the last halt
    paid: dict[str, Fraction] = Factory(dict)  # account -> position when it settled


class NaiveVenue(NaiveExchange):
    """Every command of an operator, and all that time does."""

    def __init__(self, *args: Any, date: int, **more: Any) -> None:
        super().__init__(*args, **more)
        self.date = date
        self.paused = False
        self.life = {symbol: Life() for symbol in self.status}
        self.last: dict[str, list[tuple[int, Fraction]]] = {}  # symbol -> trades that stand
        self.base: dict[str, dict[str, int]] = {}  # account -> limits without those that end
        self.changes: dict[str, list[tuple[int, dict[str, int]]]] = {}  # account -> limits that end
        self.drain = (0, 0, False)  # from, until, begun

    def answer(self, reason: str = "") -> None:
        self.rows.append(("answer", reason))

    # --- time

    def AdvanceTime(self, command: c.AdvanceTime) -> None:  # noqa: N802
        super().AdvanceTime(command)
        while due := [
            (at, symbol) for symbol in self.life if 0 < (at := self.next(symbol)) <= self.now
        ]:
            self.move_on(min(due)[1])
        for account in sorted(self.changes):
            left = [(end, limits) for end, limits in self.changes[account] if end > self.now]
            if left != self.changes[account]:
                self.changes[account] = left
                self.show_limits(account)
        start, until, begun = self.drain
        if until and self.now >= until:
            self.end_drain("over")
        elif until and self.now >= start and not begun:
            self.drain = (start, until, True)
            self.rows.append(("maintenance", "begun"))

    def next(self, symbol: str) -> int:
        """When the clock moves a market next, 0 = never."""
        life, status = self.life[symbol], self.status[symbol]
        due = [
            life.open_at if status == "initialized" else 0,
            life.close_at if status in TRADABLE else 0,
            life.halt_until,
            life.settle_at,
        ]
        return min((at for at in due if at), default=0)

    def move_on(self, symbol: str) -> None:
        life = self.life[symbol]
        if 0 < life.settle_at <= self.now:
            self.settle(symbol)
        elif 0 < life.close_at <= self.now and self.status[symbol] in TRADABLE:
            life.halt_until = 0
            self.enter(symbol, "closed")
        else:
            life.halt_until = 0
            self.enter(symbol, "active")

    def StartTradingDay(self, s: c.StartTradingDay) -> None:  # noqa: N802
        if s.date < self.date or s.ends_at <= 0:
            self.answer("INVALID_VALUE")
            return
        self.day += s.date > self.date
        self.date, self.day_end = s.date, s.ends_at
        self.show_exchange()
        self.answer()

    # --- switches

    def show_exchange(self) -> None:
        self.rows.append(
            ("exchange", self.paused, ("exchange", "") in self.killed, self.date, self.day_end)
        )

    def KillSwitch(self, k: c.KillSwitch) -> None:  # noqa: N802
        if k.killed:
            self.killed.add((k.scope, k.name))
        else:
            self.killed.discard((k.scope, k.name))
        if k.scope == "exchange":
            self.show_exchange()
        if k.killed:
            named = {"session": lambda o: o.session, "firm": lambda o: o.firm}
            whose = named.get(k.scope, lambda _: "")
            self.cancel_all([o for o in self.queue if whose(o) == k.name], "OPERATOR_CANCEL")
        self.answer()

    def SetExchangeStatus(self, s: c.SetExchangeStatus) -> None:  # noqa: N802
        self.paused = s.paused
        self.stand()
        self.show_exchange()
        if s.paused:
            for symbol in self.status:
                self.cancel_on_pause(symbol)
        self.answer()

    def stand(self) -> None:
        draining = "MAINTENANCE" if self.drain[1] else ""
        self.standstill = "EXCHANGE_PAUSED" if self.paused else draining

    def cancel_on_pause(self, symbol: str) -> None:
        mine = [o for o in self.queue if o.symbol == symbol and o.on_pause and o.resting]
        self.cancel_all(mine, "CANCEL_ON_PAUSE")

    def Drain(self, d: c.Drain) -> None:  # noqa: N802
        self.drain = (self.now + d.grace, self.now + d.grace + d.lasts, False)
        self.stand()
        self.rows.append(("maintenance", "draining"))
        self.answer()

    def AnnounceMaintenance(self, a: c.AnnounceMaintenance) -> None:  # noqa: N802
        assert not a.ends_at, "only withdrawn here"
        if not self.drain[1]:
            self.answer("WRONG_STATE")
            return
        self.end_drain("withdrawn")
        self.answer()

    def end_drain(self, phase: str) -> None:
        self.rows.append(("maintenance", phase))
        self.drain = (0, 0, False)
        self.stand()

    # --- money, fees, limits

    def DefineSeries(self, s: c.DefineSeries) -> None:  # noqa: N802
        self.taker = Fraction(s.taker_rate * s.multiplier, 100_000_000)
        self.maker = Fraction(s.maker_rate * s.multiplier, 100_000_000)
        self.answer()

    def Deposit(self, d: c.Deposit) -> None:  # noqa: N802
        self.transfer(d.account, d.amount)

    def Withdraw(self, w: c.Withdraw) -> None:  # noqa: N802
        if w.amount > money(self.free(w.account)):
            self.answer("INSUFFICIENT_BALANCE")
        else:
            self.transfer(w.account, -w.amount)

    def transfer(self, account: str, amount: int) -> None:
        self.cash[account] += Fraction(amount, 1_000_000)
        self.rows.append(("cash", account, amount, money(self.free(account))))
        self.answer()

    def SetLimits(self, s: c.SetLimits) -> None:  # noqa: N802
        if s.lasts:
            self.changes.setdefault(s.name, []).append((self.now + s.lasts, dict(s.limits)))
        else:
            self.base.setdefault(s.name, {}).update(s.limits)
            for _, change in self.changes.get(s.name, []):
                for name in s.limits:
                    change.pop(name, None)
            self.changes[s.name] = [x for x in self.changes.get(s.name, []) if x[1]]
        self.show_limits(s.name)
        self.answer()

    def show_limits(self, account: str) -> None:
        now = dict(self.base.get(account, {}))
        for _, change in self.changes.get(account, []):
            now |= change
        self.limits[account] = {name: value for name, value in now.items() if value}
        self.rows.append(("limits", account, self.limits[account]))

    # --- the life of a market

    def DefineMarket(self, d: c.DefineMarket) -> None:  # noqa: N802
        """Only new ones here."""
        self.life[d.symbol] = Life(
            d.open_at, d.close_at, d.settlement_timer, Fraction(d.halt_band, 10_000),
            d.halt_window, d.halt_time,
        )  # fmt: skip
        self.enter(d.symbol, "initialized" if d.open_at > self.now else d.status)
        self.answer()

    def enter(self, symbol: str, status: str) -> None:
        self.status[symbol] = status
        self.show(symbol)
        if status == "paused":
            self.cancel_on_pause(symbol)
        if status == "closed":
            mine = [o for o in self.queue if o.symbol == symbol]
            self.cancel_all(mine, "MARKET_CLOSED")

    def show(self, symbol: str) -> None:
        life = self.life[symbol]
        self.rows.append(("market", symbol, self.status[symbol], life.value, life.settle_at))

    def SetMarketStatus(self, s: c.SetMarketStatus) -> None:  # noqa: N802
        if (self.status[s.symbol], s.status) not in MOVES:
            self.answer("WRONG_STATE")
            return
        self.life[s.symbol].halt_until = 0
        self.enter(s.symbol, s.status)
        self.answer()

    def halts(self, m: Open) -> bool:
        life = self.life[m.symbol]
        if not life.band:
            return False
        seen = [(at, p) for at, p in life.seen if at >= self.now - life.window]
        life.seen = [*seen, (self.now, m.limit)]
        prices = [price for _, price in life.seen]
        if max(prices) - min(prices) <= life.band or self.status[m.symbol] != "active":
            return False
        life.seen, life.halt_until = [], self.now + life.halt
        self.enter(m.symbol, "paused")
        return True

    def Determine(self, d: c.Determine) -> None:  # noqa: N802
        life, status = self.life[d.symbol], self.status[d.symbol]
        if status not in {"closed", "disputed"} and not (status == "determined" and life.proposer):
            self.answer("WRONG_STATE")
            return
        life.value, life.proposer = d.value, "" if d.automatic else d.operator
        life.settle_at = self.now + life.timer if d.automatic else 0
        self.enter(d.symbol, "determined")
        self.answer()

    def Confirm(self, f: c.Confirm) -> None:  # noqa: N802
        life = self.life[f.symbol]
        if self.status[f.symbol] != "determined" or not life.proposer:
            self.answer("WRONG_STATE")
        elif life.proposer == f.operator:
            self.answer("SAME_OPERATOR")
        else:
            life.proposer, life.settle_at = "", self.now + life.timer
            self.show(f.symbol)
            self.answer()

    def Dispute(self, d: c.Dispute) -> None:  # noqa: N802
        if self.status[d.symbol] != "determined":
            self.answer("WRONG_STATE")
            return
        life = self.life[d.symbol]
        life.proposer, life.settle_at = "", 0
        self.enter(d.symbol, "disputed")
        self.answer()

    def Settle(self, s: c.Settle) -> None:  # noqa: N802
        life, status = self.life[s.symbol], self.status[s.symbol]
        if status != ("settled" if s.correction else "determined"):
            self.answer("WRONG_STATE")
        elif s.correction:
            self.answer(self.correct(s.symbol, s.value))
        elif life.proposer:
            self.answer("NOT_CONFIRMED")
        else:
            self.settle(s.symbol)
            self.answer()

    def settle(self, symbol: str) -> None:
        """Everybody with a position is paid."""
        life = self.life[symbol]
        life.settle_at = 0
        self.enter(symbol, "settled")
        life.paid = {}
        for (account, where), quantity in sorted(self.position.items()):
            if where == symbol and quantity:
                life.paid[account] = quantity
                del self.position[account, where]
                self.pay(account, quantity, life.value, Fraction(0))
        self.rows.append(("interest", symbol, *self.totals(symbol)))

    def payout(self, quantity: Fraction, value: int) -> Fraction:
        worth = Fraction(value, 10_000)
        return quantity * worth if quantity > 0 else -quantity * (1 - worth)

    def pay(self, account: str, quantity: Fraction, value: int, back: Fraction) -> None:
        """Pays what a position is worth, and takes back what was paid before."""
        paid = self.payout(quantity, value)
        self.cash[account] += paid - back
        free = money(self.free(account))
        self.rows.append(("settled", account, units(quantity, 100), value, money(paid), free))

    def correct(self, symbol: str, value: int) -> str:
        life = self.life[symbol]
        if value == life.value:
            return "INVALID_VALUE"
        for account, quantity in life.paid.items():
            change = self.payout(quantity, value) - self.payout(quantity, life.value)
            if self.free(account) + change < 0:
                return "INSUFFICIENT_BALANCE"
        before, life.value = life.value, value
        for account, quantity in sorted(life.paid.items()):
            self.pay(account, quantity, value, self.payout(quantity, before))
        self.show(symbol)
        return ""

    # --- busts

    def trade(self, m: Open, o: Open, quantity: Fraction) -> None:
        super().trade(m, o, quantity)
        self.last.setdefault(m.symbol, []).append((self.traded, m.limit))

    def refuses_bust(self, trade_id: int) -> str:
        """What is sure before it is tried: whether the accounts can pay is the core's to say."""
        if trade_id not in self.trades or self.traded_on[trade_id] < self.day - 1:
            return "TRADE_NOT_FOUND"
        return "WRONG_STATE" if self.status[self.trades[trade_id][0]] == "settled" else ""

    def BustTrade(self, b: c.BustTrade) -> None:  # noqa: N802
        reason = self.refuses_bust(b.trade_id)
        if reason:
            self.answer(reason)
            return
        symbol, price, quantity, *sides = self.trades.pop(b.trade_id)
        for o, (part, fee), liquidity in ((sides[0], sides[2], 1), (sides[1], sides[3], 2)):
            change, payout, closed = self.move(o, -quantity if o.buys else quantity, price)
            change += fee
            self.cash[o.account] += change
            o.exact -= part
            o.charged -= fee
            o.cum -= quantity
            o.spent -= price * quantity
            if o in self.queue:
                o.status = "1" if o.cum else "0"
            elif o.status != "C":
                o.status = "4"
            self.report(
                o, "H", "TRADE_BUSTED", qty=units(quantity, 100), px=units(price, 10_000),
                trade=b.trade_id, liquidity=liquidity, fee=-money(fee), change=money(change),
                payout=money(payout),
            )  # fmt: skip
            if closed:
                self.uncover(o)
        self.volume[symbol] -= quantity
        self.last[symbol] = [each for each in self.last[symbol] if each[0] != b.trade_id]
        last = self.last[symbol][-1][1] if self.last[symbol] else Fraction(0)
        self.rows.append(("busted", b.trade_id, *self.totals(symbol), units(last, 10_000)))
        self.answer()
