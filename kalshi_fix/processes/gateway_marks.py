"""Up to which event each client has surely read what it was told; and the note made of it.

What was handed to the engine is on this machine's disk, perhaps nowhere else. If the lane moves to
another machine, everything after a session's mark is told again (97=Y). A mark follows the lane's
position at a distance of some seconds while the client is there, up to its Logout if it ended so;
else it stays. Knows no report.
"""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import define, field

from kalshi_fix.adapters.bus import LaneRecord
from kalshi_fix.adapters.fix_store import NextNumbers, next_numbers
from kalshi_fix.processes.gateway_hold import LaneHold, Mark, Note
from kalshi_fix.processes.gateway_link import Link


@define(slots=True, eq=False)
class _Moment:
    """Positions and next numbers at one time (monotonic seconds)."""

    at: float
    events: list[int]
    numbers: dict[str, NextNumbers]

    def mark(self, session: str) -> Mark:
        numbers = self.numbers[session]
        return Mark(numbers.outgoing, self.events, numbers.incoming)


@define(slots=True, eq=False)
class Marks:
    """See the module. ``turn`` about once a second."""

    repeat_seconds: float
    marks: dict[str, Mark] = field(factory=dict)
    _moments: deque[_Moment] = field(factory=deque)  # oldest first
    _seen: dict[str, float] = field(factory=dict)  # logged on, last

    def turn(
        self,
        now: float,
        links: Mapping[str, Link],
        events: list[int],
        numbers: dict[str, NextNumbers],
    ) -> None:
        """The lane's positions, worked out before the numbers were read."""
        moment = _Moment(now, events, numbers)
        self._moments.append(moment)
        while len(self._moments) > 1 and self._moments[1].at <= now - self.repeat_seconds:
            self._moments.popleft()
        for name, number in numbers.items():
            link, mark = links[name], self.marks.get(name)
            if link.outbox.is_here:
                self._seen[name] = now
            if mark is None or mark.number == number.outgoing:  # nothing was said since
                self.marks[name] = moment.mark(name)
            elif link.outbox.is_here or link.said_logout:
                self._follow(link, min(now - self.repeat_seconds, self._seen.get(name, 0.0)))

    def _follow(self, link: Link, until: float) -> None:
        """The last moment up to then, if the client was logged on in it already."""
        for moment in reversed(self._moments):
            if moment.at <= until:
                if moment.at >= link.logged_on_at > 0.0:
                    self.marks[link.name] = moment.mark(link.name)
                return


@define(slots=True, eq=False)
class LaneNotes:
    """Makes a lane's note: marks, numbers, and its small files as they are."""

    hold: LaneHold
    boot: int
    links: Mapping[str, Link]
    store: Path
    files: Sequence[Path]
    marks: Marks

    def record(self, events: Sequence[int]) -> LaneRecord:
        """At these positions, which must be those that are recorded with it."""
        numbers = {
            link.name: next_numbers(self.store, link.engine.store_name)
            for link in self.links.values()
            if link.engine.keeps_sequence
        }
        self.marks.turn(time.monotonic(), self.links, list(events), numbers)
        note = Note(
            directory=self.hold.identity,
            boot=self.boot,
            numbers={name: each.outgoing for name, each in numbers.items()},
            marks={name: mark for name, mark in self.marks.marks.items() if name in numbers},
            strangers=[link.name for link in self.links.values() if link.is_stranger()],
            files={path.name: path.read_text() for path in self.files if path.exists()},
        )
        return self.hold.record(note)
