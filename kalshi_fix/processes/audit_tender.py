"""Has the audit trail looked after: starts `kalshi-fix audit tend` when there is something to do.

In a process of its own at the lowest priority, because indexing takes seconds. Part of the
supervisor; where there is none, a timer runs the same command.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kalshi_fix.adapters import children
from kalshi_fix.adapters.logs import Log
from kalshi_fix.adapters.metrics import Counter
from kalshi_fix.processes.audit_tend import pending

if TYPE_CHECKING:
    import subprocess

LOOK_SECONDS: Final = 30.0
STOP_SECONDS: Final = 2.0


class Tender:
    """See the module. `turn` it from the main thread: children die with the thread they are of."""

    def __init__(self, root: Path, keep_days: int, errors: Counter, log: Log) -> None:
        self._root = root
        self._keep_days = keep_days
        self._log = log
        self._look_at = time.monotonic() + LOOK_SECONDS
        self._child: subprocess.Popen[bytes] | None = None
        self._errors = errors

    def turn(self) -> None:
        """Starts it when it is due, takes note of its end."""
        now = time.monotonic()
        if self._child is not None:
            code = self._child.poll()
            if code is None:
                return
            self._child = None
            if code:
                self._errors.inc()
                self._log.critical("audit_not_tended", exit_code=code)
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        if pending(self._root, self._keep_days):
            arguments = ("--data", str(self._root), "--keep-days", str(self._keep_days))
            self._child = children.spawn(children.own_command("audit", "tend", *arguments))

    def stop(self) -> None:
        """Ends what runs; an index begun is made again."""
        if self._child is not None:
            children.stop(self._child, STOP_SECONDS)
