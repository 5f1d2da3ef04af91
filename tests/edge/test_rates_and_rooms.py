"""Counting who comes how often and who waits: pure rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi_fix.adapters.edge.peer import Networks, plain_address
from kalshi_fix.adapters.edge.rates import Rate
from kalshi_fix.adapters.edge.waiting_room import WaitingRoom


def test_a_burst_passes_then_only_the_rate_and_each_key_has_its_own() -> None:
    rate = Rate(per_second=2, burst=3, kept_max=10)
    assert [rate.allows("a", 0) for _ in range(4)] == [True, True, True, False]
    assert rate.wait_seconds("a", 0) == 0.5
    assert rate.allows("b", 0)
    assert rate.allows("a", 0.5)
    assert not rate.allows("a", 0.9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_never_more_than_the_burst_and_the_rate(gaps: list[float]) -> None:
    rate, now, passed = Rate(per_second=5, burst=4, kept_max=10), 0.0, 0
    for gap in gaps:
        now += gap
        passed += rate.allows("a", now)
    assert passed <= 4 + 5 * now + 1e-6


def test_memory_is_bounded_and_who_is_forgotten_starts_afresh() -> None:
    rate = Rate(per_second=1, burst=1, kept_max=100)
    for number in range(10_000):
        rate.spend(str(number), 0)
    assert len(rate._buckets) == 100
    assert rate.allows("0", 0)
    assert not rate.allows("9999", 0)


def test_the_room_counts_all_and_each_address() -> None:
    room = WaitingRoom(waiting_max=3, per_address_max=2)
    assert [room.enter() for _ in range(4)] == [True, True, True, False]
    assert [room.name("a"), room.name("a"), room.name("a"), room.name("b")] == [1, 1, 0, 1]
    room.leave("a")
    assert room.enter()
    assert room.name("a")
    for address in ("a", "a", "b"):
        room.leave(address)
    assert len(room) == 0
    assert not room._by_address


@pytest.mark.parametrize(
    ("address", "inside"),
    [("10.1.2.3", True), ("10.2.0.1", False), ("2001:db8::1", True), ("nonsense", False)],
)
def test_networks_hold_addresses(address: str, inside: bool) -> None:
    assert (address in Networks.of(["10.1.0.0/16", "2001:db8::/32"])) is inside
    assert not Networks.of([])


def test_an_address_has_one_form() -> None:
    assert plain_address("::ffff:10.0.0.1") == "10.0.0.1"
    assert plain_address("fe80::1%eth0") == "fe80::1"
    assert plain_address("2001:DB8:0:0::1") == "2001:db8::1"
