"""What every order book must do, each rule on one screen: priority, sweeps, ends, totals."""

import pytest
from core.core_venue import FOK, IOC, POST_ONLY, Venue, levels, story

from kalshi_fix.messages import events as e


@pytest.fixture
def venue() -> Venue:
    return Venue()


def queue_of_three(venue: Venue) -> None:
    for cl in ("b1", "b2", "b3"):
        venue.buy("BRAVO", cl, 1, 40)


def test_an_order_that_meets_nothing_rests(venue: Venue) -> None:
    assert story(venue.buy("ALPHA", "a", 5, 40)) == ["a new"]
    assert venue.book() == "40x5 |"


def test_bids_rank_from_high_to_low_and_offers_from_low_to_high(venue: Venue) -> None:
    for price in (40, 42, 41):
        venue.buy("ALPHA", f"b{price}", 1, price)
    for price in (52, 50, 51):
        venue.sell("BRAVO", f"s{price}", 1, price)
    assert venue.book() == "42x1 41x1 40x1 | 50x1 51x1 52x1"


def test_equal_prices_trade_in_time_order(venue: Venue) -> None:
    queue_of_three(venue)
    assert story(venue.sell("ALPHA", "a", 2, 40)) == [
        "a new", "b1 trade 1@40 left 0", "a trade 1@40 left 1",
        "b2 trade 1@40 left 0", "a trade 1@40 left 0",
    ]  # fmt: skip


def test_a_better_price_trades_before_an_earlier_order(venue: Venue) -> None:
    venue.buy("BRAVO", "early", 1, 40)
    venue.buy("BRAVO", "better", 1, 41)
    assert story(venue.sell("ALPHA", "a", 1, 40))[1] == "better trade 1@41 left 0"


@pytest.mark.parametrize("gone", ["b1", "b2", "b3"])
def test_a_cancel_anywhere_in_a_queue_keeps_the_order_of_the_rest(venue: Venue, gone: str) -> None:
    queue_of_three(venue)
    venue.cancel("BRAVO", "x", gone, "buy")
    assert venue.queue("buy", 40) == [cl for cl in ("b1", "b2", "b3") if cl != gone]


def test_cancelling_the_only_order_removes_the_level(venue: Venue) -> None:
    venue.buy("ALPHA", "a", 1, 40)
    assert levels(venue.cancel("ALPHA", "x", "a", "buy")) == ["bid 40x0/0"]
    assert venue.book() == "|"


def test_cancelling_the_best_level_uncovers_the_next(venue: Venue) -> None:
    venue.buy("BRAVO", "low", 1, 40)
    venue.buy("BRAVO", "best", 1, 45)
    venue.cancel("BRAVO", "x", "best", "buy")
    assert story(venue.sell("ALPHA", "a", 1, 40))[1] == "low trade 1@40 left 0"


def test_a_cancelled_best_level_trades_no_more(venue: Venue) -> None:
    venue.buy("BRAVO", "best", 1, 45)
    venue.cancel("BRAVO", "x", "best", "buy")
    assert story(venue.sell("ALPHA", "a", 1, 45)) == ["a new"]
    assert venue.book() == "| 45x1"


def test_a_sweep_takes_levels_best_first_each_at_its_own_price(venue: Venue) -> None:
    for price in (42, 40, 41):
        venue.sell("BRAVO", f"s{price}", 1, price)
    assert [line for line in story(venue.buy("ALPHA", "a", 3, 45)) if line.startswith("s")] == [
        "s40 trade 1@40 left 0", "s41 trade 1@41 left 0", "s42 trade 1@42 left 0",
    ]  # fmt: skip


def test_a_marketable_limit_stops_at_its_own_limit(venue: Venue) -> None:
    venue.sell("BRAVO", "s1", 1, 40)
    venue.sell("BRAVO", "s2", 1, 42)
    venue.buy("ALPHA", "a", 2, 41)
    assert venue.book() == "41x1 | 42x1"


def test_the_rest_of_a_partly_filled_order_becomes_the_best_price(venue: Venue) -> None:
    venue.sell("BRAVO", "s", 1, 40)
    venue.buy("CHARLIE", "c", 1, 35)
    venue.buy("ALPHA", "a", 3, 41)
    assert venue.book() == "41x2 35x1 |"


