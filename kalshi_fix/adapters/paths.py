"""The one place that knows every path below ``--data``.

All processes of a system compute the same paths from the same directory, so nothing is passed
around but ``--data``. Unix socket paths stay short even below a deep directory: then the sockets
live in a private directory elsewhere, whose name is recorded here. Knows no process and no
protocol.
"""

import fcntl
import os
import tempfile
from pathlib import Path
from typing import Final

from attrs import frozen

SOCKET_PATH_MAX_BYTES: Final = 100  # sun_path holds 108 with its end mark
LANE_NAME_MAX: Final = 24
_LONGEST_SOCKET: Final = "control-" + "x" * LANE_NAME_MAX + ".sock"


class DataDirError(Exception):
    """The data directory cannot be used; the message is one line saying why."""


def _private(directory: Path) -> Path:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


@frozen
class DataDir:
    """Paths of one running system. Use `create` in what runs it, `find` in what looks at it."""

    root: Path
    sockets: Path

    @classmethod
    def create(cls, path: Path) -> "DataDir":
        """The directory, made if need be, with mode 0700.

        Raises:
            DataDirError: it cannot be made or belongs to somebody else.
        """
        root = path.resolve()  # one place, however it is named: sockets depend on its length
        try:
            _private(root)
            return cls(root, _sockets_of(root))
        except OSError as error:
            raise DataDirError(f"data directory {root}: {error.strerror}") from error

    @classmethod
    def find(cls, path: Path) -> "DataDir":
        """The directory of a system that has been started before.

        Raises:
            DataDirError: there is no such system.
        """
        root = path.resolve()
        if not (root / "run").is_dir():
            raise DataDirError(
                f"data directory {root}: no system was ever started here; name it with --data"
            )
        return cls.create(root)

    # --- the store

    @property
    def roster(self) -> Path:
        """What operators changed about sessions; private, it holds their credentials' hashes."""
        return self.root / "roster.json"

    @property
    def store(self) -> Path:
        """Directory of the embedded store: its append-only files and its lock."""
        return _private(self.root / "store")

    @property
    def store_socket(self) -> Path:
        """Unix socket of the embedded store."""
        return self.sockets / "store.sock"

    @property
    def lock(self) -> Path:
        """Held by the process that runs a system on this directory."""
        return self.root / "run" / "lock"

    def remember_start(self, config: Path, port_offset: int) -> None:
        """Notes how the system is started, for who looks at it."""
        (self.root / "run" / "started").write_text(f"{port_offset} {config}")

    def started_with(self) -> tuple[Path | None, int]:
        """Configuration and port offset of its last start; none and 0 where that is not known."""
        try:
            offset, _, config = (self.root / "run" / "started").read_text().partition(" ")
        except FileNotFoundError:
            return None, 0
        return Path(config), int(offset)

    # --- admin service

    @property
    def admin_socket(self) -> Path:
        """Unix socket of the admin service."""
        return self.sockets / "admin.sock"

    # --- lanes

    def control_socket(self, lane: str) -> Path:
        """Unix socket on which a lane's gateway answers the edge."""
        return self.sockets / f"control-{lane}.sock"

    def lane(self, lane: str) -> Path:
        """Everything a lane keeps."""
        return _private(_private(self.root / "lanes") / lane)

    def fix_store(self, lane: str) -> Path:
        """Directory of the lane's FIX session stores (sequence numbers, sent messages)."""
        return _private(self.lane(lane) / "fix")

    def lane_lock(self, lane: str) -> Path:
        """Held by the gateway process that serves the lane."""
        return self.lane(lane) / "lock"

    def lane_identity(self, lane: str) -> Path:
        """What the lane's directory is called where several machines might serve the lane."""
        return self.lane(lane) / "identity"

    def lane_boot(self, lane: str) -> Path:
        """Number of the lane's last start, strictly increasing."""
        return self.lane(lane) / "boot"

    # --- shards

    def shard(self, shard: str) -> Path:
        """What a shard's core keeps beside the store."""
        return _private(_private(self.root / "shards") / shard)

    def snapshots(self, shard: str) -> Path:
        """Snapshots of a shard."""
        return _private(self.shard(shard) / "snapshots")

    def archive(self, shard: str) -> Path:
        """Every command and event of a shard there ever was, in segment files."""
        return _private(self.shard(shard) / "archive")

    def boot(self, process: str) -> Path:
        """Number of a process's last start, for those whose commands carry one."""
        return self.root / "run" / f"{process}.boot"

    # --- audit trail

    @property
    def audits(self) -> Path:
        """Directory of every process's audit chain."""
        return _private(self.root / "audit")

    def audit(self, process: str) -> Path:
        """One process's audit chain; ``process`` as in its metrics."""
        return _private(self.audits / process)

    # --- logs

    @property
    def logs(self) -> Path:
        """Directory of the log files."""
        return _private(self.root / "logs")

    def log_file(self, process: str) -> Path:
        """Log of a process; ``process`` as in its metrics, for example ``gateway-gw1``."""
        return self.logs / f"{process}.log"


def next_boot(path: Path, first: int = 1, above: int = 0) -> int:
    """Counts a start: reads, adds one, writes durably. Identifies commands made by a process.

    ``first`` where nothing was counted yet: above every number used before the file was lost.
    ``above``: a number that was certainly used, elsewhere.
    """
    number = max(int(path.read_text()) + 1 if path.exists() else first, above + 1)
    fresh = path.with_suffix(".new")
    with fresh.open("w") as file:
        file.write(str(number))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return number


def _sockets_of(root: Path) -> Path:
    """``root/run`` if sockets fit there, else the private directory recorded in it."""
    run = _private(root / "run")
    if len(os.fsencode(run / _LONGEST_SOCKET)) < SOCKET_PATH_MAX_BYTES:
        return run
    record = run / "sockets"
    with (run / "sockets.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if record.exists() and _is_ours(recorded := Path(record.read_text())):
            return recorded
        made = Path(tempfile.mkdtemp(prefix="kfix-"))
        record.write_text(str(made))
        return made


def _is_ours(directory: Path) -> bool:
    """Whether a recorded directory is still there, ours and private (a reboot clears /tmp)."""
    try:
        found = directory.lstat()
    except FileNotFoundError:
        return False
    return found.st_uid == os.getuid() and (found.st_mode & 0o170777) == 0o040700
