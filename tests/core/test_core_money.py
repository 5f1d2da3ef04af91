"""Fees, rounding, holds, netting: every number of the rules as a row of a table."""

from fractions import Fraction

import pytest
from core.core_venue import DOLLAR, FOK, IOC, REDUCE_ONLY, Amount, Venue, px, qty, story
from hypothesis import given
from hypothesis import strategies as st

from kalshi_fix.core import fees
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e

RATE = 70_000 * 100  # rate x multiplier


@pytest.mark.parametrize(("contracts", "cents", "dollars"), [
    # one fill: 0.07 x contracts x P x (1 - P), up to $0.0001
    (1, 50, "0.0175"), (100, 50, "1.75"), (1, 1, "0.0007"), (1, 99, "0.0007"), (1, 10, "0.0063"),
    (100, 10, "0.63"), (1, 33, "0.0155"), ("0.01", 50, "0.0002"), (3, 64, "0.0484"),
])  # fmt: skip
def test_a_taker_pays_the_quadratic_fee_rounded_up(
    contracts: Amount, cents: int, dollars: str
) -> None:
    exact = fees.exact_fee(RATE, qty(contracts), px(cents))
    assert fees.charge(0, 0, exact) == Fraction(dollars) * DOLLAR


@pytest.mark.parametrize(("rate", "dollars"), [
    (0, "0"), (17_500, "0.0039"), (-17_500, "-0.0038"), (-1, "0"), (1, "0.0001"),
])  # fmt: skip
def test_a_rebate_rounds_toward_zero(rate: int, dollars: str) -> None:
    exact = fees.exact_fee(rate * 100, qty(1), px(33))  # 0.003869... at 0.0175
    assert fees.charge(0, 0, exact) == Fraction(dollars) * DOLLAR


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(1, 9_999)), min_size=1, max_size=300))
def test_many_fills_never_cost_a_cent_more_than_one(fills: list[tuple[int, int]]) -> None:
    exact = charged = 0
    for quantity, price in fills:
        part = fees.exact_fee(RATE, quantity, price)
        fee = fees.charge(exact, charged, part)
        assert fee >= 0
        exact += part
        charged += fee
        assert fees.rounded(exact) <= charged <= fees.rounded(exact) + 10_000


@given(
    st.booleans(), st.integers(1, 9_999), st.integers(1, 2_000),
    st.lists(st.tuples(st.integers(1, 2_000), st.integers(0, 9_998)), max_size=60),
)  # fmt: skip
def test_the_worst_fee_is_never_exceeded(
    is_buy: bool, limit: int, quantity: int, fills: list[tuple[int, int]]
) -> None:
    reserved = fees.worst_fee(0, 0, RATE, fees.worst_curve(is_buy, limit), quantity)
    exact = charged = 0
    for wanted, draw in fills:
        size = min(wanted, quantity)
        quantity -= size
        price = 1 + draw % limit if is_buy else limit + draw % (10_000 - limit)
        part = fees.exact_fee(RATE, size, price)
        fee = fees.charge(exact, charged, part)
        exact, charged = exact + part, charged + fee
    assert charged <= reserved


def test_six_hundred_tiny_fills_are_capped_a_cent_above_one() -> None:
    venue = Venue()
    for number in range(600):
        venue.exchange.apply(venue.order("sell", "BRAVO", f"s{number}", "0.01", 50))
    paid = sum(x.fee for x in venue.buy("ALPHA", "a", 6, 50) if isinstance(x, e.Execution))
    assert paid == 105_000 + 10_000  # 0.07 x 6 x 0.25, and one cent


@pytest.mark.parametrize(("side", "cents", "hold"), [
    # the limit or its complement; a maker pays no fee by default
    ("buy", 40, "4"), ("sell", 40, "6"), ("buy", 1, "0.1"), ("sell", 99, "0.1"), ("buy", 99, "9.9"),
])  # fmt: skip
def test_an_order_holds_what_it_may_lose(side: str, cents: int, hold: str) -> None:
    venue = Venue()
    getattr(venue, side)("ALPHA", "a", 10, cents)
    assert venue.held("ALPHA") == Fraction(hold) * DOLLAR
    assert venue.cash("ALPHA") == 1_000 * DOLLAR - venue.held("ALPHA")


