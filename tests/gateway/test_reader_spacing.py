"""A lane's reader lets events gather only where nobody here waits, while they keep coming."""

import itertools
import time
from collections.abc import Callable

from gateway_support import wait_until

from kalshi_fix.adapters.bus import Entry
from kalshi_fix.adapters.logs import open_log
from kalshi_fix.adapters.settings import LogSettings
from kalshi_fix.processes.gateway_reader import EventReader, Spacing

LONG_SECONDS = 60.0  # no test lasts so long
EVENTS = 5


class Stream:
    """A bus with so many events, one at a time; and a router that takes them."""

    shard = "s0"

    def __init__(self) -> None:
        self.reads = 0
        self.taken: list[bytes] = []
        self._numbers = itertools.count(1)

    def read_events(self, after: int, count: int, block_ms: int) -> list[Entry]:  # noqa: ARG002
        self.reads += 1
        if after >= EVENTS:
            time.sleep(block_ms / 1_000)
            return []
        return [Entry(f"{after + 1}-0", b"entry")]

    def take(self, payload: bytes) -> int:
        self.taken.append(payload)
        return next(self._numbers)

    def close(self) -> None:
        """Nothing to close."""


def reader(stream: Stream, asked_at: Callable[[], float], seconds: float) -> EventReader:
    spacing = Spacing(seconds=seconds, quiet_seconds=0.5, asked_at=asked_at)
    log = open_log("test", LogSettings(stderr_level="critical"))
    made = EventReader(stream, stream, spacing, log)  # type: ignore[arg-type]
    made.start()
    return made


def test_a_lane_that_asked_for_nothing_reads_again_only_when_its_time_has_come() -> None:
    stream = Stream()
    quiet = reader(stream, lambda: 0.0, LONG_SECONDS)
    wait_until(lambda: stream.taken)
    quiet.stop(5)  # does not wait for the time either
    assert (stream.reads, len(stream.taken)) == (1, 1)


def test_a_lane_that_has_just_asked_reads_everything_at_once() -> None:
    stream = Stream()
    busy = reader(stream, time.monotonic, LONG_SECONDS)
    wait_until(lambda: len(stream.taken) == EVENTS)
    busy.stop(5)


def test_without_a_spacing_nobody_waits() -> None:
    stream = Stream()
    eager = reader(stream, lambda: 0.0, 0.0)
    wait_until(lambda: len(stream.taken) == EVENTS)
    eager.stop(5)
