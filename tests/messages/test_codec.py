"""Every command and event survives its packed form unchanged, whatever its fields hold."""

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi_fix.messages import codec
from kalshi_fix.messages.batch import CommandBatch, EventEntry, VersionError
from kalshi_fix.messages.commands import AdvanceTime, GatewayAlive
from kalshi_fix.messages.events import BalanceChanged, ExchangeChanged, LevelChanged, OrderTerms

NUMBERS = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(max_size=20)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
BY_TYPE = {
    int: NUMBERS,
    str: TEXT,
    bool: st.booleans(),
    tuple[int, ...]: st.lists(NUMBERS, max_size=3).map(tuple),
    tuple[str, ...]: TEXTS,
    dict[str, int]: st.dictionaries(TEXT, NUMBERS, max_size=3),
}


def values_of(cls: type) -> st.SearchStrategy:
    return st.builds(cls, *(value_of(field.type) for field in msgspec.structs.fields(cls)))


def value_of(kind: type) -> st.SearchStrategy:
    if kind in BY_TYPE:
        return BY_TYPE[kind]
    if kind in {OrderTerms, OrderTerms | None}:
        return values_of(OrderTerms) | (st.nothing() if kind is OrderTerms else st.none())
    assert kind.__origin__ is tuple, kind
    row, _ = kind.__args__  # tuple[tuple[...], ...]
    return st.lists(st.tuples(*map(value_of, row.__args__)), max_size=2).map(tuple)


ALL = [*codec.COMMAND_KINDS.values(), *codec.EVENT_KINDS.values()]


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_a_message_survives_packing(cls: type) -> None:
    @given(values_of(cls))
    def check(message: codec.Message) -> None:
        assert codec.unpack_rows(codec.pack_rows([message])) == [message]

    check()


def test_kinds_are_unique() -> None:
    assert len(codec.KINDS) == len(ALL)


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_the_packed_form_is_the_kind_and_the_fields_in_order(cls: type) -> None:
    @given(values_of(cls))
    def check(message: codec.Message) -> None:
        packed = msgpack.packb(codec.to_row(message), default=msgspec.structs.astuple)
        assert codec.pack_row(message) == packed

    check()


def test_the_numbers_of_kinds_are_for_ever() -> None:
    by_name = {cls.__name__: kind for kind, cls in codec.KINDS.items()}
    assert by_name == {
        "NewOrder": 1,
        "CancelOrder": 2,
        "ReplaceOrder": 3,
        "MassCancel": 4,
        "QueryOrder": 5,
        "QueryOrders": 6,
        "ManageOrderGroup": 7,
        "QueryPositions": 8,
        "QueryCollateral": 9,
        "SessionOpened": 20,
        "SessionLost": 21,
        "GatewayAlive": 22,
        "PublishDepth": 23,
        "AdvanceTime": 24,
        "DefineFirm": 40,
        "DefineAccount": 41,
        "DefineSession": 42,
        "DefineSeries": 43,
        "DefineMarket": 44,
        "SetMarketStatus": 45,
        "SetExchangeStatus": 46,
        "Determine": 47,
        "Confirm": 48,
        "Dispute": 49,
        "Settle": 50,
        "BustTrade": 51,
        "Deposit": 52,
        "Withdraw": 53,
        "SetLimits": 54,
        "KillSwitch": 55,
        "UnlockFirm": 56,
        "CancelByOperator": 57,
        "StartTradingDay": 58,
        "Quarantine": 59,
        "DefineSegment": 60,
        "ManageSession": 61,
        "AnnounceMaintenance": 62,
        "Drain": 63,
        "Execution": 101,
        "OrderRejected": 102,
        "CancelRejected": 103,
        "MassCanceled": 104,
        "StatusReported": 105,
        "OrderGroupChanged": 106,
        "PositionsReported": 107,
        "CollateralReported": 108,
        "BalanceChanged": 109,
        "PositionSettled": 110,
        "SessionChanged": 111,
        "SessionManaged": 112,
        "FirmChanged": 130,
        "AccountChanged": 131,
        "SessionDefined": 132,
        "ExchangeChanged": 133,
        "LimitsChanged": 134,
        "AdminAnswered": 135,
        "SegmentChanged": 136,
        "MaintenanceChanged": 137,
        "SeriesChanged": 138,
        "MarketChanged": 160,
        "LevelChanged": 161,
        "Traded": 162,
        "TradeBusted": 163,
        "OpenInterestChanged": 164,
        "DepthPublished": 165,
    }


def test_blocks_are_joined_as_they_would_be_packed() -> None:
    messages = [AdvanceTime(5), GatewayAlive("g", 1, 2, 3)]
    rows = [codec.pack_row(message) for message in messages]
    assert codec.join_rows(rows) == codec.pack_rows(messages)


@pytest.mark.parametrize(
    "row",
    [(24,), (24, "5"), (24, 5, 6), (53, "r", "op", "why", 1, "ACC", True)],
    ids=["field missing", "wrong type", "a field too many", "a flag for a number"],
)
def test_a_damaged_row_is_refused(row: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match=r"\$"):
        codec.unpack_rows(msgpack.packb([row]))


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
