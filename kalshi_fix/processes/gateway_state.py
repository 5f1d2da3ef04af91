"""What a lane must know of its sessions to render again what it rendered before a crash.

Reports depend on the flags of the Logon in force when they were made, so the openings since the
recorded position are kept in a small file, replaced atomically at each one. Rendering before a
session's last new epoch would bring back history the client gave up; the file tells that too.
"""

import json
import os
import threading
from pathlib import Path

from attrs import asdict, define, field, frozen

from kalshi_fix.messages.events import SessionChanged


class LaneStateError(Exception):
    """The lane's state file cannot be read; the message is one line."""


@frozen(slots=True)
class Opening:
    """One SessionChanged that opened a session, by shard and event number."""

    number: int
    epoch: int
    listener: bool
    venue_tags: bool
    settlement_reports: bool
    is_reset: bool  # the epoch is a new one
    replays: bool = False  # and the client did not give its history up

    @classmethod
    def of(cls, event: SessionChanged, *, is_reset: bool) -> "Opening":
        """From the event."""
        return cls(
            event.number,
            event.epoch,
            event.listener,
            event.venue_tags,
            event.settlement_reports,
            is_reset,
            event.replay,
        )


@define(slots=True)
class LaneState:
    """Openings per shard and session, oldest first; at least the last one of each.

    Every shard's reader adds to it, so adding takes turns.
    """

    path: Path
    openings: dict[str, dict[str, list[Opening]]] = field(factory=dict)
    _turn: threading.Lock = field(factory=threading.Lock, eq=False, repr=False)

    @classmethod
    def load(cls, path: Path) -> "LaneState":
        """Reads the file; an empty state where there is none.

        Raises:
            LaneStateError: the file is damaged.
        """
        if not path.exists():
            return cls(path)
        try:
            openings = {
                shard: {name: [Opening(**row) for row in rows] for name, rows in sessions.items()}
                for shard, sessions in json.loads(path.read_text()).items()
            }
        except (ValueError, TypeError, AttributeError) as error:
            raise LaneStateError(f"{path} is damaged: {error}") from error
        return cls(path, openings)

    def at(self, shard: str, session: str, number: int) -> Opening | None:
        """The opening in force at an event number."""
        rows = [row for row in self._rows(shard, session) if row.number <= number]
        return rows[-1] if rows else None

    def latest(self, shard: str, session: str) -> Opening | None:
        """The last opening known."""
        rows = self._rows(shard, session)
        return rows[-1] if rows else None

    def resets(self, shard: str, session: str) -> list[Opening]:
        """The openings that began an epoch, newest first."""
        return [row for row in reversed(self._rows(shard, session)) if row.is_reset]

    def add(self, shard: str, session: str, opening: Opening, position: int) -> None:
        """Records an opening durably; forgets those that no event above ``position`` needs."""
        with self._turn:
            self._add(shard, session, opening, position)

    def _add(self, shard: str, session: str, opening: Opening, position: int) -> None:
        rows = self._rows(shard, session)
        if rows and rows[-1].number >= opening.number:
            return
        kept = [row for row in rows if row.number > position]
        in_force = self.at(shard, session, position)
        reset = next((row for row in reversed(rows) if row.is_reset), None)
        older = {row.number: row for row in (reset, in_force) if row is not None}
        merged = {**older, **{row.number: row for row in kept}, opening.number: opening}
        self.openings.setdefault(shard, {})[session] = [merged[n] for n in sorted(merged)]
        self._save()

    def _rows(self, shard: str, session: str) -> list[Opening]:
        return self.openings.get(shard, {}).get(session, [])

    def _save(self) -> None:
        fresh = self.path.with_suffix(".new")
        with fresh.open("w") as file:
            json.dump(
                {
                    shard: {name: [asdict(row) for row in rows] for name, rows in sessions.items()}
                    for shard, sessions in self.openings.items()
                },
                file,
            )
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
