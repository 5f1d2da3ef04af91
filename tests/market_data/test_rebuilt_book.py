"""A client's book, rebuilt from W and X, is the true book at every moment, whatever happens."""

from hypothesis import given, settings
from hypothesis import strategies as st
from market_data_parts import BUY, SELL, BookClient, System, request

from kalshi_fix.fix.decimal_text import price_text, quantity_text
from kalshi_fix.services.depth import Depth
from kalshi_fix.services.market_data import MarketDataLimits
from kalshi_fix.services.market_data_format import pack_book

SYMBOLS = ("KXTEST-A", "KXTEST-B")
LEVEL = st.tuples(
    st.sampled_from(SYMBOLS), st.sampled_from((BUY, SELL)), st.integers(1, 8), st.integers(0, 3)
)
WHAT_MAY_HAPPEN = st.lists(
    st.one_of(
        st.lists(LEVEL, min_size=1, max_size=6),
        st.sampled_from(["trade", "slow", "drained", "lose", "publish", "subscribe"]),
    ),
    max_size=30,
)


def expected(depth: Depth, count: int) -> list[list[tuple[str, str, str]]]:
    return [
        [
            (price_text(level.price), quantity_text(level.quantity), str(level.orders))
            for level in (ladder.levels[:count] if count else ladder.levels)
        ]
        for ladder in (depth.bids, depth.offers)
    ]


class Watched:
    """A system with a client for each depth; levels of both sides may stand anywhere."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.system = System(MarketDataLimits(conflate_after_messages=4, pending_changes_max=5))
        for symbol in SYMBOLS:
            self.system.tape.market(symbol)
        self.system.flow()
        self.client = BookClient()
        self.subscribe()

    def subscribe(self) -> None:
        if self.system.queued.get("ALPHA-MD"):
            return  # what is queued before the snapshot would be applied after it
        self.system.ask(request(kind="2"))
        for answer in self.system.ask(request(depth=self.depth, types="012B", symbols=SYMBOLS)):
            self.client.take(answer)

    def step(self, what: object) -> None:
        system = self.system
        if isinstance(what, list):
            for symbol, side, tick, quantity in what:
                system.tape.level(side, tick * 100, quantity * 700, symbol)
            self.receive(system.flow())
        elif what == "trade":
            system.tape.trade(500, 100, SYMBOLS[0])
            self.receive(system.flow())
        elif what == "slow":
            system.queued["ALPHA-MD"] = 5
        elif what == "drained":
            self.drain()
        elif what == "lose":  # an entry of the feed never arrives
            system.tape.level(BUY, 300, 100, SYMBOLS[0])
            system.tape.level(SELL, 400, 0, SYMBOLS[0])
            system.publish()
        elif what == "publish":
            for depth in list(system.publication.depths.values()):
                system.tape.published(depth)
            self.receive(system.flow())
        else:
            self.subscribe()

    def receive(self, messages: list) -> None:  # type: ignore[type-arg]
        for message in messages:
            self.client.take(message)

    def drain(self) -> None:
        self.system.queued.clear()
        self.receive([message for _, message in self.system.service.on_idle()])

    def repair(self) -> None:
        """What the feed thread does when entries were missed."""
        follower = self.system.service.follower
        if follower.needs_reload("s0") or follower.wanted("s0"):
            for depth in self.system.publication.depths.values():
                sent = self.system.service.on_book("s0", pack_book(depth))
                self.receive([message for _, message in sent])
            follower.start("s0", self.system.publication.number)

    def check(self) -> None:
        for symbol in SYMBOLS:
            true = self.system.publication.depths[symbol]
            seen = [self.client.best(symbol, kind) for kind in "01"]
            assert seen == expected(true, self.depth)


@settings(max_examples=150, deadline=None)
@given(depth=st.sampled_from([0, 1, 2, 5]), steps=WHAT_MAY_HAPPEN)
def test_book_rebuilt_from_w_and_x_is_the_true_book(depth: int, steps: list[object]) -> None:
    watched = Watched(depth)
    lost = False
    for step in steps:
        watched.step(step)
        lost = lost or step == "lose"
        if not lost and not watched.system.queued:
            watched.drain()  # a caught-up session is released before the next change
            watched.check()
    watched.step([(symbol, BUY, 1, 1) for symbol in SYMBOLS])  # a hole shows with the next change
    watched.drain()
    watched.repair()
    watched.check()


@settings(max_examples=50, deadline=None)
@given(steps=WHAT_MAY_HAPPEN)
def test_a_restarted_publisher_holds_the_same_depths(steps: list[object]) -> None:
    watched = Watched(0)
    for step in steps:
        watched.step(step)
    publication = watched.system.publication
    for depth in publication.depths.values():
        assert Depth.from_plain(depth.to_plain()) == depth
