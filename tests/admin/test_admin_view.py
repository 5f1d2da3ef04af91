"""The operator's picture of a shard, made of events alone."""

from typing import Any

from msgspec.structs import replace

from kalshi_fix.messages import events as e
from kalshi_fix.model import NANOS
from kalshi_fix.services.admin import Request, reader_of
from kalshi_fix.services.admin_reads import collapse
from kalshi_fix.services.admin_view import ShardView

T = "KXTEST-A"
MARKET = e.MarketChanged(
    1, 5, T, 1, "active", "EV", "SE", "Title", ((100, 9900, 100),), 0, 0, 0, -1, "", "", ()
)
ACCOUNT = e.AccountChanged(2, 5, "A-1", "ALPHA", "US")
DEPOSIT = e.BalanceChanged(3, 5, "ALPHA", "A-1", 100_000_000, 100_000_000, "funding")
TERMS = e.OrderTerms(9, "ALPHA-RT", "ALPHA", "A-1", T, 1, 2, 1_000, 5_000, 1, 0, 0, 1, "", False, 0)
# 10 contracts at 0.50: holds 5 dollars and 10 cents of fee
NEW = e.Execution(
    4, 5, "ALPHA", "0", "0", TERMS, "c1", "", 0, 1_000, 0, "", 0, 0, 0, 0, 0, 20261216, 0, 0, 0,
    5_100_000, 0, 0, "",
)  # fmt: skip
# 4 of them trade: 2 dollars and 4 cents are spent, the rest stays held
FILL = replace(
    NEW, number=5, exec_type="F", ord_status="1", cum_qty=400, leaves_qty=600, last_qty=400,
    last_px=5_000, trade_id=1, position=400, cash_change=-2_040_000, hold=3_060_000,
)  # fmt: skip
CANCEL = replace(NEW, number=6, exec_type="4", ord_status="4", cum_qty=400, leaves_qty=0, hold=0)


def view_with(*events: e.Event) -> ShardView:
    view = ShardView()
    for event in events:
        view.apply(event)
    return view


def rows(view: ShardView, operation: str, **filters: str) -> list[dict[str, Any]]:
    return reader_of(Request(operation=operation, args=filters)).look(view)


def rows_of_all(
    views: dict[str, ShardView], operation: str, **filters: str
) -> list[dict[str, Any]]:
    reader = reader_of(Request(operation=operation, args=filters))
    return reader.join({shard: reader.look(view) for shard, view in views.items()})


def money(view: ShardView) -> tuple[str, str, str, int, dict[str, str]]:
    (row,) = rows(view, "accounts.show", account="A-1")
    return row["cash"], row["held"], row["total"], row["open_orders"], row["positions"]


def test_an_order_moves_free_cash_into_its_hold() -> None:
    view = view_with(ACCOUNT, DEPOSIT, NEW)
    assert money(view) == ("94.90", "5.10", "100.00", 1, {})


def test_a_fill_spends_held_cash_and_shows_the_position() -> None:
    view = view_with(ACCOUNT, DEPOSIT, NEW, FILL)
    assert money(view) == ("94.90", "3.06", "97.96", 1, {T: "4.00"})


def test_a_cancel_gives_the_rest_of_the_hold_back() -> None:
    view = view_with(ACCOUNT, DEPOSIT, NEW, FILL, CANCEL)
    assert money(view) == ("97.96", "0.00", "97.96", 0, {T: "4.00"})


def test_a_settlement_pays_and_ends_the_position() -> None:
    paid = e.PositionSettled(
        7, 5, "ALPHA", "A-1", T, 400, 10_000, 5_000, 4_000_000, 101_960_000, 20261216, 0
    )
    view = view_with(ACCOUNT, DEPOSIT, NEW, FILL, CANCEL, paid)
    assert money(view) == ("101.96", "0.00", "101.96", 0, {})


def test_a_market_shows_its_last_trade_and_totals() -> None:
    traded = e.Traded(2, 5, T, 2, 1, 5_500, 400, 1, 400, 300)
    (row,) = rows(view_with(MARKET, traded), "markets.list", symbol=T)
    assert (row["status"], row["last"], row["value"]) == ("active", "0.5500", "")
    assert (row["volume"], row["open_interest"]) == ("4.00", "3.00")


def test_a_determined_market_shows_its_value_and_when_it_settles() -> None:
    determined = replace(MARKET, number=2, status="determined", value=10_000, settles_at=NANOS)
    (row,) = rows(view_with(MARKET, determined), "markets.list")
    assert (row["value"], row["settles_at"]) == ("1.0000", "1970-01-01T00:00:01.000Z")


