"""Markets from definition to correction; halts, days, limits that expire, kill switches, busts."""

from fractions import Fraction

import msgpack
import pytest
from core.core_venue import DAY, DAY_END, DOLLAR, GTD, START, Amount, Venue, levels, story
from properties.rebuilt import RebuiltLedger

from kalshi_fix.core.exchange import Exchange
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.model import NANOS

STATES = ("initialized", "active", "paused", "closed", "determined", "disputed", "settled")


def market_in(status: str) -> Venue:
    """A venue whose market M is in a state, with a trade of 10 at 40 behind it if it ever was
    active."""
    if status == "initialized":
        return Venue(status="initialized")
    venue = Venue(taker=0, settlement_timer=5 * NANOS)
    venue.buy("ALPHA", "a", 10, 40)
    venue.sell("BRAVO", "b", 10, 40)
    if status in {"paused", "closed"}:
        venue.admin(c.SetMarketStatus, "M", status)
    elif status != "active":
        venue.admin(c.SetMarketStatus, "M", "closed")
        venue.admin(c.Determine, "M", 10_000, "oracle", "page", automatic=True)
        if status == "disputed":
            venue.admin(c.Dispute, "M")
        elif status == "settled":
            venue.admin(c.Settle, "M")
    assert venue.exchange.state.markets["M"].status == status
    return venue


OPERATIONS = {
    "activate": (c.SetMarketStatus, "M", "active"),
    "pause": (c.SetMarketStatus, "M", "paused"),
    "close": (c.SetMarketStatus, "M", "closed"),
    "determine": (c.Determine, "M", 0, "operator", "seen"),
    "dispute": (c.Dispute, "M"),
    "settle": (c.Settle, "M"),
    "correct": (c.Settle, "M", True, 0),
}
ALLOWED = {
    "initialized": {"activate", "close"}, "active": {"pause", "close"},
    "paused": {"activate", "close"}, "closed": {"determine"},
    "determined": {"dispute", "settle"}, "disputed": {"determine"}, "settled": {"correct"},
}  # fmt: skip


