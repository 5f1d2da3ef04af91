"""A planned restart, once an operator has ordered it: wait until everybody is out, then stop.

The exchange has closed its doors (`Drain`); the gateways tell the sessions and log them out. Here
it is waited for, and the system is asked to stop. When the last gateway is gone the doors are
opened again on the bus, so that the next start finds them open. Knows no socket and no process.
"""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final

from kalshi_fix.adapters.logs import Log
from kalshi_fix.messages.commands import AnnounceMaintenance, Drain
from kalshi_fix.model import NANOS
from kalshi_fix.processes.admin_shard import ShardLink
from kalshi_fix.services.admin import REQUEST_ID_MAX, Answer, Status

OUT_SECONDS: Final = 15.0  # for the Logouts, once they are sent; who does not answer one is cut
ANSWER_SECONDS_MAX: Final = 45.0  # an operator is not kept waiting longer for the end of a grace
LEAVE_SECONDS: Final = 0.5  # for the answer to get to the operator before the service is stopped
POLL_SECONDS: Final = 0.1
END_SECONDS: Final = 5.0
WHY: Final = "the drain is complete"


class DrainWatch:
    """The drain that counts is the last one; ``stop`` None: nobody here can stop the system."""

    def __init__(
        self, links: Iterable[ShardLink], stop: Callable[[], None] | None, log: Log
    ) -> None:
        self._links = list(links)
        self._stop = stop
        self._log = log
        self._command: Drain | None = None  # the last one
        self._stops = False  # it has asked for the stop

    def begin(self, command: Drain, answer: Answer) -> Answer:
        """What the operator is told, once everybody is out or it takes too long to wait for."""
        if answer.status != Status.DONE or all(shard.repeated for shard in answer.shards):
            return answer
        self._command = command
        out = threading.Event()
        threading.Thread(target=self._run, args=(command, out), name="drain", daemon=True).start()
        out.wait(min(command.grace / NANOS + OUT_SECONDS, ANSWER_SECONDS_MAX))
        return Answer(
            status=answer.status,
            detail=self._told(command),
            request_id=answer.request_id,
            shards=answer.shards,
        )

    def end(self) -> None:
        """Opens the doors again after a drain that stopped the system: nobody is left to come."""
        command = self._command
        if command is None or not self._stops:
            return
        over = AnnounceMaintenance(
            f"over:{command.request_id}"[:REQUEST_ID_MAX],
            command.operator,
            WHY,
            time.time_ns(),
            0,
            0,
        )
        for link in self._links:
            found = link.carry_out(over, time.monotonic() + END_SECONDS)
            self._log.info("drain_over", shard=link.shard, status=found.status, reason=found.reason)

    def _run(self, command: Drain, out: threading.Event) -> None:
        deadline = time.monotonic() + command.grace / NANOS + OUT_SECONDS
        while self._up() and self._counts(command) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        counts = self._counts(command)
        self._stops = counts and command.stops and self._stop is not None
        self._log.info("drained", connected=self._up(), withdrawn=not counts, stops=self._stops)
        out.set()
        if self._stops and self._stop is not None:
            time.sleep(LEAVE_SECONDS)
            self._stop()

    def _counts(self, command: Drain) -> bool:
        """Whether it has been neither withdrawn nor replaced by another."""
        in_force = any(link.look(lambda view: view.maintenance is not None) for link in self._links)
        return in_force and self._command is command

    def _up(self) -> int:
        return max(
            link.look(lambda view: sum(each.is_open for each in view.connections.values()))
            for link in self._links
        )

    def _told(self, command: Drain) -> str:
        if not self._counts(command):
            return "it was withdrawn"
        left = self._up()
        where = f"{left} sessions are still connected" if left else "nobody is connected any more"
        if not command.stops:
            return where
        if self._stop is None:
            return f"{where}; stop the processes now, nobody here can"
        return f"{where}; the system stops" if self._stops else f"{where}; it stops later"
