"""Members of repeating groups in the dictionary's order: found out of it, and put back into it.

FIX fixes the order inside a group's entry (SessionRejectReason 15), which begins with the group's
first field, its delimiter; engines that keep messages as maps cannot see it any more. Only order
is judged here: counts, presence of other fields and values are not.
"""

from collections.abc import Sequence
from typing import Final

from attrs import define, field, frozen

from kalshi_fix.fix.dictionary import Dictionary, Members

Pairs = Sequence[tuple[int, str]]
_COUNT_DIGITS_MAX: Final = 5


@frozen(slots=True)
class Straightened:
    """A message's fields with its groups in order, and the first tag that was out of it."""

    fields: list[tuple[int, str]]
    tag: int


def count_tags(dictionary: Dictionary) -> frozenset[int]:
    """Every tag that opens a group in the body of some message."""
    found: set[int] = set()
    waiting = [known.members for known in dictionary.messages.values()]
    while waiting:
        members = waiting.pop()
        found.update(members.groups)
        waiting += members.groups.values()
    return frozenset(found)


def straighten(dictionary: Dictionary, msg_type: str, fields: Pairs) -> Straightened | None:
    """The message with every group's members in order; None where they are already."""
    known = dictionary.messages.get(msg_type)
    if known is None or not known.members.groups:
        return None
    walk = _Walk(fields)
    found = walk.message(known.members)
    return Straightened(found, walk.tag) if walk.tag else None


@define(slots=True)
class _Walk:
    """One pass over a message."""

    fields: Pairs
    tag: int = 0  # the first out of order
    _place: int = 0
    _ranks: dict[int, dict[int, int]] = field(factory=dict)  # by id of Members

    def message(self, members: Members) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        while self._place < len(self.fields):
            found += self._part(members)
        return found

    def _part(self, members: Members) -> list[tuple[int, str]]:
        """A field, with the whole group it opens."""
        tag, value = self.fields[self._place]
        self._place += 1
        found = [(tag, value)]
        group = members.groups.get(tag)
        if group is not None and value.isdigit() and len(value) <= _COUNT_DIGITS_MAX:
            while self._place < len(self.fields) and self.fields[self._place][0] in group.tags:
                found += self._entry(group)
        return found

    def _entry(self, members: Members) -> list[tuple[int, str]]:
        ranks = self._ranks.get(id(members))
        if ranks is None:
            ranks = self._ranks[id(members)] = {t: rank for rank, t in enumerate(members.tags)}
        parts: dict[int, list[tuple[int, str]]] = {}
        highest = -1
        if self.fields[self._place][0] != members.delimiter:
            self.tag = self.tag or members.delimiter
        while self._place < len(self.fields):
            tag = self.fields[self._place][0]
            rank = ranks.get(tag)
            if rank is None or rank in parts:
                break
            if rank < highest:
                self.tag = self.tag or tag
            highest = max(highest, rank)
            parts[rank] = self._part(members)
        return [pair for rank in sorted(parts) for pair in parts[rank]]
