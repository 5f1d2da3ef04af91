"""Every command and event survives its packed form unchanged, whatever its fields hold."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi_fix.messages import codec
from kalshi_fix.messages.batch import CommandBatch, EventEntry, VersionError
from kalshi_fix.messages.commands import AdvanceTime, GatewayAlive
from kalshi_fix.messages.events import BalanceChanged, ExchangeChanged, LevelChanged, OrderTerms

NUMBERS = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(max_size=20)
BY_TYPE = {
    "int": NUMBERS,
    "str": TEXT,
    "bool": st.booleans(),
    "tuple[int, ...]": st.lists(NUMBERS, max_size=3).map(tuple),
    "tuple[str, ...]": st.lists(TEXT, max_size=3).map(tuple),
    "dict[str, int]": st.dictionaries(TEXT, NUMBERS, max_size=3),
}


def values_of(cls: type) -> st.SearchStrategy:
    return st.builds(cls, *(value_of(attribute) for attribute in attrs.fields(cls)))


def value_of(attribute: attrs.Attribute) -> st.SearchStrategy:
    if attribute.name == "terms":
        return st.none() | values_of(OrderTerms)
    kind = attribute.type if isinstance(attribute.type, str) else None
    kind = kind or getattr(attribute.type, "__name__", "")
    text = str(attribute.type)
    if kind in BY_TYPE:
        return BY_TYPE[kind]
    if text in BY_TYPE:
        return BY_TYPE[text]
    assert text.startswith("tuple[tuple["), text
    return st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=2).map(tuple)


ALL = [*codec.COMMAND_KINDS.values(), *codec.EVENT_KINDS.values()]


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_a_message_survives_packing(cls: type) -> None:
    @given(values_of(cls))
    def check(message: codec.Message) -> None:
        assert codec.unpack_rows(codec.pack_rows([message])) == [message]

    check()


def test_kinds_are_unique_and_cover_every_class() -> None:
    assert len(set(ALL)) == len(ALL)
    assert not set(codec.COMMAND_KINDS) & set(codec.EVENT_KINDS)


def test_a_kind_of_a_newer_version_is_refused() -> None:
    with pytest.raises(codec.UnknownKindError, match="newer version"):
        codec.from_row([9999, 1, 2])


def test_a_row_of_an_older_version_gets_the_defaults_of_fields_added_since() -> None:
    row = codec.to_row(codec.from_row([41, "r", "op", "why", 1, "ACC", "FIRM"]))
    assert row == (41, "r", "op", "why", 1, "ACC", "FIRM", "")


def test_a_command_batch_survives_packing() -> None:
    batch = CommandBatch("gateway:g1", {"S": (3, 17)}, [AdvanceTime(5), GatewayAlive("g", 1, 2, 3)])
    assert CommandBatch.unpack(batch.pack()) == batch


def test_a_batch_of_another_version_is_refused() -> None:
    with pytest.raises(VersionError):
        CommandBatch.unpack(b"\x94\x7f\xa1w\x80\x90")


def test_an_event_entry_keeps_firms_apart_and_skips_those_not_asked_for() -> None:
    a = BalanceChanged(1, 10, "A", "A-1", 5, 5, "deposit")
    shared = ExchangeChanged(2, 10, False, False, 20261122, 99)
    level = LevelChanged(3, 10, "M", 1, 1, 5000, 100, 1)
    b = BalanceChanged(4, 10, "B", "B-1", 5, 5, "deposit")
    entry = EventEntry.unpack(EventEntry.from_events(b"h", [a, shared, level, b]).pack())
    assert (entry.first, entry.last, entry.state_hash) == (1, 4, b"h")
    assert entry.events(frozenset({"A"})) == [a, shared]
    assert entry.events() == [a, shared, b]
    assert entry.market_events() == [level]
