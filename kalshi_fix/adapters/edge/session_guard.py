"""What only the edge can see of a message, because the engine loses it: told to the gateway.

The engine keeps a group's members in a map, so their order (FIX 14.j) is judged here; and it
answers a message without a CompID before its number is due, so that is put in here. The edge
cannot answer, it does not know the session's number: it puts the message right and marks it with a
tag of its own, and the gateway rejects it when its number is due. A client's own such tag is taken
away and marked as the undefined tag it is.
"""

import re
from collections.abc import Iterable
from typing import Final

from kalshi_fix.adapters.control import FAULT_TAG, fault_mark
from kalshi_fix.adapters.dictionaries import client_dictionary
from kalshi_fix.adapters.edge.frames import encode, split
from kalshi_fix.fix import tables
from kalshi_fix.fix.dictionary import Dictionary
from kalshi_fix.fix.group_order import count_tags, straighten

_FRAMING: Final = frozenset({8, 9, 35, 10})
_COMP_ID_TAGS: Final = (49, 56)


class GroupOrder:
    """The dictionary's groups, read once per process."""

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary
        self._worth_a_look = re.compile(_any_of({FAULT_TAG, *count_tags(dictionary)}))

    @classmethod
    def of_the_venue(cls) -> "GroupOrder":
        """As the published dictionary has them."""
        return cls(client_dictionary())

    def is_worth_a_look(self, data: bytes) -> bool:
        """Whether any frame in these bytes may need its guard: nearly never."""
        return self._worth_a_look.search(data) is not None


def _any_of(tags: Iterable[int]) -> bytes:
    """A pattern for the beginning of a field; a first digit is looked at once, not per tag."""
    by_digit: dict[str, list[str]] = {}
    for text in sorted(map(str, tags)):
        by_digit.setdefault(text[0], []).append(text[1:])
    parts = [f"{digit}(?:{'|'.join(rests)})" for digit, rests in by_digit.items()]
    return f"\x01(?:{'|'.join(parts)})=".encode()


class SessionGuard:
    """One session's; ``secret`` proves to the gateway that a mark is the edge's."""

    def __init__(self, order: GroupOrder, secret: str, comp_ids: tuple[str, str]) -> None:
        """``comp_ids``: the client's own, and the one it has to send to."""
        self.is_worth_a_look = order.is_worth_a_look
        self._dictionary = order.dictionary
        self._secret = secret
        self._comp_ids = tuple(zip(_COMP_ID_TAGS, comp_ids, strict=True))

    def marked(self, frame: bytes) -> bytes | None:
        """What the engine gets instead of this frame; None = the frame itself."""
        fields = split(frame)
        if fields is None:
            return None
        msg_type = fields[2][1]
        body = [pair for pair in fields if pair[0] not in _FRAMING]
        if any(tag == FAULT_TAG for tag, _ in body):
            body = [pair for pair in body if pair[0] != FAULT_TAG]
            return self._mark(msg_type, body, tables.INVALID_TAG_NUMBER, FAULT_TAG)
        tags = {tag for tag, _ in body}
        missing = [pair for pair in self._comp_ids if pair[0] not in tags]
        if missing:
            body = [*missing, *body]
            return self._mark(msg_type, body, tables.REQUIRED_TAG_MISSING, missing[0][0])
        found = straighten(self._dictionary, msg_type, body)
        if found is None:
            return None
        return self._mark(msg_type, found.fields, tables.GROUP_OUT_OF_ORDER, found.tag)

    def _mark(self, msg_type: str, body: list[tuple[int, str]], code: int, tag: int) -> bytes:
        return encode(msg_type, [(FAULT_TAG, fault_mark(self._secret, code, tag)), *body])
