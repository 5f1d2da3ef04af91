"""Minds child processes: starts them, asks whether they are ready, restarts what died.

One `Minder` per process of the system. It waits longer before each restart of what dies again and
again, up to a limit, and never gives up; whether a refused configuration ends the system is the
supervisor's decision.
"""

import http.client
import re
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Final

from attrs import define

from kalshi_fix.adapters import children
from kalshi_fix.adapters.logs import Log
from kalshi_fix.processes.exit_codes import CONFIGURATION, GAVE_WAY

BACKOFF_SECONDS: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0)
STEADY_SECONDS: Final = 5.0  # having run this long, the next end counts as the first
STEADY_READY_SECONDS: Final = 1.0  # as does having been ready for so long
ASK_SECONDS_MAX: Final = 1.0
ASK_STARTING_SECONDS: Final = 0.1
ASK_READY_SECONDS: Final = 1.0

Start = Callable[[], subprocess.Popen[bytes]]
Ask = Callable[[int], str]  # pid -> "" when ready, else what it waits for


@define
class Minder:
    """One process, over all its restarts."""

    name: str
    log: Log
    start_child: Start
    ask: Ask
    child: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    status: str = "not started"  # "" = ready
    _ends: int = 0
    _started: float = 0.0
    _start_at: float = 0.0
    _ask_at: float = 0.0
    _ready_since: float = 0.0

    @property
    def is_ready(self) -> bool:
        """Whether it said so when last asked."""
        return not self.status

    def start(self) -> None:
        """Starts the process."""
        self._started = time.monotonic()
        self._start_at = self._ready_since = 0.0
        self.status = "starting"
        self.child = self.start_child()
        self.log.info("process_started", name=self.name, pid=self.child.pid)

    def turn(self) -> bool:
        """Looks after the process; False when it has just refused its configuration or data."""
        now = time.monotonic()
        if self.child is None:
            if self._start_at and now >= self._start_at:
                self.restarts += 1
                self.start()
            return True
        code = self.child.poll()
        if code is not None:
            return self._ended(code, now)
        if now >= self._ask_at:
            self.status = self.ask(self.child.pid)
            self._ready_since = 0.0 if self.status else self._ready_since or now
            self._ask_at = now + (ASK_STARTING_SECONDS if self.status else ASK_READY_SECONDS)
        return True

    def _ended(self, code: int, now: float) -> bool:
        """Plans the restart."""
        self.child = None
        refused = code == CONFIGURATION
        was_ready = self._ready_since and now - self._ready_since > STEADY_READY_SECONDS
        if was_ready or now - self._started > STEADY_SECONDS or code == GAVE_WAY:
            self._ends = 0
        last = len(BACKOFF_SECONDS) - 1
        wait = BACKOFF_SECONDS[last if refused else min(self._ends, last)]
        self._ends += 1
        self._start_at = now + wait
        self._ask_at = 0.0
        self.status = f"{_end_text(code)}, restart in {wait:g} s"
        say = self.log.warning if code == GAVE_WAY else self.log.error
        say("process_ended", name=self.name, end=_end_text(code), restart_in_seconds=wait)
        return not refused

    def ask_to_stop(self) -> None:
        """Asks the process to end; `stop` waits for it."""
        self._start_at = 0.0
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()

    def stop(self, seconds: float) -> None:
        """Waits until the process has ended; kills it after ``seconds``."""
        self.ask_to_stop()
        if self.child is None:
            return
        if not children.stop(self.child, seconds):
            self.log.error("process_killed", name=self.name, after_seconds=seconds)
        self.child = None
        self.status = "stopped"


def _end_text(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def ask_readyz(host: str, ports: Sequence[int]) -> Ask:
    """Ready when /readyz says so, and it is the process asked for that answers.

    It has the first of ``ports`` unless a standby started by hand got that before.
    """

    def ask(pid: int) -> str:
        found = "starting"  # it does not listen yet
        for port in ports:
            status, text = _readyz(host, port)
            if re.search(rf"\bpid {pid}\b", text):
                return "" if status == http.client.OK else text
            if status and port == ports[0]:
                found = f"port {port} is answered by another process"
        return found

    return ask


def _readyz(host: str, port: int) -> tuple[int, str]:
    """Status and text; 0 and "" where nobody answers."""
    connection = http.client.HTTPConnection(host, port, timeout=ASK_SECONDS_MAX)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def ready_when_running(_pid: int) -> str:
    """For a process that has nothing to say about it."""
    return ""
