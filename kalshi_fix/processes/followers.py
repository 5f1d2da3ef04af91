"""A wish of one thread carried out by another: the admin service asks, the main thread follows.

Children may only be started by the main thread, because they die with the thread that started
them. Whoever asks waits until it is done, but not for ever. The work says whether it succeeded.
"""

import threading
from collections.abc import Callable


class Followers:
    """`follow` is for any thread, `turn` for the one that does the work."""

    def __init__(self, work: Callable[[], bool]) -> None:
        self._work = work
        self._changed = threading.Condition()
        self._asked = 0
        self._done = 0
        self._worked = 0  # the last turn that succeeded

    def follow(self, seconds: float) -> bool:
        """Asks, and waits until it is done; False: not in time, or it failed."""
        with self._changed:
            self._asked += 1
            mine = self._asked
            self._changed.wait_for(lambda: self._done >= mine, seconds)
            return self._worked >= mine

    def turn(self) -> None:
        """Does the work if anybody asked since the last time."""
        with self._changed:
            asked = self._asked
            if asked == self._done:
                return
        worked = self._work()
        with self._changed:
            self._done = asked
            if worked:
                self._worked = asked
            self._changed.notify_all()
