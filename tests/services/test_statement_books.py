"""A firm's books, summed up from its events alone, are the ledger's: random flow, two days."""

import random
from collections.abc import Iterable
from decimal import Decimal

import pytest
from core.core_venue import DATE, DOLLAR, GTC, Venue
from msgspec.structs import replace

from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.services.statement_books import Books, BooksError, Day
from kalshi_fix.services.statements import ShardDay, end_of_day

FIRMS = ("ALPHA", "BRAVO", "CHARLIE")
DAY = 0


def act(venue: Venue, chance: random.Random, number: int) -> None:
    """One request at random: nearly everything that can move money."""
    firm, side = chance.choice(FIRMS), chance.choice(("buy", "sell"))
    quantity = Decimal(chance.randint(1, 900)) / 100
    name, price = f"{firm}{number}", chance.randint(46, 54)
    draw = chance.random()
    if draw < 0.6:
        enter = venue.buy if side == "buy" else venue.sell
        enter(firm, name, quantity, price, tif=chance.choice((GTC, GTC, DAY)))
    elif draw < 0.7:
        venue.cancel(firm, name, f"{firm}{chance.randrange(number)}", side)
    elif draw < 0.8:
        earlier = f"{firm}{chance.randrange(number)}"
        venue.replace(firm, name, earlier, side, quantity, price)
    elif draw < 0.9 and venue.exchange.state.trades:
        venue.admin(c.BustTrade, chance.choice(list(venue.exchange.state.trades)))
    elif draw < 0.95:
        venue.admin(c.Deposit, firm, chance.randint(1, 10_000) * 1_000)
    else:
        venue.admin(c.Withdraw, firm, chance.randint(1, 10_000) * 1_000)


def two_days(seed: int, steps: int) -> Venue:
    """A day, a settlement that is corrected the day after, and more."""
    chance = random.Random(seed)  # noqa: S311 - chooses orders
    venue = Venue(taker=70_000, maker=-10_000)
    for number in range(1, steps):
        act(venue, chance, number)
    venue.advance(3_600)
    venue.admin(c.StartTradingDay, DATE + 1, venue.now + 3_600_000_000_000)
    for number in range(steps, steps + steps // 2):
        act(venue, chance, number)
    venue.admin(c.SetMarketStatus, "M", "closed")
    venue.admin(c.Determine, "M", 6_000, "test", "", automatic=True)
    venue.admin(c.Settle, "M")
    venue.admin(c.Settle, "M", correction=True, value=5_500)
    return venue


def folded(events: Iterable[e.Event], books: dict[str, Books]) -> dict[str, list[Day]]:
    days: dict[str, list[Day]] = {firm: [] for firm in books}
    for event in events:
        if isinstance(event, e.ExchangeChanged) and event.trading_day > books["ALPHA"].day.date:
            for firm, each in books.items():
                days[firm].append(each.turn(event.trading_day))
        elif isinstance(event, e.AccountChanged):
            books[event.owner].open_account(event.name)
        elif getattr(event, "firm", "") in books:
            books[getattr(event, "firm", "")].take(event)
    return days


def fresh() -> dict[str, Books]:
    return {firm: Books(firm) for firm in FIRMS}


@pytest.mark.parametrize("seed", range(6))
def test_the_books_are_the_ledgers(seed: int) -> None:
    venue = two_days(seed, 150)
    books = fresh()
    folded(venue.events, books)
    last = {firm: each.turn(DATE + 2) for firm, each in books.items()}
    state = venue.exchange.state
    assert any(day.fills for day in last.values())
    for account in state.accounts.values():
        closing = last[account.firm.name].closing
        balance = closing.balances[account.name]
        assert (balance.cash - balance.held, balance.held) == (account.cash, account.held)
        told = {s: p.quantity for s, p in account.positions.items() if p.quantity}
        assert {s: q for (a, s), q in closing.positions.items() if a == account.name} == told
    for firm, day in last.items():
        orders = [
            order
            for session in state.sessions.values()
            if session.firm.name == firm
            for order in session.open.values()
        ]
        assert {o.order_id: (o.leaves, o.hold) for o in orders} == {
            n: (o.leaves_qty, o.hold) for n, o in day.closing.orders.items()
        }


@pytest.mark.parametrize("seed", range(3))
def test_every_day_adds_up_and_the_next_begins_where_it_ended(seed: int) -> None:
    venue = two_days(seed, 120)
    books = fresh()
    days = folded(venue.events, books)
    for firm in FIRMS:
        seeded, first = days[firm]
        second = books[firm].turn(DATE + 2)
        assert (seeded.date, first.date, second.date) == (0, DATE, DATE + 1)
        assert second.opening == first.closing
        (summary, *_) = end_of_day([ShardDay(0, second)])
        assert summary.records()[0]["Account"] == firm
        assert first.movements[0].kind == "DEPOSIT"
        assert first.movements[0].amount == 1_000 * DOLLAR


def test_books_kept_over_midnight_go_on_as_if_nothing_had_been() -> None:
    venue = two_days(7, 150)
    whole, parted = fresh(), fresh()
    folded(venue.events, whole)
    midnight = next(
        n
        for n, event in enumerate(venue.events)
        if isinstance(event, e.ExchangeChanged) and event.trading_day == DATE + 1
    )
    folded(venue.events[: midnight + 1], parted)
    again = {firm: Books.load(books.dump()) for firm, books in parted.items()}
    folded(venue.events[midnight + 1 :], again)
    for firm in FIRMS:
        assert again[firm].turn(DATE + 2) == whole[firm].turn(DATE + 2)


def test_a_report_that_is_missing_or_changed_is_found() -> None:
    venue = two_days(3, 60)
    trade = next(n for n, event in enumerate(venue.events) if getattr(event, "last_qty", 0))
    altered = venue.events.copy()
    event = altered.pop(trade)
    with pytest.raises(BooksError):
        folded(altered, fresh())
    assert isinstance(event, e.Execution)
    altered.insert(trade, replace(event, cash_change=event.cash_change + 1))
    with pytest.raises(BooksError):
        folded(altered, fresh())
