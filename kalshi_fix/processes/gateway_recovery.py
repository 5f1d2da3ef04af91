"""After a restart: which reports the engine had already taken before the process died.

The recorded position says from where to render again; the session's store says what of that was
sent. Reports of one shard leave in order, so the first that is not found ends the search for its
session. Rendering is pure, so equal content means the same report and no cursor tag is needed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from attrs import define, field

from kalshi_fix.adapters.fix_store import Sent, content
from kalshi_fix.fix.message import FixMessage


@define(slots=True)
class _Tail:
    """What one session was sent, oldest first, and how far the comparison got."""

    contents: list[str]
    places: dict[str, list[int]]
    next: int = 0

    @classmethod
    def of(cls, sent: Iterable[Sent]) -> "_Tail":
        contents = [content(one.message) for one in sent]
        places: dict[str, list[int]] = defaultdict(list)
        for place, text in enumerate(contents):
            places[text].append(place)
        return cls(contents, dict(places))

    def find(self, text: str) -> bool:
        """Whether it stands after what was found before; goes on from there."""
        for place in self.places.get(text, ()):
            if place >= self.next:
                self.next = place + 1
                return True
        return False


@define(slots=True)
class AlreadySent:
    """One shard's answer to "was this report handed to the engine before?"."""

    tails: dict[str, _Tail]
    resets: Mapping[str, int]  # session -> event number of its last new epoch
    _done: set[str] = field(factory=set)

    @classmethod
    def of(cls, sent: Mapping[str, Iterable[Sent]], resets: Mapping[str, int]) -> "AlreadySent":
        """From the tails of the session stores."""
        return cls({name: _Tail.of(rows) for name, rows in sent.items()}, resets)

    def was_sent(self, session: str, message: FixMessage, number: int) -> bool:
        """True also for what a new epoch has made history."""
        if number < self.resets.get(session, 0):
            return True
        if session in self._done:
            return False
        tail = self.tails.get(session)
        if tail is not None and tail.find(content(message)):
            return True
        self._done.add(session)
        return False
