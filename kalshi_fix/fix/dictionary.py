"""A FIX data dictionary as data, and what it says about a message.

Reads the QuickFIX XML form from text (who opens files is somebody else's concern). `faults` judges
the way a stock engine does: presence, types, enumerations, tags of the message, repeating groups.
Knows nothing of this venue: it serves tests, the decoder and certification alike.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from xml.etree import ElementTree as ET

from attrs import define, field, frozen

from kalshi_fix.fix.dictionary_types import is_well_formed
from kalshi_fix.fix.message import FixMessage

Element = ET.Element
Pairs = Sequence[tuple[int, str]]

INVALID_TAG: Final = 0
REQUIRED_MISSING: Final = 1
NOT_FOR_MESSAGE: Final = 2
NO_VALUE: Final = 4
VALUE_INCORRECT: Final = 5
FORMAT_INCORRECT: Final = 6
INVALID_MSG_TYPE: Final = 11
REPEATED: Final = 13
GROUP_ORDER: Final = 15
GROUP_COUNT: Final = 16


@frozen(slots=True)
class FieldType:
    """One tag: its name, its FIX type, and its enumeration (value -> name), if it has one."""

    tag: int
    name: str
    type: str
    values: Mapping[str, str]


@define(slots=True)
class Members:
    """What may stand in a message or group entry: tag -> required, and groups by count tag."""

    tags: dict[int, bool] = field(factory=dict)
    groups: dict[int, "Members"] = field(factory=dict)

    @property
    def delimiter(self) -> int:
        """The tag each entry of a group starts with."""
        return next(iter(self.tags))

    def all_tags(self) -> set[int]:
        """Tags of this level and of every group below it."""
        found = set(self.tags)
        for group in self.groups.values():
            found |= group.all_tags()
        return found


@frozen(slots=True)
class MessageType:
    """One message of the dictionary."""

    name: str
    msg_type: str
    members: Members


@frozen(slots=True)
class Fault:
    """What is wrong: ``code`` as SessionRejectReason (373), ``tag`` as RefTagID (371)."""

    code: int
    tag: int
    text: str


class Dictionary:
    """Fields, messages, header and trailer of one FIX version."""

    def __init__(self, xml_text: str) -> None:
        """Reads the XML form. Raises LookupError or ValueError where it is not a dictionary."""
        root = ET.fromstring(xml_text)  # noqa: S314 - a file of the product, never a client's
        self.fields = {item.tag: item for item in map(_field_type, _section(root, "fields"))}
        self.tags = {item.name: item.tag for item in self.fields.values()}
        self._components = {item.get("name", ""): item for item in _section(root, "components")}
        self.header = self._members(_section(root, "header"))
        self.trailer = self._members(_section(root, "trailer"))
        self.messages = {
            item.get("msgtype", ""): MessageType(
                item.get("name", ""), item.get("msgtype", ""), self._members(item)
            )
            for item in _section(root, "messages")
        }
        self._envelope = self.header.all_tags() | self.trailer.all_tags()

    def _members(self, element: Element) -> Members:
        members = Members()
        self._collect(element, members, parent_required=True)
        return members

    def _collect(self, element: Element, members: Members, *, parent_required: bool) -> None:
        for item in element:
            name = item.get("name", "")
            required = item.get("required") == "Y" and parent_required
            if item.tag == "component":
                self._collect(self._components[name], members, parent_required=required)
                continue
            members.tags[self.tags[name]] = required
            if item.tag == "group":
                members.groups[self.tags[name]] = self._members(item)

    def name(self, tag: int) -> str:
        """The tag's name, its number where the dictionary does not know it."""
        known = self.fields.get(tag)
        return known.name if known is not None else str(tag)

    def meaning(self, tag: int, value: str) -> str:
        """The name of an enumerated value, "" where there is none."""
        known = self.fields.get(tag)
        if known is None:
            return ""
        if known.type == "MULTIPLEVALUESTRING":
            return " ".join(known.values.get(part, part) for part in value.split())
        return known.values.get(value, "")

    # --- judging a message ---

    def faults(self, message: FixMessage) -> list[Fault]:
        """Everything wrong with a message's body; header and trailer fields are passed over."""
        known = self.messages.get(message.msg_type)
        if known is None:
            return [Fault(INVALID_MSG_TYPE, 35, f"unknown message type {message.msg_type}")]
        body = [pair for pair in message.fields if pair[0] not in self._envelope]
        found, end = self._level(body, 0, known.members, inside_group=False)
        assert end == len(body), "the top level reads every field"
        return found

    def _level(
        self, pairs: Pairs, place: int, members: Members, *, inside_group: bool
    ) -> tuple[list[Fault], int]:
        """Judges one message or one entry of a group; returns where it ends."""
        found: list[Fault] = []
        seen: set[int] = set()
        while place < len(pairs):
            tag, value = pairs[place]
            if inside_group and (tag not in members.tags or tag in seen):
                break
            place += 1
            found += self._field(tag, value, members, seen)
            seen.add(tag)
            if tag in members.groups and value.isdigit():
                faults, place = self._group(pairs, place, tag, int(value), members.groups[tag])
                found += faults
        for tag, required in members.tags.items():
            if required and tag not in seen:
                found.append(Fault(REQUIRED_MISSING, tag, f"{self.name(tag)} is required"))
        return found, place

    def _field(self, tag: int, value: str, members: Members, seen: set[int]) -> list[Fault]:
        known = self.fields.get(tag)
        if known is None:
            return [Fault(INVALID_TAG, tag, f"tag {tag} is not in the dictionary")]
        if tag not in members.tags:
            return [Fault(NOT_FOR_MESSAGE, tag, f"{known.name} does not belong here")]
        if tag in seen:
            return [Fault(REPEATED, tag, f"{known.name} stands twice")]
        return self._value(known, value)

    @staticmethod
    def _value(known: FieldType, value: str) -> list[Fault]:
        tag = known.tag
        if not value:
            return [Fault(NO_VALUE, tag, f"{known.name} has no value")]
        if not is_well_formed(known.type, value):
            return [Fault(FORMAT_INCORRECT, tag, f"{known.name}={value} is not {known.type}")]
        values = value.split(" ") if known.type == "MULTIPLEVALUESTRING" else [value]
        if known.values and not all(item in known.values for item in values):
            return [Fault(VALUE_INCORRECT, tag, f"{known.name}={value} is not enumerated")]
        return []

    def _group(
        self, pairs: Pairs, place: int, count_tag: int, count: int, members: Members
    ) -> tuple[list[Fault], int]:
        found: list[Fault] = []
        entries = 0
        while place < len(pairs) and pairs[place][0] in members.tags:
            if pairs[place][0] != members.delimiter:
                name = self.name(pairs[place][0])
                found.append(Fault(GROUP_ORDER, pairs[place][0], f"{name} before the delimiter"))
            faults, place = self._level(pairs, place, members, inside_group=True)
            found += faults
            entries += 1
        if entries != count:
            text = f"{self.name(count_tag)}={count}, found {entries}"
            found.append(Fault(GROUP_COUNT, count_tag, text))
        return found, place

    # --- showing a message ---

    def walk(self, msg_type: str, pairs: Pairs) -> Iterator[tuple[int, int, str]]:
        """(depth, tag, value) of each field: 0 in the message, 1 in a group's entry, and so on."""
        known = self.messages.get(msg_type)
        levels = [Members(groups={**self.header.groups})]
        if known is not None:
            levels[0].groups.update(known.members.groups)
        for tag, value in pairs:
            while len(levels) > 1 and tag not in levels[-1].tags:
                levels.pop()
            yield len(levels) - 1, tag, value
            group = levels[-1].groups.get(tag)
            if group is not None and value != "0":
                levels.append(group)


def _section(root: Element, name: str) -> Element:
    found = root.find(name)
    if found is None:
        raise LookupError(f"a dictionary has a <{name}> section")
    return found


def _field_type(element: Element) -> FieldType:
    values = {item.get("enum", ""): item.get("description", "") for item in element}
    tag = int(element.get("number", ""))
    return FieldType(tag, element.get("name", ""), element.get("type", ""), values)