@pytest.mark.parametrize("status", STATES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_transition_is_allowed_or_refused(status: str, operation: str) -> None:
    reason = market_in(status).refused(*OPERATIONS[operation])
    assert reason == ("" if operation in ALLOWED[status] else "WRONG_STATE")


@pytest.mark.parametrize(("status", "told"), [
    ("initialized", "a1 rejected MARKET_INACTIVE"), ("active", "a1 new"),
    ("paused", "a1 rejected TRADING_PAUSED"), ("closed", "a1 rejected MARKET_CLOSED"),
    ("determined", "a1 rejected MARKET_CLOSED"), ("disputed", "a1 rejected MARKET_CLOSED"),
    ("settled", "a1 rejected MARKET_CLOSED"),
])  # fmt: skip
def test_only_an_active_market_takes_orders(status: str, told: str) -> None:
    assert story(market_in(status).buy("ALPHA", "a1", 1, 40)) == [told]


def test_markets_move_in_the_order_of_their_times_whatever_was_planned_before() -> None:
    """M was to settle first, was disputed and determined anew: now N comes before it."""
    venue = Venue(settlement_timer=5 * NANOS)
    venue.market("N", settlement_timer=6 * NANOS)
    for symbol in ("M", "N"):
        venue.admin(c.SetMarketStatus, symbol, "closed")
        venue.admin(c.Determine, symbol, 0, "oracle", "", automatic=True)
    venue.advance(2)
    venue.admin(c.Dispute, "M")
    venue.admin(c.Determine, "M", 0, "oracle", "amended", automatic=True)
    venue.now += 20 * NANOS
    assert story(venue.apply(c.AdvanceTime(venue.now))) == ["N settled", "M settled"]


def test_opening_and_closing_times_are_kept_by_the_clock() -> None:
    venue = Venue(open_at=START + 2 * NANOS, close_at=START + 4 * NANOS)
    assert story(venue.buy("ALPHA", "a", 1, 40)) == ["a rejected MARKET_INACTIVE"]
    assert story(venue.advance(2)) == ["M active"]
    venue.buy("ALPHA", "a", 1, 40)
    assert story(venue.advance(2)) == ["M closed", "a canceled MARKET_CLOSED"]


def test_a_pause_leaves_orders_except_those_that_asked() -> None:
    venue = Venue()
    venue.buy("ALPHA", "a", 1, 40)
    venue.buy("ALPHA", "b", 1, 40, on_pause=True)
    told = story(venue.admin(c.SetMarketStatus, "M", "paused"))
    assert told == ["M paused", "b canceled CANCEL_ON_PAUSE", "answer"]
    venue.admin(c.SetMarketStatus, "M", "active")
    venue.buy("ALPHA", "d", 1, 40, on_pause=True)
    assert "d canceled CANCEL_ON_PAUSE" in story(venue.admin(c.SetExchangeStatus, True))
    assert story(venue.replace("ALPHA", "r", "a", "buy", 1, 41)) == ["r refused EXCHANGE_PAUSED"]
    assert venue.queue("buy", 40) == ["a"]


@pytest.mark.parametrize(("value", "alpha", "bravo"), [
    (10_000, "10", "0"), (0, "0", "10"), (2_500, "2.5", "7.5"), (3_333, "3.333", "6.667"),
])  # fmt: skip
def test_settlement_pays_every_position_out_of_the_pot(value: int, alpha: str, bravo: str) -> None:
    venue = market_in("closed")
    venue.admin(c.Determine, "M", value, "oracle", "page", automatic=True)
    assert story(venue.admin(c.Settle, "M"))[:-1] == [
        "M settled", f"ALPHA paid {alpha}", f"BRAVO paid {bravo}",
    ]  # fmt: skip
    assert venue.cash("ALPHA") == (1_000 - 4 + Fraction(alpha)) * DOLLAR
    assert venue.cash("BRAVO") == (1_000 - 6 + Fraction(bravo)) * DOLLAR
    assert venue.exchange.state.ledger.pot == 0
    assert venue.position("ALPHA") == 0


def test_a_human_determination_needs_a_second_operator() -> None:
    venue = market_in("closed")
    venue.admin(c.Determine, "M", 10_000, "operator", "seen", operator="op1")
    assert venue.refused(c.Settle, "M") == "NOT_CONFIRMED"
    assert story(venue.advance(9)) == []
    assert venue.refused(c.Confirm, "M", operator="op1") == "SAME_OPERATOR"
    assert venue.refused(c.Confirm, "M", operator="op2") == ""
    assert venue.refused(c.Confirm, "M", operator="op2") == "WRONG_STATE"
    assert story(venue.advance(4.9)) == []
    assert story(venue.advance(0.1))[0] == "M settled"


def test_an_unconfirmed_determination_may_be_replaced_and_then_needs_another_confirmation() -> None:
    venue = market_in("closed")
    venue.admin(c.Determine, "M", 10_000, "operator", "seen", operator="op1")
    assert venue.refused(c.Determine, "M", 0, "operator", "again", operator="op2") == ""
    assert venue.refused(c.Confirm, "M", operator="op2") == "SAME_OPERATOR"
    assert venue.refused(c.Confirm, "M", operator="op1") == ""
    assert venue.exchange.state.markets["M"].value == 0


def test_a_dispute_stops_the_timer_until_a_new_determination() -> None:
    venue = market_in("determined")
    venue.admin(c.Dispute, "M")
    assert story(venue.advance(9)) == []
    venue.admin(c.Determine, "M", 0, "oracle", "amended", automatic=True)
    assert story(venue.advance(5)) == ["M settled", "ALPHA paid 0", "BRAVO paid 10"]


@pytest.mark.parametrize("value", [-1, 10_001])
def test_a_value_is_between_nothing_and_a_dollar(value: int) -> None:
    assert market_in("closed").refused(c.Determine, "M", value, "oracle", "") == "INVALID_VALUE"
    assert market_in("settled").refused(c.Settle, "M", True, value) == "INVALID_VALUE"


def test_a_correction_reverses_and_pays_again_in_one_command() -> None:
    venue = market_in("settled")
    paid = [x for x in venue.events if isinstance(x, e.PositionSettled)]
    told = [x for x in venue.admin(c.Settle, "M", True, 2_500) if isinstance(x, e.PositionSettled)]
    assert [(x.payout, x.corrects, x.previous_value) for x in told] == [
        (2_500_000, paid[0].number, 10_000), (7_500_000, paid[1].number, 10_000),
    ]  # fmt: skip
    assert venue.cash("ALPHA") == 998 * DOLLAR + DOLLAR // 2
    ledger = RebuiltLedger()
    for event in venue.events:
        ledger.follow(event)
    assert ledger.cash("ALPHA") == venue.cash("ALPHA")
    assert ledger.cash("BRAVO") == venue.cash("BRAVO")


def test_a_correction_nobody_could_pay_changes_nothing() -> None:
    venue = market_in("settled")
    venue.admin(c.Withdraw, "ALPHA", venue.cash("ALPHA") - DOLLAR)
    before = venue.exchange.snapshot()[3:8]
    assert venue.refused(c.Settle, "M", True, 0) == "INSUFFICIENT_BALANCE"
    assert venue.exchange.snapshot()[3:8] == before


def test_a_market_that_moves_too_far_pauses_itself_and_resumes() -> None:
    venue = Venue(halt_band=500, halt_window=10 * NANOS, halt_time=3 * NANOS)
    for price in (40, 45, 46):
        venue.sell("BRAVO", f"s{price}", 1, price)
    venue.buy("CHARLIE", "p", 1, 30, on_pause=True)
    told = story(venue.buy("ALPHA", "a", 4, 46))
    assert told[-3:] == ["M paused", "p canceled CANCEL_ON_PAUSE", "a canceled CANCEL_ON_PAUSE"]
    assert story(venue.buy("ALPHA", "b", 1, 40)) == ["b rejected TRADING_PAUSED"]
    assert story(venue.advance(2.9)) == []
    assert story(venue.advance(0.1)) == ["M active"]


def test_a_slow_move_is_no_volatility() -> None:
    venue = Venue(halt_band=500, halt_window=10 * NANOS, halt_time=3 * NANOS)
    for number, price in enumerate((40, 44, 48, 52)):
        venue.sell("BRAVO", f"s{number}", 1, price)
        assert "M paused" not in story(venue.buy("ALPHA", f"a{number}", 1, price))
        venue.advance(6)


def test_day_orders_end_with_the_trading_day() -> None:
    venue = Venue()
    (told, _) = venue.buy("ALPHA", "a", 1, 40, tif=DAY)
    assert told.terms.expire_at == DAY_END - 1_000_000  # type: ignore[union-attr]
    venue.now = DAY_END - 1
    assert story(venue.apply(c.AdvanceTime(venue.now))) == []
    venue.now = DAY_END
    assert story(venue.apply(c.AdvanceTime(venue.now))) == ["a expired ORDER_EXPIRED"]
    assert venue.held("ALPHA") == 0


@pytest.mark.parametrize("hours", [23, 24, 25])
def test_a_trading_day_is_as_long_as_it_is(hours: int) -> None:
    venue = Venue()
    ends_at = DAY_END + hours * 3_600 * NANOS
    venue.admin(c.StartTradingDay, 20270116, ends_at)
    venue.buy("ALPHA", "a", 1, 40, tif=DAY)
    venue.now = ends_at - 1
    assert story(venue.apply(c.AdvanceTime(venue.now))) == []
    venue.now = ends_at
    assert story(venue.apply(c.AdvanceTime(venue.now))) == ["a expired ORDER_EXPIRED"]


def test_gtd_orders_expire_to_the_millisecond_before_any_later_command() -> None:
    venue = Venue()
    venue.buy("ALPHA", "late", 1, 40, tif=GTD, expire_at=START + 2_000_000)
    venue.buy("ALPHA", "early", 1, 40, tif=GTD, expire_at=START + 1_000_000)
    venue.buy("ALPHA", "never", 1, 40)
    venue.now = START + 2_000_000
    assert story(venue.apply(c.AdvanceTime(venue.now))) == [
        "early expired ORDER_EXPIRED", "late expired ORDER_EXPIRED",
    ]  # fmt: skip
    assert story(venue.cancel("ALPHA", "x", "late", "buy")) == ["x refused TOO_LATE"]
    assert venue.book() == "40x1 |"


def test_gtd_in_the_past_is_immediate_and_keeps_its_name() -> None:
    venue = Venue()
    new, end = venue.buy("ALPHA", "a", 1, 40, tif=GTD, expire_at=START)
    assert (new.terms.time_in_force, new.terms.expire_at) == (GTD, START)  # type: ignore[union-attr]
    assert story([end]) == ["a canceled IMMEDIATE_OR_CANCELLED"]


def test_an_expiry_taken_away_by_a_replace_does_not_strike() -> None:
    venue = Venue()
    venue.buy("ALPHA", "a", 1, 40, tif=GTD, expire_at=START + NANOS)
    venue.replace("ALPHA", "r", "a", "buy", 1, 40, tif=1)
    assert story(venue.advance(2)) == []


# --- limits, kill switches -----------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["session", "account", "firm"])
def test_a_limit_is_obeyed_by_the_next_order_and_lifted_again(scope: str) -> None:
    venue = Venue()
    venue.admin(c.SetLimits, scope, "ALPHA", {"order_size": 100})
    assert story(venue.buy("ALPHA", "a", 2, 40)) == ["a rejected ORDER_SIZE_LIMIT"]
    venue.admin(c.SetLimits, scope, "ALPHA", {"order_size": 0})
    assert story(venue.buy("ALPHA", "a", 2, 40)) == ["a new"]


def test_the_tightest_limit_counts() -> None:
    venue = Venue()
    venue.admin(c.SetLimits, "firm", "ALPHA", {"order_size": 300})
    venue.admin(c.SetLimits, "account", "ALPHA", {"order_size": 200})
    assert story(venue.buy("ALPHA", "a", "2.5", 40)) == ["a rejected ORDER_SIZE_LIMIT"]
    assert story(venue.buy("ALPHA", "b", "2.5", 40, account="ALPHA-2")) == ["b new"]


def test_a_change_that_expires_brings_the_previous_values_back() -> None:
    venue = Venue()
    venue.admin(c.SetLimits, "firm", "ALPHA", {"order_size": 100})
    venue.admin(c.SetLimits, "firm", "ALPHA", {"order_size": 500}, START + 2 * NANOS)
    assert story(venue.buy("ALPHA", "a", 5, 40)) == ["a new"]
    (told,) = venue.advance(2)
    assert isinstance(told, e.LimitsChanged)
    assert (told.limits, told.expires_at) == ({"order_size": 100}, 0)
    assert story(venue.buy("ALPHA", "b", 5, 40)) == ["b rejected ORDER_SIZE_LIMIT"]


def test_a_firms_position_is_the_sum_of_its_accounts() -> None:
    venue = Venue()
    venue.admin(c.SetLimits, "firm", "ALPHA", {"position": 1_000})
    venue.buy("ALPHA", "a", 6, 40)
    assert story(venue.buy("ALPHA", "b", 5, 40, account="ALPHA-2"))[0].endswith("POSITION_LIMIT")
    assert story(venue.buy("ALPHA", "d", 4, 40, account="ALPHA-2")) == ["d new"]


def test_a_position_limit_never_stops_closing() -> None:
    venue = Venue()
    venue.buy("ALPHA", "a", 10, 40)
    venue.sell("BRAVO", "b", 10, 40)
    venue.admin(c.SetLimits, "account", "ALPHA", {"position": 500})
    assert story(venue.sell("ALPHA", "s", 15, 60)) == ["s new"]
    assert story(venue.sell("ALPHA", "t", "0.01", 60)) == ["t rejected POSITION_LIMIT"]


def test_a_replace_that_takes_risk_away_passes_every_limit() -> None:
    venue = Venue()
    venue.buy("ALPHA", "a", 10, 40)
    venue.admin(c.SetLimits, "account", "ALPHA", {"order_size": 100, "position": 100})
    assert story(venue.replace("ALPHA", "r", "a", "buy", 9, 40)) == ["r replaced for a"]
    assert story(venue.replace("ALPHA", "s", "r", "buy", 10, 40)) == ["s refused ORDER_SIZE_LIMIT"]


def test_a_change_that_was_overruled_for_good_does_not_end_later() -> None:
    venue = Venue()
    venue.admin(c.SetLimits, "firm", "ALPHA", {"order_size": 500}, START + 2 * NANOS)
    venue.admin(c.SetLimits, "firm", "ALPHA", {"order_size": 100})
    assert venue.advance(3) == []


@pytest.mark.parametrize(("scope", "name", "limits"), [
    ("firm", "NOBODY", {}), ("planet", "ALPHA", {}), ("firm", "ALPHA", {"patience": 1}),
    ("firm", "ALPHA", {"order_size": -1}),
])  # fmt: skip
def test_nonsense_limits_are_refused(scope: str, name: str, limits: dict[str, int]) -> None:
    assert Venue().refused(c.SetLimits, scope, name, limits)


@pytest.mark.parametrize(("scope", "name", "gone"), [
    ("session", "ALPHA", "a"), ("firm", "ALPHA", "ab"), ("exchange", "", "abc"),
])  # fmt: skip
def test_a_kill_cancels_everything_in_its_scope_and_still_takes_cancels(
    scope: str, name: str, gone: str
) -> None:
    venue = Venue()
    venue.buy("ALPHA", "a", 1, 40)
    venue.buy("ALPHA-B", "b", 1, 40)
    venue.buy("BRAVO", "c", 1, 40)
    told = story(venue.admin(c.KillSwitch, scope, name, True))
    assert [line for line in told if "canceled" in line] == [
        f"{cl} canceled OPERATOR_CANCEL" for cl in gone
    ]
    assert story(venue.buy("ALPHA", "d", 1, 40)) == ["d rejected SESSION_DISABLED"]
    assert story(venue.cancel("ALPHA", "x", "a", "buy")) == ["x refused TOO_LATE"]
    assert story(venue.replace("ALPHA", "r", "a", "buy", 1, 40)) == ["r refused SESSION_DISABLED"]
    venue.admin(c.KillSwitch, scope, name, False)
    assert story(venue.buy("ALPHA", "d", 1, 40)) == ["d new"]


def test_an_operator_may_cancel_one_order() -> None:
    venue = Venue()
    venue.buy("ALPHA", "a", 1, 40)
    assert story(venue.admin(c.CancelByOperator, 1))[0] == "a canceled OPERATOR_CANCEL"
    assert venue.refused(c.CancelByOperator, 1) == "ORDER_NOT_FOUND"


# --- busts ---------------------------------------------------------------------------------------


def test_a_bust_puts_both_ledgers_and_the_market_right() -> None:
    venue = Venue()
    venue.buy("BRAVO", "b", 10, 40)
    venue.sell("ALPHA", "a", 4, 40)
    trades = [x for x in venue.events if isinstance(x, e.Execution) and x.exec_type == "F"]
    events = venue.admin(c.BustTrade, 1)
    assert story(events) == ["b busted TRADE_BUSTED", "a busted TRADE_BUSTED", "answer"]
    maker, taker, public = events[:3]
    assert (maker.ord_status, maker.cum_qty, maker.leaves_qty) == ("0", 0, 600)  # type: ignore[union-attr]
    assert (taker.ord_status, taker.fee) == ("4", -trades[1].fee)  # type: ignore[union-attr]
    assert (maker.ref_number, taker.ref_number) == (trades[0].number, trades[1].number)  # type: ignore[union-attr]
    assert (public.volume, public.open_interest) == (0, 0)  # type: ignore[union-attr]
    assert venue.cash("ALPHA") == 1_000 * DOLLAR
    assert venue.exchange.state.ledger.fees == 0
    assert venue.refused(c.BustTrade, 1) == "TRADE_NOT_FOUND"


@pytest.mark.parametrize(("busted", "prices"), [
    ((3,), [41]), ((2,), [42]), ((1,), [42]), ((3, 2), [41, 40]), ((2, 3), [42, 40]),
    ((1, 2, 3), [42, 42, 0]), ((3, 2, 1), [41, 40, 0]), ((2, 1, 3), [42, 42, 0]),
])  # fmt: skip
def test_the_last_price_is_that_of_the_last_trade_that_stands(
    busted: tuple[int, ...], prices: list[int]
) -> None:
    venue = Venue(taker=0)
    for number, price in enumerate((40, 41, 42)):
        if number == 1:  # the first trade is of the day before
            venue.admin(c.StartTradingDay, 20270116, DAY_END + 86_400 * NANOS)
        venue.buy("BRAVO", f"b{number}", 1, price)
        venue.sell("ALPHA", f"a{number}", 1, price)
    market = venue.exchange.state.markets["M"]
    for trade_id, price in zip(busted, prices, strict=True):
        told = next(x for x in venue.admin(c.BustTrade, trade_id) if isinstance(x, e.TradeBusted))
        assert told.last_price == market.last_price == price * 100
        stands = [
            number for number in (3, 2, 1) if number not in busted[: busted.index(trade_id) + 1]
        ]
        assert told.last_trade_id == (stands[0] if stands else 0)


def test_a_bust_nobody_could_pay_changes_nothing() -> None:
    venue = Venue(cash=10, taker=0)
    venue.buy("ALPHA", "a", 10, 40)
    venue.sell("BRAVO", "b", 10, 40)
    venue.sell("ALPHA", "c", 10, 90)
    venue.buy("CHARLIE", "d", 10, 90)
    venue.admin(c.Withdraw, "ALPHA", venue.cash("ALPHA"))
    before = venue.exchange.snapshot()[3:8]
    assert venue.refused(c.BustTrade, 1) == "INSUFFICIENT_BALANCE"
    assert venue.exchange.snapshot()[3:8] == before


# --- grids, depth, snapshots ---------------------------------------------------------------------

EDGES = ((10, 1_000, 10), (1_000, 9_000, 100), (9_000, 9_990, 10))


@pytest.mark.parametrize(("ranges", "allowed", "refused"), [
    (((100, 9_900, 100),), (1, 50, 99), ("0.5", "50.5", "99.5")),
    (((10, 9_990, 10),), ("0.1", "50.1", "99.9"), ("0.05", "50.15")),
    (EDGES, ("0.1", "9.9", 10, 11, 90, "90.1", "99.9"), ("10.5", "89.5", "0.05")),
    (((0, 10_000, 1),), ("0.01", "33.33", "99.99"), ()),
])  # fmt: skip
def test_prices_lie_on_the_markets_grid(
    ranges: tuple[tuple[int, int, int], ...],
    allowed: tuple[Amount, ...],
    refused: tuple[Amount, ...],
) -> None:
    venue = Venue(price_ranges=ranges)
    for number, price in enumerate(allowed):
        assert story(venue.buy("ALPHA", f"a{number}", "0.01", price)) == [f"a{number} new"]
    for number, price in enumerate(refused):
        assert story(venue.buy("ALPHA", f"r{number}", 1, price)) == [
            f"r{number} rejected PRICE_OFF_TICK"
        ]


@pytest.mark.parametrize("ranges", [
    (), ((100, 50, 10),), ((100, 9_900, 0),), ((100, 9_950, 100),),
    ((100, 500, 100), (400, 600, 100)),
    ((100, 10_100, 100),),
])  # fmt: skip
def test_an_impossible_grid_is_refused(ranges: tuple[tuple[int, int, int], ...]) -> None:
    terms = ("X", "E", "S", "X", ranges)
    assert Venue().refused(c.DefineMarket, *terms) == "INVALID_VALUE"


def test_a_finer_grid_keeps_resting_orders_and_their_priority() -> None:
    venue = Venue()
    for cl in ("a", "b"):
        venue.buy("ALPHA", cl, 1, 40)
    venue.sell("BRAVO", "s", 1, 60)
    venue.market("M", price_ranges=((10, 9_990, 10),))
    assert venue.book() == "40x2 | 60x1"
    assert venue.queue("buy", 40) == ["a", "b"]
    assert story(venue.buy("ALPHA", "d", 1, "40.1")) == ["d new"]
    terms = ("M", "E", "S", "M", ((100, 9_900, 100),))
    assert venue.refused(c.DefineMarket, *terms) == "OFF_GRID"


def test_depth_is_published_whole_on_request_without_a_change_number() -> None:
    venue = Venue()
    venue.buy("ALPHA", "a", 2, 40)
    venue.sell("BRAVO", "b", 1, 60)
    change = venue.exchange.state.markets["M"].change
    (told,) = venue.apply(c.PublishDepth("md", 1, 1, START, "M"))
    assert (told.bids, told.offers, told.change) == (  # type: ignore[union-attr]
        ((4000, 200, 1),), ((6000, 100, 1),), change,
    )  # fmt: skip
    assert venue.exchange.state.markets["M"].change == change


def test_a_snapshot_is_the_whole_state() -> None:
    venue = Venue(halt_band=5_000, halt_window=NANOS, halt_time=NANOS, close_at=START + 99 * NANOS)
    venue.open("ALPHA", cancel_on_disconnect=1, signed_at=START)
    venue.group("ALPHA", 1, limit=9)
    venue.admin(c.SetLimits, "firm", "ALPHA", {"order_size": 10_000}, START + 5 * NANOS)
    venue.buy("ALPHA", "a", 5, 40, tif=GTD, expire_at=START + NANOS, group="G1")
    venue.replace("ALPHA", "r", "a", "buy", 4, 41)
    venue.sell("BRAVO", "b", 2, 41)
    venue.sell("ALPHA", "s", 1, 70, on_pause=True)
    packed = msgpack.packb(venue.exchange.snapshot())
    venue.exchange = Exchange.restore(msgpack.unpackb(packed, use_list=False, strict_map_key=False))
    assert msgpack.packb(venue.exchange.snapshot()) == packed
    assert story(venue.advance(1)) == ["r expired ORDER_EXPIRED"]
    assert [type(x).__name__ for x in venue.advance(4)] == [
        "LimitsChanged", "SessionChanged", "Execution", "LevelChanged",
    ]  # fmt: skip
    assert story(venue.admin(c.BustTrade, 1))[-1] == "answer"
    assert story(venue.buy("ALPHA", "a", 1, 40)) == ["a rejected SESSION_DISABLED"]


def test_a_snapshot_of_another_version_is_not_read() -> None:
    with pytest.raises(ValueError, match="snapshot of version 99"):
        Exchange.restore([99])


def test_a_mass_of_levels_is_published_in_the_order_they_were_touched() -> None:
    venue = Venue()
    venue.buy("ALPHA", "a", 1, 40)
    venue.sell("ALPHA", "b", 1, 60)
    assert levels(venue.mass_cancel("ALPHA", "q")) == ["bid 40x0/0", "offer 60x0/0"]
