"""Order inside repeating groups, by the venue's own dictionary."""

import pytest

from kalshi_fix.adapters.dictionaries import client_dictionary
from kalshi_fix.fix.group_order import count_tags, straighten

DICTIONARY = client_dictionary()
BEFORE, AFTER = "11=a|55=M", "54=1|38=1"


def fields(text: str) -> list[tuple[int, str]]:
    return [
        (int(tag), value) for tag, _, value in (part.partition("=") for part in text.split("|"))
    ]


@pytest.mark.parametrize(
    "group",
    [
        "453=0",
        "453=1|448=p|447=D|452=1",
        "453=1|448=p|452=1",
        "453=2|448=p|447=D|448=q|447=D|452=3",
        "453=1|448=p|447=D|452=1|802=2|523=x|803=1|523=y|803=2",
        "453=2|448=p|802=1|523=x|448=q",
        "453=x|448=p|452=1|447=D",
        "453=1",
    ],
)
def test_groups_in_order_are_left_alone(group: str) -> None:
    assert straighten(DICTIONARY, "D", fields(f"{BEFORE}|{group}|{AFTER}")) is None


@pytest.mark.parametrize(
    ("group", "tag", "in_order"),
    [
        ("453=1|448=p|452=1|447=D", 447, "453=1|448=p|447=D|452=1"),
        ("453=1|447=D|448=p|452=1", 448, "453=1|448=p|447=D|452=1"),
        ("453=2|448=p|447=D|448=q|452=3|447=D", 447, "453=2|448=p|447=D|448=q|447=D|452=3"),
        ("453=1|448=p|802=1|803=1|523=x", 523, "453=1|448=p|802=1|523=x|803=1"),
        ("453=1|448=p|802=1|803=1", 523, "453=1|448=p|802=1|803=1"),
        ("453=1|448=p|802=1|523=x|803=1|447=D", 447, "453=1|448=p|447=D|802=1|523=x|803=1"),
    ],
)
def test_members_out_of_order_are_named_and_put_right(group: str, tag: int, in_order: str) -> None:
    found = straighten(DICTIONARY, "D", fields(f"{BEFORE}|{group}|{AFTER}"))
    assert found is not None
    assert found.tag == tag
    assert found.fields == fields(f"{BEFORE}|{in_order}|{AFTER}")


def test_messages_without_groups_and_unknown_ones_are_left_alone() -> None:
    for msg_type in ("0", "1", "ZZ"):
        assert straighten(DICTIONARY, msg_type, fields("453=1|447=D|448=p")) is None


def test_nested_groups_are_among_the_count_tags() -> None:
    assert {453, 802, 146, 267} <= count_tags(DICTIONARY)
    assert 448 not in count_tags(DICTIONARY)
