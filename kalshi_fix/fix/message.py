"""A FIX message as translation sees it: a type and its fields in order, text throughout.

No dictionary, no session, no numbers: `fix.wire` makes it from bytes, `fix.inbound` reads it,
`fix.outbound` builds it. Repeating groups stand inline, in order, after their count.
"""

from collections.abc import Sequence

from attrs import define, field


@define(slots=True)
class FixMessage:
    """``fields`` are (tag, value) in wire order.

    Inbound messages hold header and body (8, 9 and 10 left out); outbound ones the body alone:
    the session layer adds the rest.
    """

    msg_type: str
    fields: Sequence[tuple[int, str]]
    _first: dict[int, str] | None = field(default=None, repr=False, eq=False, alias="first")

    def first(self) -> dict[int, str]:
        """Tag -> value; of a tag that stands more than once, the first."""
        found = self._first
        if found is None:
            found = self._first = dict(reversed(self.fields))
        return found

    def get(self, tag: int, default: str = "") -> str:
        """The first value of a tag, ``default`` where it is absent."""
        return self.first().get(tag, default)

    def __contains__(self, tag: int) -> bool:
        return tag in self.first()
