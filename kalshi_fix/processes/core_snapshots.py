"""Snapshots of a shard: a file per snapshot, with a checksum and the hash of the stream inside.

Written by a forked child, which touches no socket, logger or metric, so that the core goes on; a
child that hangs is killed. A damaged file is passed over, one of a newer version is refused.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgpack
from attrs import astuple, frozen

from kalshi_fix.adapters.durable import sync_directory
from kalshi_fix.adapters.settings import CoreSettings

VERSION: Final = 1
KEPT: Final = 3
CHILD_SECONDS_MAX: Final = 120
LOOK_SECONDS: Final = 1.0
LEADER_PATIENCE: Final = 1.25  # of the time a standby has to write one
_CHECKSUM_BYTES: Final = 32
_FIRST_DESCRIPTOR: Final = 3  # after standard input, output and error
_WRITTEN, _FAILED, _BROKEN = 0, 1, 3  # exit codes of the child


class NewerSnapshotError(Exception):
    """A newer version wrote it: this one must not start on the data."""


@frozen
class Snapshot:
    """A shard after ``entry_id``; ``state_hash`` is that of event ``last_event``."""

    entry_id: str
    last_event: int
    state_hash: bytes
    trading_day: int
    machine: Any


@frozen
class SnapshotHead:
    """A snapshot without the machine: where in the stream it belongs."""

    entry_id: str
    last_event: int
    state_hash: bytes


class SnapshotDamagedError(Exception):
    """The file is not what was written."""


class Snapshots:
    """The snapshots of one shard's directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._child = 0
        self._child_since = 0.0

    def write(self, snapshot: Snapshot) -> Path:
        """Writes durably, under its name only when complete, and drops all but the newest few."""
        body: bytes = msgpack.packb(astuple(snapshot, recurse=False))
        packed: bytes = msgpack.packb([VERSION, _checksum(body), body])
        major, _, minor = snapshot.entry_id.partition("-")  # moves on in a quiet market, too
        name = f"{snapshot.last_event:020d}-{int(major):020d}-{int(minor):010d}.snapshot"
        path = self._directory / name
        fresh = path.with_suffix(f".{os.getpid()}")
        with fresh.open("wb") as file:
            file.write(packed)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        sync_directory(self._directory)
        for old in sorted(self._directory.glob("*.snapshot"))[:-KEPT]:
            old.unlink(missing_ok=True)
        return path

    def newest_first(self) -> Iterator[Path]:
        """Paths of the snapshots there are."""
        yield from sorted(self._directory.glob("*.snapshot"), reverse=True)

    def write_in_child(self, take: Callable[[], Snapshot]) -> None:
        """Forks; the child writes what ``take`` returns. See `reap`."""
        assert not self._child, "one at a time"
        self._child_since = time.monotonic()
        self._child = os.fork()
        if self._child:
            return
        code = _FAILED
        try:
            # the sockets are the parent's: held here they would outlive it
            os.closerange(_FIRST_DESCRIPTOR, _last_descriptor() + 1)
            self.write(take())
            code = _WRITTEN
        except AssertionError:
            code = _BROKEN
        finally:
            os._exit(code)

    @property
    def is_writing(self) -> bool:
        """Whether a child is at work."""
        return self._child != 0

    def reap(self) -> str:
        """Looks after the child: "" = nothing new, "ok", or what went wrong."""
        if not self._child:
            return ""
        pid, status = os.waitpid(self._child, os.WNOHANG)
        if pid:
            self._child = 0
            code = os.waitstatus_to_exitcode(status)
            if code == _BROKEN:
                return "an invariant of the exchange is broken: nothing was written"
            return "ok" if code == _WRITTEN else f"the snapshot's process ended with code {code}"
        if time.monotonic() - self._child_since > CHILD_SECONDS_MAX:
            os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)
            self._child = 0
            return f"the snapshot took more than {CHILD_SECONDS_MAX} s and was given up"
        return ""


class SnapshotSchedule:
    """When a core is to write one: a standby first, the leader where no standby does.

    Both look at what is there, so they need not know of each other: the leader waits longer.
    """

    def __init__(self, snapshots: Snapshots, settings: CoreSettings) -> None:
        self._snapshots = snapshots
        self._settings = settings
        self._newest = Path()
        self._since = self._look_at = time.monotonic()
        self._commands = self._commands_since = 0

    def started(self) -> None:
        """One is being written."""
        self._since = time.monotonic()
        self._commands_since = self._commands

    def is_due(self, commands: int, *, is_leading: bool) -> bool:
        """Whether to start; ``commands`` were carried out by this core so far."""
        now = time.monotonic()
        self._commands = commands
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_SECONDS
        newest = next(self._snapshots.newest_first(), Path())
        if newest != self._newest:
            self._newest = newest
            self.started()
            self._since -= _age_seconds(newest)
        patience = LEADER_PATIENCE if is_leading else 1.0
        late = now - self._since > self._settings.snapshot_seconds * patience
        many = commands - self._commands_since >= self._settings.snapshot_commands * patience
        return late or many


def _age_seconds(path: Path) -> float:
    """How long ago a file was written, 0 if it is gone meanwhile."""
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except FileNotFoundError:
        return 0.0


def read(path: Path) -> Snapshot:
    """Reads a snapshot.

    Raises:
        SnapshotDamagedError: the file is not what was written.
        NewerSnapshotError: a newer version wrote it.
    """
    return Snapshot(*msgpack.unpackb(_body(path), use_list=True, strict_map_key=False))


def read_head(path: Path) -> SnapshotHead:
    """Checks a snapshot's file and reads where it belongs; quick, the machine stays packed.

    Raises:
        SnapshotDamagedError, NewerSnapshotError: as `read`.
    """
    unpacker = msgpack.Unpacker(max_buffer_size=0)
    unpacker.feed(_body(path))
    unpacker.read_array_header()
    entry_id, last_event, state_hash = (unpacker.unpack() for _ in range(3))
    return SnapshotHead(entry_id, last_event, state_hash)


def _body(path: Path) -> bytes:
    try:
        version, checksum, body = msgpack.unpackb(path.read_bytes())
    except (OSError, ValueError, msgpack.UnpackException) as error:
        raise SnapshotDamagedError(f"snapshot {path}: {error}") from error
    if version != VERSION:
        raise NewerSnapshotError(
            f"snapshot {path}: version {version}, this program reads {VERSION}"
        )
    if checksum != _checksum(body):
        raise SnapshotDamagedError(f"snapshot {path}: its checksum is wrong")
    found: bytes = body
    return found


def _checksum(body: bytes) -> bytes:
    return blake2b(body, digest_size=_CHECKSUM_BYTES).digest()


def _last_descriptor() -> int:
    return max(int(path.name) for path in Path("/proc/self/fd").iterdir())
