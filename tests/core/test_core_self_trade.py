"""A firm never trades with itself; whose order goes is the incoming order's choice."""

import pytest
from core.core_venue import FOK, POST_ONLY, Venue, story

MODES = [
    (1, ["a new", "a canceled TAKER_CANCEL_FOR_SELF_TRADE_PREVENTION"], "| 40x1 41x5"),
    (2, ["a new", "own canceled MAKER_CANCEL_FOR_SELF_TRADE_PREVENTION",
         "b trade 2@41 left 3", "a trade 2@41 left 0"], "| 41x3"),
    (3, ["a new", "own canceled MAKER_CANCEL_FOR_SELF_TRADE_PREVENTION",
         "a canceled TAKER_CANCEL_FOR_SELF_TRADE_PREVENTION"], "| 41x5"),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "told", "book"), MODES)
def test_the_mode_decides(mode: int, told: list[str], book: str) -> None:
    venue = Venue()
    venue.sell("ALPHA-B", "own", 1, 40)
    venue.sell("BRAVO", "b", 5, 41)
    assert story(venue.buy("ALPHA", "a", 2, 41, stp=mode)) == told
    assert venue.book() == book


def test_fills_before_the_own_order_stand() -> None:
    venue = Venue()
    venue.sell("BRAVO", "b", 1, 39)
    venue.sell("ALPHA-B", "own", 1, 40)
    assert story(venue.buy("ALPHA", "a", 2, 40))[-2:] == [
        "a trade 1@39 left 1", "a canceled TAKER_CANCEL_FOR_SELF_TRADE_PREVENTION",
    ]  # fmt: skip


def test_it_is_judged_per_firm_whatever_the_account() -> None:
    venue = Venue()
    venue.sell("ALPHA", "own", 1, 40, account="ALPHA-2")
    assert story(venue.buy("ALPHA", "a", 1, 40))[-1].endswith("SELF_TRADE_PREVENTION")


@pytest.mark.parametrize(("mode", "last"), [
    # 1 from BRAVO at 39, own 1 at 40, 1 from CHARLIE at 41: two are wanted
    (1, "a canceled FOK_INSUFFICIENT_VOLUME"), (2, "a trade 1@41 left 0"),
    (3, "a canceled FOK_INSUFFICIENT_VOLUME"),
])  # fmt: skip
def test_fill_or_kill_counts_only_what_may_really_trade(mode: int, last: str) -> None:
    venue = Venue()
    venue.sell("BRAVO", "b", 1, 39)
    venue.sell("ALPHA-B", "own", 1, 40)
    venue.sell("CHARLIE", "c", 1, 41)
    before = venue.book()
    assert story(venue.buy("ALPHA", "a", 2, 41, stp=mode, tif=FOK))[-1] == last
    assert (venue.book() == before) == (mode != 2)


def test_post_only_is_judged_before_self_trade() -> None:
    venue = Venue()
    venue.sell("ALPHA-B", "own", 1, 40)
    assert story(venue.buy("ALPHA", "a", 1, 40, inst=POST_ONLY, stp=2)) == [
        "a new", "a canceled POST_ONLY_CROSS",
    ]  # fmt: skip
