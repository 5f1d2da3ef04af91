import threading
import time
from collections.abc import Callable
from typing import Self

import pytest
from attrs import define, field
from market_data_parts import AT, BUY, SELL, SYMBOL, BookClient, Tape, request, view

from kalshi_fix.adapters.bus import Bus, BusDownError, Entry, Offset
from kalshi_fix.adapters.logs import open_log
from kalshi_fix.adapters.metrics import Metrics
from kalshi_fix.adapters.settings import LogSettings, MarketDataSettings
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.messages.batch import CommandBatch, EventEntry
from kalshi_fix.messages.commands import PublishDepth
from kalshi_fix.messages.events import ExchangeChanged
from kalshi_fix.processes.market_data_feed import FeedTarget, MarketDataFeed
from kalshi_fix.processes.marketdata import Meters, ShardPublisher
from kalshi_fix.services.depth import Depth
from kalshi_fix.services.market_data import MarketData
from kalshi_fix.services.market_data_format import (
    INDEX_KEY,
    POSITION_KEY,
    unpack_book,
    unpack_index,
    unpack_position,
)
from kalshi_fix.services.policy import Policy
from kalshi_fix.services.throttle import Throttle

Connect = Callable[[], Bus]
LOG = open_log("test", LogSettings(level="critical"))
SETTINGS = MarketDataSettings(snapshot_interval_ms=1, ask_depth_seconds=0.0)


@define
class Core:
    """Commits a tape's events, as the leading core does."""

    bus: Bus
    tape: Tape = field(factory=Tape)
    token: str = ""
    offset: Offset = field(factory=Offset)

    def commit(self) -> None:
        if not self.token:
            state = self.bus.acquire("test", 60_000)
            assert state is not None
            self.token = state.token
        payload = self.tape.entry()
        number = EventEntry.unpack(payload).last
        after = Offset(f"{number}-0")
        self.bus.commit(self.token, self.offset, after, [Entry(f"{number}-0", payload)], 60_000)
        self.offset = after


def publisher(connect: Connect) -> ShardPublisher:
    return ShardPublisher(connect, SETTINGS, 1, Meters(Metrics("test")), LOG)


def settle(publishing: ShardPublisher) -> None:
    """Rounds until everything is out."""
    for _ in range(100):
        publishing.step()
        publication = publishing.publication
        assert publication is not None
        if not publication.books_due and publication.number == newest(publishing):
            return
    pytest.fail("the publisher does not settle")


def newest(publishing: ShardPublisher) -> int:
    entry = publishing._bus.last_event()
    return int(entry.id.partition("-")[0]) if entry else 0


@pytest.fixture
def core(connect: Connect) -> Core:
    core = Core(connect())
    core.tape.market()
    core.tape.level(BUY, 4500, 100)
    core.tape.level(SELL, 4700, 300)
    core.commit()
    return core


def book(bus: Bus) -> Depth:
    return unpack_book(bus.get_books([SYMBOL])[SYMBOL])


def test_changes_and_books_are_published(connect: Connect, core: Core) -> None:
    publishing = publisher(connect)
    settle(publishing)
    bus = connect()
    (entry,) = bus.read_market_data("0-0", 10, 0)
    found = bus.get_books([INDEX_KEY, POSITION_KEY])
    assert unpack_index(found[INDEX_KEY]) == [SYMBOL]
    position = unpack_position(found[POSITION_KEY])
    assert (position.entry_id, position.number) == (entry.id, 3)
    assert [level.price for level in book(bus).bids] == [4500]
    assert book(bus).change == 3
    assert bus.positions()["marketdata"].number in {0, 3}  # recorded about once a second
    assert core.tape.number == 3


def test_a_restarted_publisher_continues_where_it_was(connect: Connect, core: Core) -> None:
    settle(publisher(connect))
    core.tape.level(BUY, 4600, 500)
    core.commit()
    again = publisher(connect)
    settle(again)
    bus = connect()
    assert [level.price for level in book(bus).bids] == [4600, 4500]
    assert len(bus.read_market_data("0-0", 10, 0)) == 2
    assert again.publication is not None
    assert again.publication.events_total == 1


def test_a_publisher_that_died_between_changes_and_books_repeats(
    connect: Connect, core: Core
) -> None:
    settle(publisher(connect))
    core.tape.level(BUY, 4600, 500)
    core.commit()
    bus = connect()
    dying = publisher(connect)
    dying._books_at = time.monotonic() + 60  # no snapshot any more
    dying.step()
    assert len(bus.read_market_data("0-0", 10, 0)) == 2
    settle(publisher(connect))
    assert len(bus.read_market_data("0-0", 10, 0)) == 3  # the change once more, harmless
    assert [level.price for level in book(bus).bids] == [4600, 4500]