def test_filters_choose_rows() -> None:
    other = replace(MARKET, symbol="KXTEST-B", status="paused")
    view = view_with(MARKET, other)
    assert [row["symbol"] for row in rows(view, "markets.list", status="paused")] == ["KXTEST-B"]
    assert rows(view, "markets.list", symbol="KXTEST-C") == []


def session_changed(**changes: Any) -> e.SessionChanged:
    opened = e.SessionChanged(
        2, 5, "ALPHA", "ALPHA-RT", "gateway:gw1", 1, "c1", True, 3, 0, 0, False, False, False,
        False, 0, "",
    )  # fmt: skip
    return replace(opened, **changes)


DEFINED = e.SessionDefined(
    1, 5, "ALPHA-RT", "ALPHA", "ALPHA-RT", "KalshiRT", "RT", ("A-1",), True, False, False, 1
)


def test_a_session_shows_whether_it_is_up_and_on_which_gateway() -> None:
    (row,) = rows(view_with(DEFINED, session_changed()), "sessions.list")
    assert (row["up"], row["epoch"], row["gateway"]) == (True, 3, "gateway:gw1")
    lost = session_changed(is_open=False)
    (row,) = rows(view_with(DEFINED, session_changed(), lost), "sessions.list")
    assert (row["up"], row["epoch"], row["gateway"]) == (False, 3, "")


def test_a_refused_opening_does_not_look_like_a_lost_session() -> None:
    refused = session_changed(is_open=False, reason="SESSION_DISABLED")
    (row,) = rows(view_with(DEFINED, session_changed(), refused), "sessions.list")
    assert row["up"] is True


def test_limits_are_shown_in_their_own_units_and_vanish_when_taken_off() -> None:
    values = {"order_size": 150, "order_value": 2_500_000, "open_orders": 7, "exposure": 0}
    limits = e.LimitsChanged(1, 5, "firm", "ALPHA", values, 0)
    (row,) = rows(view_with(limits), "limits.show")
    assert row["limits"] == {"order_size": "1.50", "order_value": "2.50", "open_orders": "7"}
    off = replace(limits, limits=dict.fromkeys(values, 0))
    assert rows(view_with(limits, off), "limits.show") == []


def answered(number: int, at: int) -> e.AdminAnswered:
    return e.AdminAnswered(number, at, f"R{number}", f"op{number % 2}", "Deposit", "why", "", "")


def test_history_is_newest_last_and_may_be_one_operators() -> None:
    view = view_with(*(answered(n, n) for n in range(1, 6)))
    assert [row["request_id"] for row in rows(view, "history", rows="2")] == ["R4", "R5"]
    assert [row["request_id"] for row in rows(view, "history", operator="op0")] == ["R2", "R4"]


def test_answers_are_forgotten_after_a_day_but_never_the_last_thousand() -> None:
    day = 24 * 3_600 * NANOS
    view = view_with(*(answered(n, n) for n in range(1, 1_501)))
    assert len(view.answers) == 1_500
    view.apply(answered(1_501, 2 * day))
    assert len(view.answers) == 1_000
    assert "R501" not in view.answers
    assert "R502" in view.answers


def test_rows_on_which_all_shards_agree_stand_once() -> None:
    same, lost = {"firm": "A", "locked": False}, {"firm": "A", "locked": True}
    assert collapse({"s0": [same], "s1": [same]}) == [{**same, "shard": "s0,s1"}]
    assert collapse({"s0": [same], "s1": [lost]}) == [
        {**same, "shard": "s0"},
        {**lost, "shard": "s1"},
    ]


def test_money_in_two_shards_stays_two_rows_however_equal() -> None:
    views = {shard: view_with(ACCOUNT, DEPOSIT) for shard in ("s0", "s1")}
    found = rows_of_all(views, "accounts.show")
    assert [(row["account"], row["shard"]) for row in found] == [("A-1", "s0"), ("A-1", "s1")]


def test_the_history_of_all_shards_is_in_the_order_of_time_and_cut_as_one() -> None:
    views = {
        "s0": view_with(answered(1, 1_000_000_000), answered(4, 4_000_000_000)),
        "s1": view_with(answered(2, 2_000_000_000), answered(3, 3_000_000_000)),
    }
    found = rows_of_all(views, "history", rows="3")
    assert [(row["request_id"], row["shard"]) for row in found] == [
        ("R2", "s1"),
        ("R3", "s1"),
        ("R4", "s0"),
    ]
