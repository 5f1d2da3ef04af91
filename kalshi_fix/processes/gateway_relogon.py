"""What a Logon with 141=Y and 20902=Y is told again: everything since the session's last Logout.

The engine begins a session's store anew at 141=Y, so before it sees such a Logon the store's end is
copied to a file beside it. The file is handed over first, as new messages with 97=Y; a process that
dies in between leaves it to the next one. Knows files and messages, no connection and no thread.

What counts as a Logout is the client's own: then it has read everything before it. After a
connection that merely broke nobody knows that, and more is told again.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from attrs import define, field

from kalshi_fix.adapters.fix_store import (
    SESSION_TAGS,
    first_stored,
    msg_type_of,
    next_numbers,
    stored_newest_first,
)
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.wire import decode, split_frames

# Administrative messages, and the ends of replays (U1): their RefSeqNum is all they say, and means
# another message since the reset.
_NOT_TOLD: Final = frozenset({"0", "1", "2", "3", "4", "5", "A", "U2", "U3"})
_REF_SEQ_NUM: Final = 45  # of a number that means another message since the reset
_CHUNK_BYTES: Final = 262_144


@define(slots=True, eq=False)
class Replay:
    """One session's file.

    ``bounds``: shard -> {event number of the opening: the last event that is in the file or was
    told before the Logout}; what lies between was never told.
    """

    path: Path
    first: str  # of the store before the engine began it anew
    bounds: dict[str, dict[int, int]]
    is_finished: bool = False
    _start: int = 0  # of the messages in the file

    @classmethod
    def load(cls, path: Path) -> "Replay | None":
        """The one that was written last, if it can be read."""
        try:
            with path.open("rb") as file:
                head = json.loads(file.readline())
                start = file.tell()
            bounds = {
                shard: {int(opening): bound for opening, bound in rows.items()}
                for shard, rows in head["bounds"].items()
            }
            return cls(path, head["first"], bounds, head["finished"], start)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None  # there is none, or the machine went down while it was written

    def write(self, stored: Sequence[bytes]) -> None:
        """Writes it whole, durably."""
        head = {"first": self.first, "bounds": self.bounds, "finished": self.is_finished}
        fresh = self.path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(json.dumps(head).encode() + b"\n")
            self._start = file.tell()
            file.writelines(stored)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)

    def finish(self) -> None:
        """Everything was handed over: only the bounds are still of use."""
        self.is_finished = True
        self.write(())

    def messages(self, after: int = 0) -> Iterator[FixMessage]:
        """What is to be told, oldest first, without the first ``after``."""
        return islice(self._messages(), after, None)

    def _messages(self) -> Iterator[FixMessage]:
        rest = b""
        with self.path.open("rb") as file:
            file.seek(self._start)
            while data := file.read(_CHUNK_BYTES):
                frames, rest = split_frames(rest + data)
                for frame in frames:
                    yield _again(decode(frame.decode("latin-1")))


def _again(message: FixMessage) -> FixMessage:
    """As a new message: without its old header and trailer, and without a number of the past."""
    body = [part for part in message.fields if part[0] not in SESSION_TAGS]
    if message.msg_type == "j":
        body = [part for part in body if part[0] != _REF_SEQ_NUM]
    return FixMessage(message.msg_type, [(97, "Y"), *body])


@define(slots=True, eq=False)
class SessionReplays:
    """The replays of one session, and where its client last logged out."""

    store: Path
    stem: str
    shards: Sequence[str]
    _latest: Replay | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._latest = Replay.load(self._path)

    @property
    def _path(self) -> Path:
        return self.store / f"{self.stem}.replay"

    @property
    def _mark(self) -> Path:
        return self.store / f"{self.stem}.logout"

    # --- Logouts

    def logged_out(self) -> None:
        """The client's Logout was seen: all that was sent so far has reached it."""
        fresh = self._mark.with_suffix(".new")
        fresh.write_text(str(next_numbers(self.store, self.stem).outgoing))
        fresh.replace(self._mark)

    def numbers_changed(self) -> None:
        """Numbers begin anew: the place of the last Logout means nothing any more."""
        self._mark.unlink(missing_ok=True)

    def _since_logout(self) -> list[bytes]:
        """Application messages after the Logout that ended the client's last one, oldest first."""
        mark = self._mark.read_text() if self._mark.exists() else ""
        below = int(mark) if mark.isdigit() else 0
        found: list[bytes] = []
        for number, data in stored_newest_first(self.store, self.stem):
            msg_type = msg_type_of(data)
            if not msg_type or (msg_type == "5" and number < below):
                break
            if msg_type not in _NOT_TOLD:
                found.append(data)
        found.reverse()
        return found

    # --- a Logon that asks for it

    def prepare(self, openings: Sequence[int], bounds: Sequence[int]) -> tuple[Replay, int]:
        """Copies what is to be told again, before the engine sees the Logon; and how much it is.

        Args:
            openings: Event numbers of the opening, by shard.
            bounds: By shard, the event up to which everything was handed to the engine.
        """
        stored = self._since_logout()
        earlier = self._latest.bounds if self._latest is not None else {}
        rows = {
            shard: {**earlier.get(shard, {}), opening: bound}
            for shard, opening, bound in zip(self.shards, openings, bounds, strict=True)
        }
        replay = Replay(self._path, first_stored(self.store, self.stem), _newest(rows))
        replay.write(stored)
        self._latest = replay
        return replay, len(stored)

    # --- after a restart

    def unfinished(self) -> tuple[Replay, int] | None:
        """What the process before this one left to be handed over, and how much it had handed."""
        replay = self._latest
        if replay is None or replay.is_finished or not self._began_anew(replay):
            return None
        stored = stored_newest_first(self.store, self.stem)
        return replay, sum(msg_type_of(data) not in _NOT_TOLD for _, data in stored)

    def bound(self, shard: str, opening: int) -> int | None:
        """Up to which event an opening's past is told or in the file.

        None where the engine never saw that Logon: its store is as it was.
        """
        replay = self._latest
        rows = replay.bounds.get(shard, {}) if replay is not None else {}
        if replay is None or opening not in rows:
            return None
        if opening == max(rows) and not self._began_anew(replay):
            return None
        return rows[opening]

    def _began_anew(self, replay: Replay) -> bool:
        return replay.is_finished or first_stored(self.store, self.stem) != replay.first


_BOUNDS_KEPT: Final = 4  # openings; a recorded position is younger than the last but one


def _newest(rows: Mapping[str, dict[int, int]]) -> dict[str, dict[int, int]]:
    return {shard: dict(sorted(bounds.items())[-_BOUNDS_KEPT:]) for shard, bounds in rows.items()}
