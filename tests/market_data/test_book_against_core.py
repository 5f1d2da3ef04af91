"""What clients rebuild from W and X is what the core's book is, at random moments of random flow.

The whole way without a store: core, publisher, service, clients of every depth, some slow, some
that lose their place and subscribe again.
"""

import random
from decimal import Decimal

import pytest
from core.core_venue import SIDES, Venue
from market_data_parts import BookClient, request, view

from kalshi_fix.fix.decimal_text import price_text, quantity_text
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.messages.batch import EventEntry
from kalshi_fix.services.market_data import MarketData, MarketDataLimits
from kalshi_fix.services.market_data_publication import Publication
from kalshi_fix.services.policy import Policy
from kalshi_fix.services.throttle import Throttle

SYMBOLS = ("M", "N")
FIRMS = ("ALPHA", "BRAVO", "CHARLIE")
DEPTHS = {"full": 0, "top": 1, "three": 3, "slow": 0}
AT = 1
STEPS = 250


class System:
    """A core, and everything between it and MD clients."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - chooses orders
        self.venue = Venue()
        self.venue.market("N")
        self.publication = Publication()
        self.queued: dict[str, int] = {}
        limits = MarketDataLimits(conflate_after_messages=4)
        backlog = self.queued.get
        self.service = MarketData(Policy(Throttle({})), lambda name: backlog(name, 0), limits)
        self.clients = {name: BookClient() for name in DEPTHS}
        self.refreshed: dict[str, FixMessage] = {}  # what the 265=0 subscriber holds
        self.listed: list[str] = []
        self.states: dict[str, str] = {}
        self._entries = self._seen = self._number = 0
        self.flow()
        for name in DEPTHS:
            self.subscribe(name)
        asked = request("W", update="0", types="01BC", symbols=SYMBOLS)
        self.refresh(self.ask("whole", asked))
        self.ask("list", "35=x|320=L|559=4|263=1")
        for symbol in SYMBOLS:
            self.ask("list", f"35=e|324=S{symbol}|55={symbol}|263=1")

    # --- the way

    def ask(self, session: str, text: str) -> list[FixMessage]:
        fields = [part.partition("=") for part in text.split("|")]
        message = FixMessage(fields[0][2], [(int(tag), value) for tag, _, value in fields[1:]])
        return self.service.on_message(view(session), message, AT).replies

    def subscribe(self, name: str) -> None:
        """Anew: whatever went before, the W is the true book and what follows goes on from it."""
        self.ask(name, request(kind="2"))
        asked = request(depth=DEPTHS[name], types="012BC", symbols=SYMBOLS)
        for answer in self.ask(name, asked):
            self.clients[name].take(answer)

    def refresh(self, messages: list[FixMessage]) -> None:
        self.refreshed |= {message.get(55): message for message in messages}

    def flow(self) -> None:
        """What the core has done since goes all the way."""
        events = self.venue.events[self._seen :]
        self._seen = len(self.venue.events)
        if not events:
            return
        self.publication.take(EventEntry.from_events(b"", events).pack())
        for event in events:
            self.service.on_event(event)
        payload = self.publication.changes()
        if payload is None:
            return
        self._entries += 1
        self.publication.changes_written(f"{self._entries}-0")
        self.deliver(self.service.on_feed("s0", payload))

    def deliver(self, sent: list[tuple[str, FixMessage]]) -> None:
        for session, message in sent:
            if message.msg_type == "y":
                self.listed.append(message.get(55))
            elif message.msg_type == "f":
                self.states[message.get(55)] = message.get(326)
            elif session == "whole":
                self.refresh([message])
            else:
                self.clients[session].take(message)

    def drain(self) -> None:
        self.queued.clear()
        self.deliver(self.service.on_idle())

    # --- what happens

    def quantity(self) -> Decimal:
        return Decimal(self.chance.randint(1, 300)) / 100

    def act(self) -> None:
        chance, venue = self.chance, self.venue
        self._number += 1
        firm, symbol, side = chance.choice(FIRMS), chance.choice(SYMBOLS), chance.choice([*SIDES])
        name, earlier = f"{firm}{self._number}", f"{firm}{chance.randint(1, self._number)}"
        enter = venue.buy if side == "buy" else venue.sell
        draw = chance.random()
        if draw < 0.55:
            enter(firm, name, self.quantity(), chance.randint(45, 55), symbol=symbol)
        elif draw < 0.7:
            venue.cancel(firm, name, earlier, side, symbol=symbol)
        elif draw < 0.82:
            price = chance.randint(45, 55)
            venue.replace(firm, name, earlier, side, self.quantity(), price, symbol=symbol)
        elif draw < 0.86:
            venue.mass_cancel(firm, name)
        elif draw < 0.9 and venue.exchange.state.trades:
            venue.admin(c.BustTrade, chance.choice([*venue.exchange.state.trades]))
        elif draw < 0.95:
            state = venue.exchange.state.markets[symbol].status
            venue.admin(c.SetMarketStatus, symbol, "paused" if state == "active" else "active")
        elif draw < 0.97:
            self.queued["slow"] = 5
        elif draw < 0.98:
            self.subscribe(chance.choice(("full", "top", "three")))
        else:
            venue.market(f"NEW-{self._number}")

    # --- the truth

    def book(self, symbol: str, kind: str, count: int) -> list[tuple[str, str, str]]:
        market = self.venue.exchange.state.markets[symbol]
        side = market.bids if kind == "0" else market.offers
        levels = [
            (price_text(x.price), quantity_text(x.quantity), str(len([*x.queue()])))
            for x in side.occupied()
        ]
        return levels[:count] if count else levels

    def check(self) -> None:
        for symbol in SYMBOLS:
            market = self.venue.exchange.state.markets[symbol]
            totals = [quantity_text(market.volume), quantity_text(market.open_interest)]
            for name, count in DEPTHS.items():
                client = self.clients[name]
                for kind in "01":
                    assert client.best(symbol, kind) == self.book(symbol, kind, count), name
                assert [client.totals[symbol, kind] for kind in "BC"] == totals, name
            whole = BookClient()
            whole.take(self.refreshed[symbol])
            for kind in "01":
                assert whole.best(symbol, kind) == self.book(symbol, kind, 0)
            ready = {"17", "3"} if market.status == "active" else {"2"}
            assert self.states.get(symbol, "17") in ready


@pytest.mark.parametrize("seed", range(8))
def test_every_client_holds_the_cores_book_whenever_one_looks(seed: int) -> None:
    system = System(seed)
    looks = 0
    for _ in range(STEPS):
        for _ in range(system.chance.randint(1, 4)):  # commands of one batch
            system.act()
        system.flow()
        if system.chance.random() < 0.3:
            system.drain()
            system.check()
            looks += 1
    system.drain()
    system.check()
    new = {event.symbol for event in system.venue.events if isinstance(event, e.MarketChanged)}
    assert looks > 20
    assert set(system.listed) == new - set(SYMBOLS), "each new market was told, once"
    assert len(system.listed) == len(set(system.listed))