def test_the_hold_of_an_order_that_will_take_includes_the_worst_fee() -> None:
    venue = Venue()
    venue.sell("BRAVO", "s", 1, 40)
    new = venue.buy("ALPHA", "a", 10, 40)[0]
    assert isinstance(new, e.Execution)
    assert new.hold == 4_000_000 + 168_000 + 10_000


def test_a_price_improvement_belongs_to_the_incoming_order() -> None:
    venue = Venue()
    venue.sell("BRAVO", "s", 10, 30)
    venue.buy("ALPHA", "a", 10, 60)
    assert venue.cash("ALPHA") == 1_000 * DOLLAR - 3_000_000 - 147_000
    assert venue.held("ALPHA") == 0


def test_yes_and_no_return_a_dollar_at_once() -> None:
    venue = Venue(taker=0)
    venue.buy("ALPHA", "a", 10, 40)
    venue.sell("BRAVO", "b", 10, 40)
    venue.sell("ALPHA", "c", 10, 55)
    venue.buy("CHARLIE", "d", 10, 55)
    assert venue.cash("ALPHA") == 1_000 * DOLLAR + 1_500_000
    assert venue.position("ALPHA") == 0
    trade = next(x for x in venue.events[::-1] if isinstance(x, e.Execution) and x.firm == "ALPHA")
    assert (trade.cash_change, trade.payout) == (5_500_000, 5_500_000)


def test_an_opposite_position_covers_an_order_once() -> None:
    venue = Venue(taker=0)
    venue.buy("ALPHA", "a", 10, 40)
    venue.sell("BRAVO", "b", 10, 40)
    venue.sell("ALPHA", "c", 8, 60)
    assert venue.held("ALPHA") == 0
    venue.sell("ALPHA", "d", 8, 60)  # 2 covered, 6 not
    assert venue.held("ALPHA") == 6 * 400_000


def test_closing_a_position_that_covers_another_order_moves_the_hold_there() -> None:
    venue = Venue(taker=0)
    venue.buy("ALPHA", "a", 10, 40)
    venue.sell("BRAVO", "b", 10, 40)
    venue.sell("ALPHA", "covered", 10, 70)
    venue.sell("ALPHA", "first", 10, 60)
    events = venue.buy("CHARLIE", "x", 10, 60)
    moved = [x for x in events if isinstance(x, e.BalanceChanged)]
    assert [(x.why, x.order_id, x.hold) for x in moved] == [("HOLD_MOVED", 3, 3_000_000)]
    assert moved[0].cash == venue.cash("ALPHA")


def test_free_cash_is_never_negative_an_order_beyond_it_is_refused() -> None:
    venue = Venue(cash=4, taker=0)
    assert story(venue.buy("ALPHA", "a", 10, 40)) == ["a new"]
    assert story(venue.buy("ALPHA", "b", "0.01", 1)) == ["b rejected INSUFFICIENT_BALANCE"]
    venue.cancel("ALPHA", "x", "a", "buy")
    assert story(venue.buy("ALPHA", "b", 10, 40)) == ["b new"]


def test_a_market_order_holds_the_worst_price() -> None:
    venue = Venue(cash=9, taker=0)
    venue.sell("BRAVO", "s", 10, 20)
    assert story(venue.buy("ALPHA", "a", 10, 0, ord_type=1)) == ["a rejected INSUFFICIENT_BALANCE"]
    assert story(venue.buy("ALPHA", "b", 9, 0, ord_type=1))[-1] == "b trade 9@20 left 0"


@pytest.mark.parametrize(("limit", "traded"), [
    # ten offers at 20 cents with the taker's fee 0.07 x .2 x .8 = 0.0112 each: 0.2112
    (2_112_000, "10"), (2_111_900, "9.99"), (211_200, "1"), (211_100, "0.99"), (2_100, "0"),
])  # fmt: skip
def test_max_execution_cost_trades_the_largest_step_within_it(limit: int, traded: str) -> None:
    venue = Venue()
    venue.sell("BRAVO", "s", 10, 20)
    events = venue.buy("ALPHA", "a", 10, 20, max_cost=limit)
    done = sum(x.last_qty for x in events if isinstance(x, e.Execution) and x.liquidity == 2)
    assert f"{done / 100:g}" == traded
    if traded != "10":
        assert story(events)[-1] == "a canceled MAX_EXECUTION_COST"


