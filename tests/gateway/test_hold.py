"""Who serves a lane: the directory that did, or the one that has waited long enough."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kalshi_fix.adapters.bus import FencedError, LaneRecord
from kalshi_fix.adapters.logs import open_log
from kalshi_fix.adapters.memory_bus import MemoryStore
from kalshi_fix.adapters.settings import LogSettings
from kalshi_fix.processes.gateway_hold import LaneHold, Mark, Note
from kalshi_fix.processes.gateway_state import LaneStateError

READER = "gateway:gw1"
LOG = open_log("test", LogSettings(stderr_level="critical"))


class Machines:
    """Directories with one store."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = MemoryStore()
        self.bus = self.store.connect("s0")

    def hold(self, name: str, silent_seconds: float = 60.0) -> LaneHold:
        return LaneHold.of(READER, self.store.connect("s0"), self.root / name, silent_seconds, LOG)

    def record(self, hold: LaneHold, boot: int) -> None:
        marks = {"A-RT": Mark(7, [3], 5)}
        note = Note(hold.identity, boot, {"A-RT": 9}, marks, [], {"sessions.json": "{}"})
        self.bus.set_position(READER, boot, boot, hold.record(note))


@pytest.fixture
def machines(tmp_path: Path) -> Machines:
    return Machines(tmp_path)


def never(_seconds: float) -> bool:
    time.sleep(0.001)
    return False


def turns(count: int) -> Callable[[float], bool]:
    """Told to stop after so many looks."""
    left = iter(range(count))
    return lambda _seconds: next(left, None) is None


def test_the_directory_that_served_last_waits_for_nobody(machines: Machines) -> None:
    first = machines.hold("one")
    assert first.take(turns(0))
    machines.record(first, 4)
    again = machines.hold("one")
    assert again.take(turns(0))
    assert again.note is not None
    assert (again.is_moved, again.note.boot) == (False, 4)
    assert again.note.marks == {"A-RT": Mark(7, [3], 5)}


def test_another_directory_waits_while_the_first_speaks(machines: Machines) -> None:
    first, second = machines.hold("one"), machines.hold("two", silent_seconds=0.2)
    assert first.take(turns(0))
    spoken = iter(range(1, 10_000))

    def speaking(_seconds: float) -> bool:
        machines.record(first, next(spoken))
        return next(looks, None) is None

    looks = iter(range(500))
    assert not second.take(speaking)
    assert machines.bus.lane(READER).holder == first.identity


def test_a_silent_holder_is_replaced_and_can_record_nothing_more(machines: Machines) -> None:
    first, second = machines.hold("one"), machines.hold("two", silent_seconds=0.05)
    assert first.take(turns(0))
    machines.record(first, 1)
    assert second.take(never)
    assert second.is_moved
    with pytest.raises(FencedError):
        machines.record(first, 2)


def test_who_stops_cleanly_is_waited_for_by_nobody(machines: Machines) -> None:
    first, second = machines.hold("one"), machines.hold("two")
    assert first.take(turns(0))
    machines.record(first, 1)
    first.release()
    assert second.take(turns(0))
    assert second.is_moved


def test_a_store_that_is_away_makes_nobody_silent(machines: Machines) -> None:
    first, second = machines.hold("one"), machines.hold("two", silent_seconds=0.1)
    assert first.take(turns(0))
    machines.record(first, 1)
    machines.store.down = True
    looks = iter(range(300))

    def waiting(_seconds: float) -> bool:
        time.sleep(0.001)
        return next(looks, None) is None

    waiter = threading.Thread(target=second.take, args=(waiting,))
    waiter.start()
    waiter.join(30)
    machines.store.down = False
    assert machines.bus.lane(READER).holder == first.identity


def test_a_note_that_cannot_be_read_is_said_so(machines: Machines) -> None:
    first = machines.hold("one")
    assert first.take(turns(0))
    machines.bus.set_position(READER, 1, 1, LaneRecord(first.identity, b"damaged"))
    with pytest.raises(LaneStateError, match="cannot be read"):
        machines.hold("one").take(turns(0))
