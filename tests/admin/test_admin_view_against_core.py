"""The operator's picture, made of events, is what the core holds: after a long random day."""

from random import Random
from typing import Any

import pytest

from kalshi_fix.core.exchange import Exchange
from kalshi_fix.messages import commands as c
from kalshi_fix.messages.batch import EventEntry
from kalshi_fix.services.admin_saved import pack, unpack
from kalshi_fix.services.admin_view import ShardView

HEAD = ("op", "test", 1)
SYMBOLS = ("KXA", "KXB")
ACCOUNTS = ("A-1", "A-2", "B-1")
SESSIONS = {"A-RT": ("A", ("A-1", "A-2")), "B-RT": ("B", ("B-1",))}


class Day:
    """A core and a view fed with its events, through the packed form of the bus."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        self.view = ShardView()
        self.requests = 0
        self.seq = 0
        self.trades: list[int] = []

    def apply(self, command: c.Command) -> None:
        events = self.exchange.apply(command)
        if not events:
            return
        entry = EventEntry.unpack(EventEntry.from_events(b"", events).pack())
        for event in [*entry.market_events(), *entry.events()]:
            self.view.apply(event)
            if type(event).__name__ == "Traded":
                self.trades.append(event.trade_id)

    def operate(self, command: type[Any], *args: Any, operator: str = "op") -> None:
        self.requests += 1
        self.apply(command(f"R{self.requests}", operator, "test", 1, *args))

    def set_up(self) -> None:
        self.apply(c.AdvanceTime(1))
        for firm in ("A", "B"):
            self.operate(c.DefineFirm, firm)
        for account in ACCOUNTS:
            self.operate(c.DefineAccount, account, account[0])
            self.operate(c.Deposit, account, 200_000_000)
        self.operate(c.DefineSeries, "KX")
        for symbol in SYMBOLS:
            self.operate(c.DefineMarket, symbol, "KX", "KX", symbol)
        for counter, (session, (firm, accounts)) in enumerate(SESSIONS.items()):
            self.operate(c.DefineSession, session, session, "KalshiRT", "RT", firm, accounts)
            self.apply(
                c.SessionOpened(
                    "gw", 1, counter, 1, session, "c", False, -1, False, False, False, 0
                )
            )

    def trade(self, random: Random) -> None:
        session = random.choice(list(SESSIONS))
        _, accounts = SESSIONS[session]
        epoch = self.exchange.state.sessions[session].epoch
        self.seq += 1
        symbol = random.choice(SYMBOLS)
        if random.random() < 0.15:
            self.apply(
                c.MassCancel(
                    session, epoch, self.seq, 1, f"q{self.seq}", "1", symbol, 0, "", False, False
                )
            )
            return
        self.apply(
            c.NewOrder(
                session, epoch, self.seq, 1, 1, 0, f"o{self.seq}", symbol, random.choice((1, 2)),
                random.randrange(100, 5_000), 2, random.randrange(3_000, 7_000, 100),
                random.choice((1, 1, 1, 3)), 0, random.choice(accounts), 0, "",
                random.choice((1, 2, 3)), False, 0,
            )
        )  # fmt: skip

    def assert_seen_as_it_is(self) -> None:
        state = self.exchange.state
        for name, account in state.accounts.items():
            seen = self.view.accounts[name]
            assert (seen.cash, seen.held) == (account.cash, account.held), name
            held = {s: p.quantity for s, p in account.positions.items() if p.quantity}
            assert seen.positions == held, name
            assert seen.open_orders == account.open_orders, name
        for symbol, market in state.markets.items():
            shown = self.view.markets[symbol]
            assert (shown.volume, shown.open_interest) == (market.volume, market.open_interest)
            assert shown.last_price == market.last_price
            assert shown.definition.status == market.status


@pytest.mark.parametrize("seed", range(5))
def test_cash_holds_positions_and_markets_are_those_of_the_core(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - the same day for the same seed
    day = Day()
    day.set_up()
    for step in range(400):
        day.trade(random)
        if step % 50 == 49:
            day.view = unpack(pack(day.view))  # a restart of the service in between
        if step % 40 == 39:
            day.operate(c.BustTrade, random.choice((day.trades[-1], *day.trades)))
        day.assert_seen_as_it_is()
    assert len(day.trades) > 50
    for symbol in SYMBOLS:
        day.operate(c.SetMarketStatus, symbol, "closed")
        day.operate(c.Determine, symbol, 10_000, "x", "")
        day.operate(c.Confirm, symbol, operator="op2")
        day.operate(c.Settle, symbol)
        day.assert_seen_as_it_is()
        day.operate(c.Settle, symbol, True, 9_000, "x", "")
        day.assert_seen_as_it_is()
    assert all(not account.positions for account in day.view.accounts.values())
    assert day.view.holds == {}
