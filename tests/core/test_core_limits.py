"""Every kind of limit on every scope: obeyed by the next order, over when its time is over."""

import pytest
from core.core_venue import DOLLAR, START, Venue, story

from kalshi_fix.messages import commands as c
from kalshi_fix.model import NANOS

KINDS = [
    ("order_size", 100, "ORDER_SIZE_LIMIT"),
    ("order_value", DOLLAR // 2, "ORDER_VALUE_LIMIT"),
    ("open_orders", 1, "OPEN_ORDER_LIMIT"),
    ("position", 250, "POSITION_LIMIT"),
    ("exposure", 2 * DOLLAR, "POSITION_LIMIT"),
    ("price_distance", 500, "PRICE_OUT_OF_BAND"),
]


@pytest.fixture
def venue() -> Venue:
    """The last price is 50; ALPHA has one order of one contract open."""
    venue = Venue()
    venue.sell("CHARLIE", "s", 1, 50)
    venue.buy("BRAVO", "b", 1, 50)
    venue.buy("ALPHA", "rests", 1, 50)
    return venue


@pytest.mark.parametrize("scope", ["session", "account", "firm"])
@pytest.mark.parametrize(("kind", "value", "reason"), KINDS)
def test_the_next_order_obeys_and_one_after_the_limits_time_does_not_need_to(
    venue: Venue, scope: str, kind: str, value: int, reason: str
) -> None:
    assert story(venue.buy("ALPHA", "before", 2, 40)) == ["before new"]
    venue.cancel("ALPHA", "x", "before", "buy")
    venue.admin(c.SetLimits, scope, "ALPHA", {kind: value}, lasts=2 * NANOS)
    assert story(venue.buy("ALPHA", "a", 2, 40)) == [f"a rejected {reason}"]
    assert story(venue.buy("BRAVO", "other", 2, 40)) == ["other new"]
    venue.advance(2)
    assert story(venue.buy("ALPHA", "a", 2, 40)) == ["a new"]


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [row for row in KINDS if row[0] != "open_orders"],  # a replace opens none
)
def test_a_replace_that_adds_risk_obeys_too(
    venue: Venue, kind: str, value: int, reason: str
) -> None:
    venue.admin(c.SetLimits, "account", "ALPHA", {kind: value})
    grown = venue.replace("ALPHA", "r", "rests", "buy", 3, 44)
    assert story(grown) == [f"r refused {reason}"]


def test_an_operators_expiry_time_is_kept_to_the_nanosecond(venue: Venue) -> None:
    venue.admin(c.SetLimits, "firm", "ALPHA", {"order_size": 100}, START + 5)
    venue.apply(c.AdvanceTime(START + 4))
    assert story(venue.buy("ALPHA", "a", 2, 40)) == ["a rejected ORDER_SIZE_LIMIT"]
    venue.apply(c.AdvanceTime(START + 5))
    assert story(venue.buy("ALPHA", "a", 2, 40)) == ["a new"]
