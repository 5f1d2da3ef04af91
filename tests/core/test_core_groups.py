"""Order groups: the rolling window, the match that completes, the reset. Every number a row."""

import pytest
from core.core_venue import FOK, Amount, Venue, qty, story

from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e

CREATE, RESET, DELETE, TRIGGER, UPDATE = 1, 2, 3, 4, 5


@pytest.fixture
def venue() -> Venue:
    venue = Venue()
    venue.group("ALPHA", CREATE, limit=5)
    return venue


def test_a_group_is_named_by_a_counter(venue: Venue) -> None:
    made = venue.group("BRAVO", CREATE, limit=1)
    assert isinstance(made, e.OrderGroupChanged)
    assert (made.group_id, made.account, made.limit, made.reason) == ("G2", "BRAVO", 100, "")


def test_what_every_shard_creates_has_the_same_name_in_each(venue: Venue) -> None:
    def made(venue: Venue, session: str, *everywhere: int) -> e.OrderGroupChanged:
        head = (session, 0, everywhere[0], venue.now)
        command = c.ManageOrderGroup(*head, CREATE, "", qty(1), "", everywhere)
        (event,) = venue.apply(command)
        assert isinstance(event, e.OrderGroupChanged)
        assert (event.reason, event.everywhere) == ("", everywhere)
        return event

    other_shard = Venue()  # has one group less
    name = made(venue, "ALPHA", 7, 0, 1).group_id
    assert made(other_shard, "ALPHA", 7, 0, 1).group_id == name
    others = [made(venue, "BRAVO", 7, 0, 1), made(venue, "ALPHA", 8, 0, 1)]
    others += [made(venue, "ALPHA", 9, 0, 2)]
    assert len({name, *(other.group_id for other in others)}) == 4
    assert story(venue.buy("ALPHA", "a", 1, 40, group=name, seq=20)) == ["a new"]


def test_the_match_that_reaches_the_limit_completes_then_all_is_cancelled(venue: Venue) -> None:
    venue.buy("ALPHA", "a", 8, 40, group="G1")
    venue.buy("ALPHA", "b", 1, 39, group="G1")
    venue.buy("ALPHA", "free", 1, 38)
    assert story(venue.sell("BRAVO", "s", 6, 39)) == [
        "s new", "a trade 6@40 left 2", "s trade 6@40 left 0", "group 4",
        "a canceled ORDER_GROUP_CANCEL", "b canceled ORDER_GROUP_CANCEL",
    ]  # fmt: skip
    assert venue.book() == "38x1 |"
    assert story(venue.buy("ALPHA", "c", 1, 40, group="G1")) == [
        "c rejected EXCEEDED_ORDER_GROUP_LIMIT"
    ]


def test_the_incoming_orders_remainder_is_cancelled_too(venue: Venue) -> None:
    venue.sell("BRAVO", "s1", 5, 40)
    venue.sell("BRAVO", "s2", 5, 41)
    assert story(venue.buy("ALPHA", "a", 8, 41, group="G1"))[-2:] == [
        "group 4", "a canceled ORDER_GROUP_CANCEL",
    ]  # fmt: skip
    assert venue.book() == "| 41x5"


def test_a_sweep_goes_on_without_the_orders_its_trade_cancelled(venue: Venue) -> None:
    venue.buy("ALPHA", "a", 5, 40, group="G1")
    venue.buy("ALPHA", "b", 5, 39, group="G1")
    venue.buy("CHARLIE", "c", 5, 38)
    told = story(venue.sell("BRAVO", "s", 10, 38))
    assert "b canceled ORDER_GROUP_CANCEL" in told
    assert told[-2:] == ["c trade 5@38 left 0", "s trade 5@38 left 0"]


def test_a_fill_or_kill_order_is_one_match(venue: Venue) -> None:
    venue.buy("ALPHA", "a", 5, 40, group="G1")
    venue.buy("ALPHA", "b", 5, 39, group="G1")
    told = story(venue.sell("BRAVO", "s", 8, 39, tif=FOK))
    assert told[-3:] == ["s trade 3@39 left 0", "group 4", "b canceled ORDER_GROUP_CANCEL"]


@pytest.mark.parametrize(("wait", "triggered"), [(14.999, True), (15, False)])
def test_the_window_rolls_over_fifteen_seconds(venue: Venue, wait: float, triggered: bool) -> None:
    venue.buy("ALPHA", "a", 8, 40, group="G1")
    venue.sell("BRAVO", "s", 3, 40)
    venue.advance(wait)
    told = story(venue.sell("BRAVO", "t", 2, 40))
    assert ("group 4" in told) == triggered


def test_a_reset_clears_the_window_and_lets_orders_in_again(venue: Venue) -> None:
    venue.buy("ALPHA", "a", 5, 40, group="G1")
    venue.sell("BRAVO", "s", 5, 40)
    venue.group("ALPHA", RESET, "G1")
    assert story(venue.buy("ALPHA", "b", 4, 40, group="G1")) == ["b new"]
    assert "group 4" not in story(venue.sell("BRAVO", "t", 4, 40))


def test_delete_cancels_and_forgets(venue: Venue) -> None:
    venue.buy("ALPHA", "a", 1, 40, group="G1")
    venue.group("ALPHA", DELETE, "G1")
    assert story(venue.events[-3:])[-2:] == ["group 3", "a canceled ORDER_GROUP_CANCEL"]
    assert story(venue.buy("ALPHA", "b", 1, 40, group="G1")) == ["b rejected ORDER_GROUP_NOT_FOUND"]


def test_trigger_cancels_at_once(venue: Venue) -> None:
    venue.buy("ALPHA", "a", 1, 40, group="G1")
    assert venue.group("ALPHA", TRIGGER, "G1").triggered  # type: ignore[union-attr]
    assert venue.book() == "|"


def test_an_update_below_what_was_matched_triggers(venue: Venue) -> None:
    venue.buy("ALPHA", "a", 8, 40, group="G1")
    venue.sell("BRAVO", "s", 3, 40)
    venue.group("ALPHA", UPDATE, "G1", limit=4)
    assert venue.book() == "40x5 |"
    venue.group("ALPHA", UPDATE, "G1", limit=3)
    assert venue.book() == "|"


@pytest.mark.parametrize(("session", "action", "group", "limit", "reason"), [
    ("ALPHA", CREATE, "", "0.99", "INVALID_QUANTITY"),
    ("ALPHA", CREATE, "", 1_000_001, "INVALID_QUANTITY"),
    ("ALPHA", UPDATE, "G1", 0, "INVALID_QUANTITY"),
    ("ALPHA", RESET, "G9", 0, "ORDER_GROUP_NOT_FOUND"),
    ("BRAVO", RESET, "G1", 0, "ORDER_GROUP_NOT_FOUND"),
    ("ALPHA", 9, "G1", 0, "ORDER_GROUP_NOT_FOUND"),
    ("ALPHA", CREATE, "", 1, ""), ("ALPHA", CREATE, "", 1_000_000, ""),
])  # fmt: skip
def test_requests_are_refused_with_a_reason(  # noqa: PLR0917 - the columns of the table
    venue: Venue, session: str, action: int, group: str, limit: Amount, reason: str
) -> None:
    assert venue.group(session, action, group, limit).reason == reason  # type: ignore[union-attr]
