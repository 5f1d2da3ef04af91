"""A lane begins on a machine that has not its directory, or has an old one.

Numbers come from the holder's last note, raised above whatever it may have sent since; from each
session's mark on everything is told again with 97=Y. What of the holder's disk is gone stays gone:
resends of it are gap-filled, and a repeated order it may have refused is refused.
"""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from kalshi_fix.adapters.engine import Engine
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.processes.gateway_hold import LaneHold, Mark, Note
from kalshi_fix.processes.gateway_link import Link
from kalshi_fix.processes.gateway_marks import LaneNotes, Marks

STATE: Final = "sessions.json"
CALENDAR: Final = "calendar.json"
STORE: Final = "fix"
FILES: Final = (STATE, CALENDAR)
_OF_THE_PAST: Final = (STORE, "gathered", "machine.json", *FILES)
_PASTS_KEPT: Final = 3


def furnish(lane: Path, note: Note) -> None:
    """Puts aside what the directory holds of an earlier time, and writes what the note brings."""
    past = lane / "superseded"
    past.mkdir(mode=0o700, exist_ok=True)
    aside = past / str(note.boot)
    found = [name for name in _OF_THE_PAST if (lane / name).exists()]
    if found:
        shutil.rmtree(aside, ignore_errors=True)  # of an attempt that was not finished
        aside.mkdir(mode=0o700)
        for name in found:
            (lane / name).replace(aside / name)
    for old in sorted(past.iterdir(), key=lambda path: int(path.name))[:-_PASTS_KEPT]:
        shutil.rmtree(old)
    for name, text in note.files.items():
        if name in FILES:
            (lane / name).write_text(text)


def notes_of(  # noqa: PLR0917 - what a lane has, in its order
    hold: LaneHold | None,
    boot: int,
    lane: Path,
    links: Mapping[str, Link],
    engine: Engine,
    settings: Settings,
) -> LaneNotes | None:
    """Gives the sessions the numbers and doubts that the last note leaves; makes the next ones."""
    if hold is None:
        return None
    limits, shards = settings.gateway, len(settings.core.shards)
    marks = Marks(limits.lane_repeat_seconds)
    notes = LaneNotes(hold, boot, links, lane / STORE, [lane / name for name in FILES], marks)
    if hold.note is None:
        return notes
    for link in links.values():
        number = hold.note.numbers.get(link.name, 0)
        mark = hold.note.marks.get(link.name)
        if not link.engine.keeps_sequence:
            continue
        link.past_is_unknown = hold.is_moved or link.name in hold.note.strangers
        if hold.is_moved and number:
            engine.set_numbers(link.name, 0, number + limits.lane_raise)
        if mark is not None and len(mark.events) == shards:
            marks.marks[link.name] = mark
            if hold.is_moved:  # outgoing numbers go on elsewhere
                link.asked_from = mark.incoming
                marks.marks[link.name] = Mark(-1, mark.events, mark.incoming)
    return notes


def told_until(marks: Marks, links: Iterable[Link], shard: int, position: int) -> dict[str, int]:
    """Session -> the event of a shard up to which its client has surely read, after a move."""
    found = {}
    for link in links:
        mark = marks.marks.get(link.name)
        if link.engine.keeps_sequence:
            found[link.name] = min(position, mark.events[shard]) if mark else position
    return found
