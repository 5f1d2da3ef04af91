"""After a restart: which reports the engine had already taken before the process died.

The recorded position says from where to render again; the session's store says what of that was
sent. Reports of one shard leave in order, so the first that is not found ends the search for its
session. Rendering is pure, so equal content means the same report and no cursor tag is needed. What
several shards answered together left when the last of them had: it is looked for anywhere.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from attrs import define, field

from kalshi_fix.adapters.fix_store import Sent, content
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.model import ExecType

_GATHERED: Final = frozenset({"r", "UOH", "AO", "AP", "BG", "BA"})


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

    def find_anywhere(self, text: str) -> bool:
        """Whether it stands anywhere, once more than it was asked for so far."""
        places = self.places.get(text)
        if not places:
            return False
        places.pop()
        return True


@define(slots=True)
class AlreadySent:
    """One shard's answer to "was this report handed to the engine before?"."""

    tails: dict[str, _Tail]
    resets: Mapping[str, int]  # session -> the event from which on it has to be told
    are_gathered: bool = False  # answers of several shards went out as one
    again: Mapping[str, int] = field(factory=dict)  # session -> below it: told again (97=Y)
    told: Mapping[str, int] = field(factory=dict)  # session -> up to it: told by another machine
    _done: set[str] = field(factory=set)

    @classmethod
    def of(
        cls,
        sent: Mapping[str, Iterable[Sent]],
        resets: Mapping[str, int],
        shards: int = 1,
        again: Mapping[str, int] | None = None,
    ) -> "AlreadySent":
        """From the tails of the session stores."""
        tails = {name: _Tail.of(rows) for name, rows in sent.items()}
        return cls(tails, resets, shards > 1, again or {})

    def forget_sent(self) -> None:
        """The stores cannot be believed: nothing counts as sent, but history stays history."""
        self.tails.clear()

    def is_again(self, session: str, number: int) -> bool:
        """Whether it is from before a Logon that asked to be told again."""
        return number < self.again.get(session, 0)

    def was_sent(self, session: str, message: FixMessage, number: int) -> bool:
        """True also for what a new epoch has made history."""
        if number < self.resets.get(session, 0) or number <= self.told.get(session, 0):
            return True
        tail = self.tails.get(session)
        text = content(message)
        if self.are_gathered and _is_gathered(message):
            return tail is not None and tail.find_anywhere(text)
        if session in self._done:
            return False
        if tail is not None and tail.find(text):
            return True
        self._done.add(session)
        return False


def _is_gathered(message: FixMessage) -> bool:
    """It left when the last shard had answered, so it is in no shard's order."""
    if message.msg_type == "8":
        return message.get(150) == ExecType.ORDER_STATUS
    if message.msg_type == "j":
        return message.get(372) == "UOG"
    return message.msg_type in _GATHERED
