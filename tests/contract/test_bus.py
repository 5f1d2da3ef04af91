"""What every bus promises (kalshi_fix.adapters.bus), whatever it is made of."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from kalshi_fix.adapters.bus import (
    Bus,
    BusDownError,
    Entry,
    FencedError,
    LaneHolder,
    LaneRecord,
    Offset,
    Position,
    ShardState,
    StaleOffsetError,
)

LEASE_MS = 10_000
START = Offset()


def lead(bus: Bus, owner: str = "core-1", lease_ms: int = LEASE_MS) -> ShardState:
    state = bus.acquire(owner, lease_ms)
    assert state is not None
    return state


def payloads(entries: list[Entry]) -> list[bytes]:
    return [entry.payload for entry in entries]


@contextmanager
def shortly(action: Callable[[], object]) -> Iterator[None]:
    timer = threading.Timer(0.05, action)
    timer.start()
    yield
    timer.join()


def test_commands_come_back_in_order_after_an_id(bus: Bus) -> None:
    ids = [bus.append_commands(b"%d" % n) for n in range(5)]
    assert payloads(bus.read_commands("0-0", 10, 0)) == [b"0", b"1", b"2", b"3", b"4"]
    assert payloads(bus.read_commands(ids[1], 2, 0)) == [b"2", b"3"]
    assert bus.read_commands(ids[4], 10, 0) == []


def test_the_same_payload_twice_is_two_entries(bus: Bus) -> None:
    first, second = bus.append_commands(b"same"), bus.append_commands(b"same")
    assert first != second
    assert payloads(bus.read_commands("0-0", 10, 0)) == [b"same", b"same"]


def test_payloads_are_bytes_of_any_value(bus: Bus) -> None:
    payload = bytes(range(256)) * 400
    bus.append_commands(payload)
    assert payloads(bus.read_commands("0-0", 1, 0)) == [payload]


def test_a_waiting_read_returns_as_soon_as_something_is_written(
    bus: Bus, connect: Callable[[str], Bus]
) -> None:
    writer = connect(bus.shard)
    began = time.monotonic()
    with shortly(lambda: writer.append_commands(b"late")):
        assert payloads(bus.read_commands("0-0", 10, 3_000)) == [b"late"]
    assert time.monotonic() - began < 2


def test_a_waiting_read_ends_empty_after_its_time(bus: Bus) -> None:
    assert bus.read_commands("0-0", 10, 20) == []
    assert bus.read_events(0, 10, 20) == []


def test_only_one_owner_leads_while_the_lease_lasts(bus: Bus) -> None:
    assert lead(bus).term == 1
    assert bus.acquire("core-2", LEASE_MS) is None


def test_after_the_lease_another_owner_leads_with_a_new_token(bus: Bus) -> None:
    first = lead(bus, lease_ms=20)
    time.sleep(0.05)
    second = lead(bus, "core-2")
    assert second.term == first.term + 1
    assert second.token != first.token
    assert bus.state() == second


def test_the_same_owner_gets_a_new_token_each_time(bus: Bus) -> None:
    first = lead(bus)
    bus.release(first.token)
    assert lead(bus).token != first.token


def test_a_released_lease_is_free_at_once_and_only_its_holder_releases_it(bus: Bus) -> None:
    state = lead(bus)
    bus.release("1:somebody-else")
    assert bus.acquire("core-2", LEASE_MS) is None
    bus.release(state.token)
    assert bus.acquire("core-2", LEASE_MS) is not None


def test_a_commit_appends_events_and_moves_the_offset_together(bus: Bus) -> None:
    token = lead(bus).token
    after = Offset("5-0", 0)
    bus.commit(token, START, after, [Entry("3-0", b"one"), Entry("7-0", b"two")], LEASE_MS)
    assert bus.state().offset == after
    assert bus.read_events(0, 10, 0) == [Entry("3-0", b"one"), Entry("7-0", b"two")]
    assert bus.read_events(3, 10, 0) == [Entry("7-0", b"two")]
    assert bus.read_events(5, 10, 0) == [Entry("7-0", b"two")]
    assert bus.last_event() == Entry("7-0", b"two")


def test_a_commit_without_events_moves_the_offset(bus: Bus) -> None:
    token = lead(bus).token
    bus.commit(token, START, Offset("9-1"), [], LEASE_MS)
    assert bus.state().offset == Offset("9-1")
    assert bus.last_event() is None


def test_chunks_of_one_command_are_counted_in_the_offset(bus: Bus) -> None:
    token = lead(bus).token
    bus.commit(token, START, Offset("0-0", 1), [Entry("500-0", b"chunk 1")], LEASE_MS)
    bus.commit(token, Offset("0-0", 1), Offset("0-0", 2), [Entry("1000-0", b"2")], LEASE_MS)
    bus.commit(token, Offset("0-0", 2), Offset("1-0"), [Entry("1100-0", b"3")], LEASE_MS)
    assert [entry.id for entry in bus.read_events(0, 9, 0)] == ["500-0", "1000-0", "1100-0"]
    assert bus.state().offset == Offset("1-0", 0)


def test_the_same_commit_twice_is_refused_and_writes_nothing(bus: Bus) -> None:
    token = lead(bus).token
    bus.commit(token, START, Offset("1-0"), [Entry("1-0", b"a")], LEASE_MS)
    with pytest.raises(StaleOffsetError):
        bus.commit(token, START, Offset("1-0"), [Entry("1-0", b"a")], LEASE_MS)
    with pytest.raises(StaleOffsetError):
        bus.commit(token, Offset("1-0", 3), Offset("2-0"), [Entry("2-0", b"b")], LEASE_MS)
    assert bus.read_events(0, 10, 0) == [Entry("1-0", b"a")]


def test_a_stalled_leader_is_fenced_and_writes_nothing(bus: Bus) -> None:
    stalled = lead(bus, lease_ms=10).token
    time.sleep(0.03)
    lead(bus, "core-2")
    with pytest.raises(FencedError):
        bus.commit(stalled, START, Offset("1-0"), [Entry("1-0", b"a")], LEASE_MS)
    with pytest.raises(FencedError):
        bus.renew(stalled, LEASE_MS)
    assert bus.read_events(0, 10, 0) == []
    assert bus.state().offset == START


def test_a_lease_past_its_time_still_commits_while_nobody_else_leads(bus: Bus) -> None:
    token = lead(bus, lease_ms=10).token
    time.sleep(0.03)
    bus.commit(token, START, Offset("1-0"), [Entry("1-0", b"a")], LEASE_MS)
    assert bus.acquire("core-2", LEASE_MS) is None, "the commit renewed the lease"


def test_renewing_keeps_others_away(bus: Bus) -> None:
    token = lead(bus, lease_ms=10).token
    bus.renew(token, LEASE_MS)
    time.sleep(0.03)
    assert bus.acquire("core-2", LEASE_MS) is None


def test_a_new_shard_has_no_leader_no_offset_and_nothing_to_read(bus: Bus) -> None:
    assert bus.state() == ShardState("", 0, Offset("0-0", 0))
    assert (bus.last_event(), bus.positions(), bus.seeds()) == (None, {}, {})


def test_seeds_are_appended_once(bus: Bus) -> None:
    unset = {"firm:A": "", "firm:B": ""}
    assert bus.append_seed(b"batch", unset, {"firm:A": "r1", "firm:B": "r2"})
    assert bus.append_seed(b"batch", unset, {"firm:A": "r1", "firm:B": "r2"}) == ""
    assert bus.append_seed(b"change", {"firm:A": "r1"}, {"firm:A": "r3"})
    assert payloads(bus.read_commands("0-0", 10, 0)) == [b"batch", b"change"]
    assert bus.seeds() == {"firm:A": "r3", "firm:B": "r2"}


def test_positions_are_kept_per_reader(bus: Bus) -> None:
    bus.set_position("gateway:gw1", 17, 1_000)
    bus.set_position("marketdata", 4, 2_000)
    bus.set_position("gateway:gw1", 20, 3_000)
    assert bus.positions() == {
        "gateway:gw1": Position(20, 3_000),
        "marketdata": Position(4, 2_000),
    }


def test_a_lane_is_taken_from_whom_it_is_said_to_be_and_from_nobody_else(bus: Bus) -> None:
    reader = "gateway:gw1"
    assert bus.lane(reader) == LaneRecord("", b"")
    assert bus.take_lane(reader, "", "a")
    assert not bus.take_lane(reader, "", "b")
    assert bus.take_lane(reader, "a", "b")
    assert bus.lane(reader).holder == "b"
    assert bus.lane("gateway:gw2") == LaneRecord("", b"")


def test_only_the_holder_of_a_lane_records_its_position_and_its_note(bus: Bus) -> None:
    reader = "gateway:gw1"
    assert bus.take_lane(reader, "", "a")
    bus.set_position(reader, 7, 1_000, LaneRecord("a", b"of a"))
    assert bus.take_lane(reader, "a", "b")
    with pytest.raises(FencedError):
        bus.set_position(reader, 8, 2_000, LaneRecord("a", b"late"))
    assert bus.positions() == {reader: Position(7, 1_000)}
    assert bus.lane(reader) == LaneRecord("b", b"of a")
    bus.set_position(reader, 9, 3_000, LaneRecord("b", b"\x00of b\xff"))
    assert bus.lane(reader) == LaneRecord("b", b"\x00of b\xff")


def test_only_the_holder_of_a_lane_appends_for_it(bus: Bus) -> None:
    one, two = LaneHolder("gateway:gw1", "a"), LaneHolder("gateway:gw1", "b")
    with pytest.raises(FencedError):
        bus.append_commands(b"before anybody held it", one)
    assert bus.take_lane(one.reader, "", "a")
    bus.append_commands(b"of a", one)
    bus.hold_lane(two)
    with pytest.raises(FencedError):
        bus.append_commands(b"late", one)
    bus.append_commands(b"\x00of b\xff", two)
    bus.append_commands(b"of no lane")
    bus.hold_lane(LaneHolder("gateway:gw2", "c"))
    bus.append_commands(b"of b again", two)
    found = bus.read_commands("0-0", 10, 0)
    assert payloads(found) == [b"of a", b"\x00of b\xff", b"of no lane", b"of b again"]


def test_a_note_outlives_the_change_of_its_holder(bus: Bus) -> None:
    bus.hold_lane(LaneHolder("gateway:gw1", "a"))
    bus.set_position("gateway:gw1", 7, 1_000, LaneRecord("a", b"of a"))
    bus.hold_lane(LaneHolder("gateway:gw1", "b"))
    assert bus.lane("gateway:gw1") == LaneRecord("b", b"of a")


def test_trimming_drops_what_lies_before_and_nothing_else(bus: Bus) -> None:
    token = lead(bus).token
    ids = [bus.append_commands(b"%d" % n) for n in range(5)]
    rows = [Entry(f"{n * 10}-0", b"%d" % n) for n in range(1, 6)]
    bus.commit(token, START, Offset(ids[4]), rows, LEASE_MS)
    bus.trim(ids[2], 30)
    assert payloads(bus.read_commands("0-0", 10, 0)) == [b"2", b"3", b"4"]
    assert payloads(bus.read_events(0, 10, 0)) == [b"3", b"4", b"5"]


def test_trimming_everything_does_not_reuse_ids(bus: Bus) -> None:
    first = bus.append_commands(b"a")
    bus.trim("18446744073709551615-0", 0)
    assert bus.read_commands("0-0", 10, 0) == []
    bus.append_commands(b"b")
    assert payloads(bus.read_commands(first, 10, 0)) == [b"b"]


def test_books_are_the_latest_of_each_market(bus: Bus) -> None:
    bus.put_books({"KX-A": b"1", "KX-B": b"2"})
    bus.put_books({"KX-A": b"3"})
    bus.put_books({})
    assert bus.get_books(["KX-A", "KX-B", "KX-C"]) == {"KX-A": b"3", "KX-B": b"2"}
    assert bus.get_books([]) == {}


def test_market_data_is_bounded_and_can_be_followed_from_now(
    bus: Bus, connect: Callable[[str], Bus]
) -> None:
    ids = [bus.append_market_data(b"%d" % n, 100) for n in range(1_000)]
    kept = bus.read_market_data("0-0", 10_000, 0)
    assert 100 <= len(kept) <= 300
    assert payloads(bus.read_market_data(ids[-3], 10, 0)) == [b"998", b"999"]
    writer = connect(bus.shard)
    with shortly(lambda: writer.append_market_data(b"new", 100)):
        assert payloads(bus.read_market_data("$", 10, 3_000)) == [b"new"]


def test_shards_do_not_see_each_other(bus: Bus, connect: Callable[[str], Bus]) -> None:
    other = connect(bus.shard + "-other")
    bus.append_commands(b"here")
    bus.set_position("reader", 1, 1)
    lead(bus)
    assert other.read_commands("0-0", 10, 0) == []
    assert other.positions() == {}
    assert other.acquire("core-9", LEASE_MS) is not None


def test_closing_ends_a_blocked_read_of_another_thread(bus: Bus) -> None:
    ended: list[BaseException] = []

    def read() -> None:
        try:
            bus.read_commands("0-0", 1, 4_000)
        except BusDownError as error:
            ended.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.05)
    bus.close()
    reader.join(2)
    assert not reader.is_alive()
    assert len(ended) == 1


def test_a_closed_bus_stays_closed(bus: Bus) -> None:
    bus.close()
    with pytest.raises(BusDownError):
        bus.append_commands(b"x")
    with pytest.raises(BusDownError):
        bus.state()