def test_both_sides_report_the_resting_price_whoever_crossed(venue: Venue) -> None:
    venue.sell("BRAVO", "s", 1, 40)
    trades = [x for x in venue.buy("ALPHA", "a", 1, 60) if isinstance(x, e.Execution)][1:]
    assert {(x.last_px, x.last_qty, x.trade_id) for x in trades} == {(4000, 100, 1)}
    venue.buy("ALPHA", "b", 1, 60)
    trades = [x for x in venue.sell("BRAVO", "t", 1, 40) if isinstance(x, e.Execution)][1:]
    assert {x.last_px for x in trades} == {6000}


def test_a_partly_filled_maker_keeps_its_place(venue: Venue) -> None:
    venue.buy("BRAVO", "first", 2, 40)
    venue.buy("CHARLIE", "second", 2, 40)
    venue.sell("ALPHA", "a", 1, 40)
    assert venue.queue("buy", 40) == ["first", "second"]
    assert story(venue.sell("ALPHA", "b", 1, 40))[1] == "first trade 1@40 left 0"


def test_a_partial_fill_reduces_the_published_level(venue: Venue) -> None:
    venue.buy("BRAVO", "b", 5, 40)
    assert levels(venue.sell("ALPHA", "a", 2, 40)) == ["bid 40x3/1"]


def test_an_exact_fill_leaves_nothing_behind(venue: Venue) -> None:
    venue.buy("BRAVO", "b", 2, 40)
    assert levels(venue.sell("ALPHA", "a", 2, 40)) == ["bid 40x0/0"]
    assert venue.book() == "|"


def test_the_rest_of_an_immediate_order_never_rests(venue: Venue) -> None:
    venue.sell("BRAVO", "s", 1, 40)
    last = story(venue.buy("ALPHA", "a", 2, 40, tif=IOC))[-1]
    assert (last, venue.book()) == ("a canceled IMMEDIATE_OR_CANCELLED", "|")


def test_an_immediate_order_that_meets_nothing_is_acknowledged_then_cancelled(venue: Venue) -> None:
    assert story(venue.buy("ALPHA", "a", 2, 40, tif=IOC)) == [
        "a new", "a canceled IMMEDIATE_OR_CANCELLED",
    ]  # fmt: skip


def test_fill_or_kill_fills_across_levels_or_changes_nothing(venue: Venue) -> None:
    venue.sell("BRAVO", "s1", 1, 40)
    venue.sell("BRAVO", "s2", 1, 41)
    assert story(venue.buy("ALPHA", "a", 3, 41, tif=FOK)) == [
        "a new", "a canceled FOK_INSUFFICIENT_VOLUME",
    ]  # fmt: skip
    assert venue.book() == "| 40x1 41x1"
    assert story(venue.buy("ALPHA", "b", 2, 41, tif=FOK))[-1] == "b trade 1@41 left 0"


def test_post_only_that_would_cross_ends_without_touching_the_book(venue: Venue) -> None:
    venue.sell("BRAVO", "s", 1, 40)
    assert story(venue.buy("ALPHA", "a", 1, 40, inst=POST_ONLY)) == [
        "a new", "a canceled POST_ONLY_CROSS",
    ]  # fmt: skip
    assert venue.book() == "| 40x1"


def test_post_only_one_tick_away_rests(venue: Venue) -> None:
    venue.sell("BRAVO", "s", 1, 40)
    assert story(venue.buy("ALPHA", "a", 1, 39, inst=POST_ONLY)) == ["a new"]


def test_less_at_the_same_price_keeps_priority(venue: Venue) -> None:
    queue_of_three(venue)
    venue.replace("BRAVO", "r", "b1", "buy", "0.5", 40)
    assert venue.queue("buy", 40) == ["r", "b2", "b3"]


@pytest.mark.parametrize("quantity", [1, 2])
def test_more_at_the_same_price_goes_to_the_end_the_same_stays(venue: Venue, quantity: int) -> None:
    queue_of_three(venue)
    venue.replace("BRAVO", "r", "b1", "buy", quantity, 40)
    kept, moved = ["r", "b2", "b3"], ["b2", "b3", "r"]
    assert venue.queue("buy", 40) == (moved if quantity > 1 else kept)


def test_a_price_change_and_back_loses_priority(venue: Venue) -> None:
    queue_of_three(venue)
    venue.replace("BRAVO", "r", "b1", "buy", 1, 41)
    venue.replace("BRAVO", "t", "r", "buy", 1, 40)
    assert venue.queue("buy", 40) == ["b2", "b3", "t"]


