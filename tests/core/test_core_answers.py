"""What operators' commands are answered: once per request id, with details a person can read."""

from typing import Any

import msgpack
import pytest
from core.core_venue import DOLLAR, START, Venue, story

from kalshi_fix.core.exchange import Exchange
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.messages.content import content_of
from kalshi_fix.model import NANOS


def answer(venue: Venue, command: c.AdminCommand) -> e.AdminAnswered:
    found = venue.apply(command)[-1]
    assert isinstance(found, e.AdminAnswered)
    return found


def test_a_request_id_used_for_something_else_is_refused_and_changes_nothing() -> None:
    venue = Venue()
    answer(venue, c.Deposit("same", "op1", "", START, "ALPHA", DOLLAR))
    for other in (
        c.Deposit("same", "op1", "", START, "ALPHA", 2 * DOLLAR),
        c.Deposit("same", "op1", "", START, "BRAVO", DOLLAR),
        c.Deposit("same", "op2", "", START, "ALPHA", DOLLAR),
        c.Withdraw("same", "op1", "", START, "ALPHA", DOLLAR),
    ):
        assert answer(venue, other).reason == "REQUEST_ID_USED"
    assert (venue.cash("ALPHA"), venue.cash("BRAVO")) == (1_001 * DOLLAR, 1_000 * DOLLAR)


def test_a_repeat_may_come_later_and_with_another_reason() -> None:
    venue = Venue()
    first = c.SetLimits("same", "op1", "", START, "firm", "ALPHA", {"order_size": 1, "position": 2})
    again = c.SetLimits(
        "same", "op1", "!", START + 9, "firm", "ALPHA", {"position": 2, "order_size": 1}
    )
    assert content_of(first) == content_of(again)
    assert [answer(venue, command).reason for command in (first, again)] == ["", ""]


def test_what_a_request_id_stands_for_is_remembered_in_the_snapshot() -> None:
    venue = Venue()
    answer(venue, c.Deposit("same", "op1", "", START, "ALPHA", DOLLAR))
    packed = msgpack.packb(venue.exchange.snapshot())
    venue.exchange = Exchange.restore(msgpack.unpackb(packed, use_list=False, strict_map_key=False))
    other = c.Deposit("same", "op1", "", START, "ALPHA", 5 * DOLLAR)
    assert answer(venue, other).reason == "REQUEST_ID_USED"


def broke(venue: Venue) -> None:
    """ALPHA, long 10 at 40 in a market settled at YES, spends what it was paid."""
    venue.buy("ALPHA", "a", 10, 40)
    venue.sell("BRAVO", "b", 10, 40)
    venue.admin(c.SetMarketStatus, "M", "closed")
    venue.admin(c.Determine, "M", 10_000, "oracle", "", automatic=True)
    venue.admin(c.Settle, "M")
    venue.admin(c.Withdraw, "ALPHA", venue.cash("ALPHA") - 1_500_000)


def traded(venue: Venue) -> None:
    """ALPHA has bought 10 at 40, sold them at 90, and taken everything out."""
    venue.buy("ALPHA", "a", 10, 40)
    venue.sell("BRAVO", "b", 10, 40)
    venue.sell("ALPHA", "c", 10, 90)
    venue.buy("CHARLIE", "d", 10, 90)
    venue.admin(c.Withdraw, "ALPHA", venue.cash("ALPHA"))


def rests(venue: Venue) -> None:
    venue.buy("ALPHA", "a", 1, 41)


@pytest.mark.parametrize(("before", "command", "detail"), [
    (None, (c.Withdraw, "ALPHA", 1_000_500_000), "free cash is 1000.00"),
    (None, (c.Deposit, "ALPHA", -1_230_001), "amount -1.230001"),
    (None, (c.SetLimits, "firm", "ALPHA", {"order_value": -1_500_000}), "order_value=-1.50"),
    (None, (c.SetLimits, "firm", "ALPHA", {"price_distance": -5}), "price_distance=-0.0005"),
    (rests, (c.DefineMarket, "M", "E", "S", "M", ((200, 9_800, 200),)), "orders rest at 0.4100"),
    (None, (c.DefineMarket, "X", "E", "S", "X", ((100, 50, 10),)),
     "price ranges 0.0100:0.0050:0.0010"),
    (broke, (c.Settle, "M", True, 12_000), "value 1.2000"),
    (broke, (c.Settle, "M", True, 0), "account ALPHA lacks 8.50"),
    (traded, (c.BustTrade, 1), "account ALPHA lacks 6.00"),
])  # fmt: skip
def test_prices_quantities_and_money_in_a_detail_are_decimal_text(
    before: Any, command: tuple[Any, ...], detail: str
) -> None:
    venue = Venue(taker=0)
    if before is not None:
        before(venue)
    told = venue.admin(*command)[-1]
    assert isinstance(told, e.AdminAnswered)
    assert told.reason
    assert told.detail == detail


def test_a_fee_schedule_is_published_when_it_is_defined_and_when_a_market_brings_it() -> None:
    venue = Venue()
    told = venue.admin(c.DefineSeries, "S", 50_000, -10_000, 200)[0]
    assert told == e.SeriesChanged(told.number, START, "S", 50_000, -10_000, 200)
    told = venue.admin(c.DefineMarket, "X", "E", "NEW", "X")[0]
    assert told == e.SeriesChanged(told.number, START, "NEW", 70_000, 0, 100)


def test_a_limit_for_a_time_is_the_same_request_whenever_it_is_repeated() -> None:
    venue = Venue()
    limited = c.SetLimits("r", "op1", "", START, "firm", "ALPHA", {"order_size": 100}, 0, 2 * NANOS)
    venue.apply(limited)
    venue.advance(1)
    limited.at = venue.now
    assert answer(venue, limited).reason == ""
    assert story(venue.buy("ALPHA", "a", 2, 40)) == ["a rejected ORDER_SIZE_LIMIT"]
    venue.advance(1)
    assert story(venue.buy("ALPHA", "b", 2, 40)) == ["b new"]


def test_a_limit_ends_at_an_instant_or_after_a_time_not_both() -> None:
    terms = ("firm", "ALPHA", {"order_size": 100}, START + NANOS, NANOS)
    assert Venue().refused(c.SetLimits, *terms) == "INVALID_VALUE"
