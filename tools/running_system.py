"""A whole system as a user starts it: `kalshi-fix run` on a fresh data directory, watched closely.

Everything a test needs to ask of it (ports, processes by role, logs) and to do to it (kill, stop,
start again). Knows nothing of FIX.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import free_ports
from waiting import wait_until

from kalshi_fix.adapters.config import load
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.store import Store

ROOT: Final = Path(__file__).parents[1]
KALSHI_FIX: Final = Path(sys.executable).with_name("kalshi-fix")
DEMO_CONFIG: Final = ROOT / "config" / "demo.toml"
FIX_PORTS: Final = {"NR": 8228, "DC": 8229, "RT": 8230, "PT": 8231, "MD": 8233}
METRICS_PORTS: Final = {"core": 9301, "gateway": 9302, "marketdata": 9303, "edge": 9304}
PROMETHEUS_PORT: Final = 9390  # of one that watches the system, in tests
ALL_PORTS: Final = (
    *FIX_PORTS.values(),
    8299,
    *(9300 + n for n in range(1, 40)),
    PROMETHEUS_PORT,
)
READY_SECONDS: Final = 90.0
STOP_SECONDS: Final = 30.0
RESTART_SECONDS: Final = 60.0


def free_offset() -> int:
    """A port offset at which every port of a system is free."""
    return free_ports.free_offset(ALL_PORTS)


def readyz(port: int) -> str:
    """What a process says of its readiness on its metrics port, or why it says nothing."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            text: str = answer.read().decode()
            return text
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()
    except OSError as error:
        return str(error)


class RunningSystem:
    """One `kalshi-fix run`. Use `start`, and `stop` or `kill` at the end."""

    def __init__(self, data: Path, config: Path = DEMO_CONFIG, offset: int | None = None) -> None:
        self.data = data
        self.config = config
        self.offset = free_offset() if offset is None else offset
        self.lines: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self._readers: list[threading.Thread] = []

    # --- life

    def launch(self, *arguments: str) -> None:
        """Starts the process without waiting for it."""
        self.lines = []
        self._process = subprocess.Popen(
            [str(KALSHI_FIX), "run", *self.options, "--no-demo-flow", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={k: v for k, v in os.environ.items() if k != "REDIS_URL"},
        )
        self._readers = [threading.Thread(target=self._read, args=(self._process,), daemon=True)]
        for reader in self._readers:
            reader.start()

    def start(self) -> None:
        """Starts the system and waits for its READY line.

        Raises:
            AssertionError: it is not ready in time; shows what it printed and the logs' tails.
        """
        self.launch()
        try:
            wait_until(lambda: self.is_ready or self.returncode is not None, "READY", READY_SECONDS)
        except AssertionError:
            raise AssertionError(self.story()) from None
        assert self.is_ready, self.story()

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """Started for a while; whatever happens, nothing of it runs afterwards."""
        try:
            self.start()
            yield self
        finally:
            self.kill()

    @property
    def options(self) -> list[str]:
        """What names this system on a command line."""
        places = {"--config": self.config, "--data": self.data, "--port-offset": self.offset}
        return [str(word) for pair in places.items() for word in pair]

    @property
    def is_ready(self) -> bool:
        """Whether the READY line has been printed."""
        return any(line.startswith("READY") for line in self.lines)

    @property
    def returncode(self) -> int | None:
        """Exit code, None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        assert self._process is not None
        return self._process.pid

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Asks for a clean stop and returns the exit code."""
        assert self._process is not None
        self._process.send_signal(how)
        return self.wait_exit()

    def wait_exit(self, timeout: float = STOP_SECONDS) -> int:
        """Waits for the process to end by itself."""
        assert self._process is not None
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            story = self.story()
            self.kill()
            raise AssertionError(f"did not stop within {timeout} s\n{story}") from None
        for reader in self._readers:
            reader.join(5)
        return code

    def kill(self) -> None:
        """Ends it at once, and whatever of it is still there."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
        for pid in self.processes(""):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def store(self) -> Store:
        """Makes connections of the caller's own to its store, embedded or not."""
        return Store.of(load(self.config).store, DataDir.find(self.data))

    def kill_role(self, role: str) -> None:
        """Kill -9 of every process of a role; waits until others have taken their place."""
        before = self.processes(role)
        assert before, f"no process shows {role!r}\n{self.story()}"
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_until(
            lambda: (now := self.processes(role)) and not set(now) & set(before),
            f"{role} to be started again",
            RESTART_SECONDS,
        )

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.lines.append(line.rstrip())

    # --- looking at it

    def port(self, role: str) -> int:
        """Public FIX port of a role."""
        return FIX_PORTS[role] + self.offset

    def processes(self, role: str) -> list[int]:
        """Processes of this system whose command line shows a role, e.g. ``kalshi-fix core``."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if role in line and self._is_mine(entry, line):
                        found.append(int(entry.name))
        return sorted(found)

    def _is_mine(self, entry: Path, line: str) -> bool:
        return str(self.data) in line or str(self.data) in str((entry / "cwd").readlink())

    def logs(self, lines: int = 5, level: str = "") -> str:
        """The last lines of every log file, and all lines of a level."""
        parts = []
        for path in sorted((self.data / "logs").glob("*.log")):
            found = path.read_text(errors="replace").splitlines()
            grave = [line for line in found[:-lines] if level and f'"level": "{level}"' in line]
            parts.append("\n".join([f"--- {path.name}", *grave, *found[-lines:]]))
        return "\n".join(parts)

    def story(self) -> str:
        """What it printed and logged, for a failing test."""
        printed = "\n".join(self.lines[-12:])
        return f"exit code {self.returncode}\n{printed}\n{self.logs()}"