@pytest.mark.parametrize(("side", "other", "rest_at", "to"), [
    ("buy", "sell", 50, 55), ("sell", "buy", 50, 45),
])  # fmt: skip
def test_a_replace_through_the_spread_trades_at_the_makers_price(
    venue: Venue, side: str, other: str, rest_at: int, to: int
) -> None:
    getattr(venue, other)("BRAVO", "maker", 1, rest_at)
    getattr(venue, side)("ALPHA", "a", 1, 100 - to)
    assert story(venue.replace("ALPHA", "r", "a", side, 1, to)) == [
        "r replaced for a", "maker trade 1@50 left 0", "r trade 1@50 left 0",
    ]  # fmt: skip


@pytest.mark.parametrize("how", ["filled", "canceled"])
def test_an_ended_order_can_be_neither_cancelled_nor_replaced(venue: Venue, how: str) -> None:
    venue.buy("ALPHA", "a", 1, 40)
    if how == "filled":
        venue.sell("BRAVO", "b", 1, 40)
    else:
        venue.cancel("ALPHA", "x", "a", "buy")
    last = {"filled": "a", "canceled": "x"}[how]
    assert story(venue.cancel("ALPHA", "y", last, "buy")) == ["y refused TOO_LATE"]
    assert story(venue.replace("ALPHA", "z", last, "buy", 2, 40)) == ["z refused TOO_LATE"]
    assert venue.book() == "|"


def test_a_cancel_of_an_unknown_id_is_refused(venue: Venue) -> None:
    assert story(venue.cancel("ALPHA", "x", "nobody", "buy")) == ["x refused UNKNOWN_ORDER"]


def test_an_id_is_used_once(venue: Venue) -> None:
    venue.buy("ALPHA", "a", 1, 40)
    assert story(venue.buy("ALPHA", "a", 1, 40)) == ["a rejected ORDER_ALREADY_EXISTS"]
    venue.cancel("ALPHA", "x", "a", "buy")
    assert story(venue.buy("ALPHA", "a", 1, 40)) == ["a rejected ORDER_ALREADY_EXISTS"]
    assert story(venue.buy("ALPHA", "x", 1, 40)) == ["x rejected ORDER_ALREADY_EXISTS"]


def test_a_market_order_takes_what_there_is_and_never_rests(venue: Venue) -> None:
    venue.sell("BRAVO", "s1", 1, 40)
    venue.sell("BRAVO", "s2", 1, 98)
    assert story(venue.buy("ALPHA", "a", 3, 0, ord_type=1))[-2:] == [
        "a trade 1@98 left 1", "a canceled IMMEDIATE_OR_CANCELLED",
    ]  # fmt: skip


def test_one_level_is_published_once_per_command(venue: Venue) -> None:
    for number in range(5):
        venue.buy("BRAVO", f"b{number}", 1, 40)
    assert levels(venue.sell("ALPHA", "a", 4, 40)) == ["bid 40x1/1"]


def test_prices_next_to_a_machine_word_are_not_special(venue: Venue) -> None:
    for price in (63, 64, 65, 1, 99):
        venue.sell("BRAVO", f"s{price}", 1, price)
    traded = [line for line in story(venue.buy("ALPHA", "a", 5, 99)) if line.startswith("s")]
    assert [line.split()[0] for line in traded] == ["s1", "s63", "s64", "s65", "s99"]


def test_a_sweep_of_five_thousand_makers_fills_them_all() -> None:
    venue = Venue(cash=100_000)
    apply = venue.exchange.apply
    for number in range(5_000):
        apply(venue.order("sell", "BRAVO", f"s{number}", 1, 40))
    events = apply(venue.order("buy", "ALPHA", "a", 5_000, 40))
    venue.exchange.check()
    trades = [x.trade_id for x in events if isinstance(x, e.Traded)]
    assert trades == list(range(1, 5_001))
    assert levels(events) == ["offer 40x0/0"]


def test_a_deep_level_can_be_emptied_from_the_middle(venue: Venue) -> None:
    for number in range(100):
        venue.exchange.apply(venue.order("buy", "BRAVO", f"b{number}", 1, 40))
    for number in (*range(50, 100), *range(49, 0, -1)):
        venue.cancel("BRAVO", f"x{number}", f"b{number}", "buy")
    assert venue.queue("buy", 40) == ["b0"]
