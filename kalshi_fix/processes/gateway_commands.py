"""Commands on their way to the shards: in whose name, and what is confirmed.

A command made by this process is identified by (process, boot, counter); counters rise in the order
of the queue, so they are given out and queued in one step. Knows no FIX message.
"""

import threading
from collections.abc import Callable, Mapping, Sequence

from attrs import define, field

from kalshi_fix.messages import commands as c
from kalshi_fix.processes.gateway_link import Link
from kalshi_fix.processes.gateway_writer import Confirmed, ShardWriter, Submission


@define(slots=True, eq=False)
class ConfirmedBook:
    """What one shard has not been told yet of how far sessions are settled."""

    links: Mapping[str, Link]
    shard: int = 0
    _marked: dict[str, None] = field(factory=dict)  # in order: what is written is reproducible

    def mark(self, session: str) -> None:
        """A session received something."""
        self._marked[session] = None

    def collect(self) -> Confirmed:
        """Session -> (epoch, number), of those that may have changed."""
        found: Confirmed = {}
        for name in tuple(self._marked):
            progress = self.links[name].progress
            if progress.is_settled():
                self._marked.pop(name, None)
            confirmed = progress.confirmed()
            if confirmed > 0 and progress.epochs:
                found[name] = (progress.epochs[self.shard], confirmed)
        return found


class Process:
    """This process as a writer: its identity and its counter."""

    def __init__(self, name: str, boot: int, writers: Sequence[ShardWriter]) -> None:
        self.name = name
        self.boot = boot
        self._writers = writers
        self._counter = 0
        self._lock = threading.Lock()

    def submit(
        self,
        make: Callable[[int], c.Command],
        *,
        refused: Callable[[], None] | None = None,
        is_kept: bool = False,
        before: Callable[[int], None] | None = None,
    ) -> bool:
        """Queues ``make(counter)`` for every shard; False where one has no room.

        ``before`` learns the counter before anything is queued.
        """
        with self._lock:
            self._counter += 1
            counter = self._counter
            if before is not None:
                before(counter)
            command = make(counter)
            submissions = [Submission(command, refused=refused, is_kept=is_kept)] * len(
                self._writers
            )
            taken = [w.submit(s) for w, s in zip(self._writers, submissions, strict=True)]
            return all(taken)
