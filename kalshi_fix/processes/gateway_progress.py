"""Which of a session's incoming numbers are settled: durable in every shard, or answered.

What it calls confirmed is what the client may forget; after a crash everything above is asked for
again. One `Progress` is one epoch of one session. Knows numbers, not messages.
"""

import threading


class Progress:
    """Counts what is still open per MsgSeqNum.

    Numbers begin in rising order, because the engine delivers them so: when one begins, all lower
    ones have begun, were administrative, or were rejected by the engine itself.
    """

    def __init__(self, epochs: tuple[int, ...] = (), confirmed: int = 0) -> None:
        self.epochs = epochs  # by shard: one may have begun an epoch that another never heard of
        self._last = confirmed
        self._open: dict[int, int] = {}  # number -> parts still open, in rising order
        self._lock = threading.Lock()

    def begin(self, number: int, parts: int = 1) -> None:
        """A number was received; so many parts more are to be settled (-1: one less)."""
        with self._lock:
            left = self._open.get(number, 0) + parts
            if left > 0:
                self._open[number] = left
            else:
                self._open.pop(number, None)
            self._last = max(self._last, number)

    def settle(self, number: int) -> None:
        """One part of a number is durable or answered."""
        self.begin(number, -1)

    def skip_to(self, expected: int) -> None:
        """All below ``expected`` have been received (administrative ones need no settling)."""
        with self._lock:
            self._last = max(self._last, expected - 1)

    def confirmed(self) -> int:
        """The number up to which everything is settled."""
        with self._lock:
            return min(self._open) - 1 if self._open else self._last

    def is_settled(self) -> bool:
        """Whether nothing is open."""
        return not self._open
