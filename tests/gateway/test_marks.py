"""What is told again after a lane has moved: everything its client has not surely read."""

from types import SimpleNamespace
from typing import Any

from kalshi_fix.adapters.fix_store import NextNumbers
from kalshi_fix.processes.gateway_hold import Mark
from kalshi_fix.processes.gateway_marks import Marks

NAME = "ALPHA-RT"
REPEAT_SECONDS = 60.0


class World:
    """One session, a second at a time: an event and a report of it each."""

    def __init__(self, *, here: bool) -> None:
        self.marks = Marks(REPEAT_SECONDS)
        self.now = 1_000.0
        self.event = 0
        outbox = SimpleNamespace(is_here=here)
        self.link: Any = SimpleNamespace(
            name=NAME, outbox=outbox, said_logout=False, logged_on_at=self.now
        )

    def seconds(self, count: int, *, told: bool = True) -> None:
        for _ in range(count):
            self.now += 1.0
            self.event += 1
            number = self.event if told else 1
            numbers = {NAME: NextNumbers(number, number * 10)}
            self.marks.turn(self.now, {NAME: self.link}, [self.event], numbers)

    @property
    def mark(self) -> Mark:
        return self.marks.marks[NAME]


def test_a_client_that_is_there_has_read_what_it_was_told_a_while_ago() -> None:
    world = World(here=True)
    world.seconds(200)
    assert world.mark == Mark(140, [140], 1_400)


def test_a_client_that_has_just_come_is_believed_only_later() -> None:
    world = World(here=False)
    world.seconds(100)
    world.link.outbox.is_here, world.link.logged_on_at = True, world.now
    before = world.mark
    world.seconds(59)
    assert world.mark == before
    world.seconds(10)
    assert world.mark.events[0] > 100


def test_what_is_told_to_nobody_stays_to_be_told() -> None:
    world = World(here=True)
    world.seconds(100)
    world.link.outbox.is_here = False
    world.seconds(500)
    assert world.mark.events == [40]


def test_a_client_that_logged_out_has_read_everything_before() -> None:
    world = World(here=True)
    world.seconds(100)
    world.link.outbox.is_here, world.link.said_logout = False, True
    world.seconds(500)
    assert world.mark.events == [100]


def test_a_session_that_was_told_nothing_misses_nothing() -> None:
    world = World(here=False)
    world.seconds(500, told=False)
    assert world.mark.events == [500]
