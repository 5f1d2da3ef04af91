"""How long a client has left its oldest byte unread: from counts and times alone."""

from collections import deque

from attrs import define, field


@define(slots=True)
class Backlog:
    """Of one client. Times in seconds of any steady clock."""

    _marks: deque[tuple[float, int]] = field(factory=deque)  # (when, bytes written by then)

    def oldest_seconds(self, now: float, written: int, unsent: int) -> float:
        """The age of the oldest byte that is still unsent, 0 = none is.

        Exact to the spacing of the calls: call it regularly while something is unsent.
        """
        sent = written - unsent
        while self._marks and self._marks[0][1] <= sent:
            self._marks.popleft()
        if not unsent:
            return 0
        if not self._marks or self._marks[-1][1] < written:
            self._marks.append((now, written))
        return now - self._marks[0][0]