def test_events_behind_the_trim_point_are_asked_of_the_core(connect: Connect, core: Core) -> None:
    core.tape.level(BUY, 4600, 500)
    core.commit()
    bus = connect()
    bus.trim("0-0", core.tape.number)  # the definition is gone before anybody read it
    publishing = publisher(connect)
    publishing.step()
    (command,) = CommandBatch.unpack(bus.read_commands("0-0", 10, 0)[0].payload).commands
    assert isinstance(command, PublishDepth)
    assert command.symbol == ""
    true = Depth(SYMBOL)
    for price, quantity in ((4600, 500), (4500, 100)):
        true.bids.set(price, quantity, 1, 0)
    core.tape.published(true)
    core.commit()
    settle(publishing)
    assert [level.price for level in book(bus).bids] == [4600, 4500]
    assert publishing.publication is not None
    assert not publishing.publication.lost


class Feed:
    """The service on a running feed thread, and what one session received."""

    def __init__(self, connect: Connect) -> None:
        self.lock = threading.Lock()
        self.received: list[FixMessage] = []
        self.service = MarketData(Policy(Throttle({})), lambda _: 0)
        target = FeedTarget(self.service, self.lock, lambda _, message: self.receive(message))
        self.feed = MarketDataFeed(connect, target, LOG)
        self.client = BookClient()
        self.thread = threading.Thread(target=self.feed.run)

    def receive(self, message: FixMessage) -> None:
        self.received.append(message)
        self.client.take(message)

    def __enter__(self) -> Self:
        self.thread.start()
        assert self.feed.loaded.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self.feed.stop()
        self.thread.join(5)
        assert not self.thread.is_alive()

    def ask(self, text: str) -> list[FixMessage]:
        fields = [part.partition("=") for part in text.split("|")]
        message = FixMessage(fields[0][2], [(int(tag), value) for tag, _, value in fields[1:]])
        return self.service.on_message(view("ALPHA-MD"), message, AT).replies

    def subscribe(self) -> None:
        with self.lock:
            for reply in self.ask(request()):
                self.receive(reply)

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline, "the feed does not bring it"
            time.sleep(0.005)


def test_a_subscriber_follows_the_exchange(connect: Connect, core: Core) -> None:
    publishing = publisher(connect)
    settle(publishing)
    with Feed(connect) as feed:
        feed.subscribe()
        for quantity in range(100, 2000, 100):
            core.tape.level(BUY, 4600, quantity)
            core.commit()
            settle(publishing)
        feed.wait(lambda: feed.client.best(SYMBOL, "0")[:1] == [("0.4600", "19.00", "2")])
        assert [message.msg_type for message in feed.received[:2]] == ["W", "X"]


def test_a_feed_that_starts_before_the_publisher_hears_everything(
    connect: Connect, core: Core
) -> None:
    with Feed(connect) as feed:
        settle(publisher(connect))
        feed.wait(lambda: SYMBOL in feed.service.follower.depths)
        feed.subscribe()
        assert feed.client.best(SYMBOL, "1") == [("0.4700", "3.00", "1")]
    assert core.tape.number == 3


def test_a_feed_that_missed_entries_takes_the_books(connect: Connect, core: Core) -> None:
    publishing = publisher(connect)
    settle(publishing)
    with Feed(connect) as feed:
        feed.subscribe()
        with feed.lock:  # the feed stands still while the stream is cut behind it
            feed.service.follower._last.clear()
        core.tape.level(BUY, 4600, 200)
        core.commit()
        settle(publishing)
        feed.wait(lambda: feed.client.best(SYMBOL, "0")[:1] == [("0.4600", "2.00", "1")])
        feed.wait(lambda: not feed.service.follower.needs_reload(publishing.shard))


def test_a_pause_of_the_exchange_is_known_after_a_restart(connect: Connect, core: Core) -> None:
    core.tape.number += 1
    core.tape.pending.append(
        ExchangeChanged(
            core.tape.number, AT, paused=True, killed=False, trading_day=0, day_ends_at=0
        )
    )
    core.commit()
    settle(publisher(connect))
    with Feed(connect) as feed:
        request_text = f"35=e|324=S1|263=0|55={SYMBOL}"
        (answer,) = feed.ask(request_text)
        assert answer.get(326) == "2"


def test_a_store_that_is_away_is_waited_for(connect: Connect, core: Core) -> None:
    publishing = publisher(connect)
    settle(publishing)
    publishing._bus.close()
    with pytest.raises(BusDownError):
        publishing.step()
    stop = threading.Event()
    thread = threading.Thread(target=publishing.run, args=(stop,))
    thread.start()
    core.tape.level(BUY, 4600, 200)
    core.commit()
    bus = connect()
    deadline = time.monotonic() + 5
    while len(book(bus).bids) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert publishing.is_live
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