def test_max_execution_cost_of_a_sale_counts_what_no_costs() -> None:
    venue = Venue(taker=0)
    venue.buy("BRAVO", "b", 10, 20)
    assert story(venue.sell("ALPHA", "a", 10, 20, max_cost=4_000_000))[-2:] == [
        "a trade 5@20 left 5", "a canceled MAX_EXECUTION_COST",
    ]  # fmt: skip


def test_what_a_cost_limited_order_does_not_trade_never_rests() -> None:
    venue = Venue()
    assert story(venue.buy("ALPHA", "a", 10, 20, max_cost=DOLLAR)) == [
        "a new", "a canceled MAX_EXECUTION_COST",
    ]  # fmt: skip


def test_a_cost_limited_order_needs_no_more_cash_than_its_limit() -> None:
    venue = Venue(cash=1)
    venue.admin(c.Deposit, "BRAVO", 100 * DOLLAR)
    venue.sell("BRAVO", "s", 100, 20)
    events = venue.buy("ALPHA", "a", 100, 50, max_cost=DOLLAR, tif=IOC)
    assert story(events)[0] == "a new"
    assert 0 <= venue.cash("ALPHA") < 2_200


@pytest.mark.parametrize(("tif", "quantity", "stories"), [
    (IOC, 8, ["r new", "b trade 5@40 left 5", "r trade 5@40 left 3",
              "r canceled REDUCE_ONLY_INCREASE"]),
    (IOC, "5.01", ["r new", "b trade 5@40 left 5", "r trade 5@40 left 0.01",
                 "r canceled REDUCE_ONLY_INCREASE"]),
    (IOC, 5, ["r new", "b trade 5@40 left 5", "r trade 5@40 left 0"]),
    (FOK, 8, ["r new", "r canceled REDUCE_ONLY_INCREASE"]),
    (FOK, 5, ["r new", "b trade 5@40 left 5", "r trade 5@40 left 0"]),
])  # fmt: skip
def test_reduce_only_trades_down_to_flat(tif: int, quantity: Amount, stories: list[str]) -> None:
    venue = Venue()
    venue.sell("BRAVO", "s", 5, 40)
    venue.buy("ALPHA", "a", 5, 40)
    venue.buy("CHARLIE", "b", 10, 40)
    told = story(venue.sell("ALPHA", "r", quantity, 40, tif=tif, inst=REDUCE_ONLY))
    assert told == stories


def test_a_replace_refused_for_cash_keeps_hold_and_cover() -> None:
    venue = Venue(cash=5, taker=0)
    venue.buy("ALPHA", "a", 10, 40)
    venue.sell("BRAVO", "b", 8, 40)
    venue.sell("ALPHA", "s", 8, 60)
    told = story(venue.replace("ALPHA", "r", "s", "sell", 100, 60))
    assert told == ["r refused INSUFFICIENT_BALANCE"]
    assert venue.exchange.state.accounts["ALPHA"].positions["M"].locked == 800


def test_reduce_only_without_a_position_ends_at_once() -> None:
    venue = Venue()
    venue.buy("BRAVO", "b", 1, 40)
    assert story(venue.sell("ALPHA", "r", 1, 40, tif=IOC, inst=REDUCE_ONLY)) == [
        "r new", "r canceled REDUCE_ONLY_INCREASE",
    ]  # fmt: skip


def test_withdrawals_take_free_cash_only() -> None:
    venue = Venue(cash=10)
    venue.buy("ALPHA", "a", 10, 40)
    assert venue.refused(c.Withdraw, "ALPHA", 7 * DOLLAR) == "INSUFFICIENT_BALANCE"
    assert venue.refused(c.Withdraw, "ALPHA", 6 * DOLLAR) == ""
    assert venue.refused(c.Deposit, "ALPHA", 0) == "INVALID_VALUE"
