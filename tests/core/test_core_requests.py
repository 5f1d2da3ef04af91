"""Replace, cancel, mass cancel, status, repeats: what clients may ask of their orders."""

import pytest
from core.core_venue import DAY, DAY_END, GTD, START, Venue, story

from kalshi_fix.core.exchange import Exchange
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.model import NANOS


@pytest.fixture
def venue() -> Venue:
    venue = Venue()
    venue.buy("ALPHA", "a", 10, 40)
    return venue


def executions(events: list[e.Event]) -> list[e.Execution]:
    return [event for event in events if isinstance(event, e.Execution)]


def test_a_replace_reports_the_new_terms_under_the_new_id(venue: Venue) -> None:
    (told,) = executions(venue.replace("ALPHA", "r", "a", "buy", 12, 41))
    assert (told.exec_type, told.ord_status, told.cl_ord_id, told.orig_cl_ord_id) == (
        "5", "0", "r", "a",
    )  # fmt: skip
    assert (told.terms.order_qty, told.terms.price, told.leaves_qty) == (1200, 4100, 1200)
    assert told.hold == venue.held("ALPHA") == 4_920_000


def test_replaces_may_be_chained_without_waiting(venue: Venue) -> None:
    assert story(venue.replace("ALPHA", "r", "a", "buy", 9, 40)) == ["r replaced for a"]
    assert story(venue.replace("ALPHA", "s", "r", "buy", 8, 40)) == ["s replaced for r"]
    assert story(venue.replace("ALPHA", "t", "a", "buy", 7, 40)) == ["t refused UNKNOWN_ORDER"]


def test_the_new_quantity_is_the_total(venue: Venue) -> None:
    venue.sell("BRAVO", "s", 4, 40)
    (told,) = executions(venue.replace("ALPHA", "r", "a", "buy", 6, 40))
    assert (told.ord_status, told.cum_qty, told.leaves_qty) == ("1", 400, 200)


def test_down_to_what_is_filled_cancels(venue: Venue) -> None:
    venue.sell("BRAVO", "s", 4, 40)
    (told,) = executions(venue.replace("ALPHA", "r", "a", "buy", 4, 40))
    assert (told.exec_type, told.ord_status, told.terms.order_qty, told.cum_qty) == (
        "4", "4", 400, 400,
    )  # fmt: skip
    assert venue.held("ALPHA") == 0


REFUSED_REPLACES = [
    ("below what is filled", {"q": 3}, "INVALID_AMEND_QTY"),
    ("zero", {"q": 0}, "INVALID_QUANTITY"),
    ("off tick", {"p": "40.5"}, "PRICE_OFF_TICK"),
    ("no price", {"p": 0}, "INVALID_PRICE"),
    ("other side", {"side": "sell"}, "ORDER_ATTRIBUTES_MISMATCH"),
    ("other symbol", {"symbol": "N"}, "ORDER_ATTRIBUTES_MISMATCH"),
    ("other account", {"account": "ALPHA-2"}, "ORDER_ATTRIBUTES_MISMATCH"),
    ("other OrderID", {"order_id": 99}, "ORDER_ATTRIBUTES_MISMATCH"),
    ("other type", {"ord_type": 1}, "UNSUPPORTED_ORDER"),
    ("126 alone", {"expire_at": START + NANOS}, "UNSUPPORTED_ORDER"),
    ("GTD in the past", {"tif": GTD, "expire_at": START}, "UNSUPPORTED_ORDER"),
    ("GTD without 126", {"tif": GTD}, "UNSUPPORTED_ORDER"),
    ("IOC", {"tif": 3}, "UNSUPPORTED_ORDER"),
    ("id used", {"cl": "a"}, "ORDER_ALREADY_EXISTS"),
    ("stale", {"sent_at": START - 31 * NANOS}, "STALE_ORDER"),
    ("more cash than there is", {"q": 10_000}, "INSUFFICIENT_BALANCE"),
    ("a fault of translation", {"faults": ("INVALID_PRICE",), "q": 0}, "INVALID_PRICE"),
]


@pytest.mark.parametrize(("what", "how", "reason"), REFUSED_REPLACES)
def test_a_refused_replace_changes_nothing(
    venue: Venue, what: str, how: dict[str, object], reason: str
) -> None:
    del what
    venue.buy("BRAVO", "behind", 1, 40)
    venue.sell("CHARLIE", "s", 4, 40)
    before = venue.exchange.snapshot()[4:7]
    given = {"cl": "r", "side": "buy", "q": 10, "p": 41, **how}
    events = venue.replace(
        "ALPHA", given.pop("cl"), "a", given.pop("side"), given.pop("q"), given.pop("p"), **given
    )
    assert story(events) == [f"{'a' if reason == 'ORDER_ALREADY_EXISTS' else 'r'} refused {reason}"]
    assert venue.exchange.snapshot()[4:7] == before
    assert venue.queue("buy", 40) == ["a", "behind"]


def test_a_post_only_order_may_not_be_moved_across(venue: Venue) -> None:
    venue.sell("BRAVO", "s", 1, 50)
    venue.buy("ALPHA", "p", 1, 45, inst=1)
    assert story(venue.replace("ALPHA", "r", "p", "buy", 1, 50)) == ["r refused POST_ONLY_CROSS"]


@pytest.mark.parametrize(("how", "expected"), [
    ({}, (1, 0)), ({"tif": DAY}, (0, DAY_END - 1_000_000)), ({"tif": 1}, (1, 0)),
    ({"tif": GTD, "expire_at": START + NANOS}, (6, START + NANOS)),
])  # fmt: skip
def test_only_the_expiry_changes_and_priority_is_kept(
    venue: Venue, how: dict[str, int], expected: tuple[int, int]
) -> None:
    venue.buy("BRAVO", "behind", 1, 40)
    (told,) = executions(venue.replace("ALPHA", "r", "a", "buy", 10, 40, **how))
    assert (told.terms.time_in_force, told.terms.expire_at) == expected
    assert venue.queue("buy", 40) == ["r", "behind"]


def test_in_a_pause_replaces_are_refused_and_cancels_are_taken(venue: Venue) -> None:
    venue.admin(c.SetMarketStatus, "M", "paused")
    assert story(venue.replace("ALPHA", "r", "a", "buy", 5, 40)) == ["r refused TRADING_PAUSED"]
    assert story(venue.cancel("ALPHA", "x", "a", "buy")) == ["x canceled for a"]


def test_a_cancel_may_name_any_id_the_order_has_had(venue: Venue) -> None:
    venue.replace("ALPHA", "r", "a", "buy", 9, 40)
    assert story(venue.cancel("ALPHA", "x", "a", "buy")) == ["x canceled for r"]


def test_another_sessions_order_is_unknown_unless_the_firm_is_named(venue: Venue) -> None:
    assert story(venue.cancel("ALPHA-B", "x", "a", "buy")) == ["x refused UNKNOWN_ORDER"]
    (told,) = executions(venue.cancel("ALPHA-B", "y", "a", "buy", firm_scope=True))
    assert (told.terms.session, told.requester) == ("ALPHA", "ALPHA-B")
    assert story(venue.cancel("BRAVO", "z", "a", "buy", firm_scope=True)) == [
        "z refused UNKNOWN_ORDER"
    ]


def test_a_mass_cancel_answers_first_then_each_order_reports(venue: Venue) -> None:
    venue.sell("ALPHA", "b", 1, 60)
    venue.buy("ALPHA-B", "other", 1, 30)
    assert story(venue.mass_cancel("ALPHA", "q")) == [
        "q canceled 2", "a canceled MASS_CANCEL", "b canceled MASS_CANCEL",
    ]  # fmt: skip
    assert venue.book() == "30x1 |"


@pytest.mark.parametrize(("how", "gone"), [
    ({"kind": "1", "symbol": "M"}, "ab"), ({"side": 1}, "ac"), ({"account": "ALPHA-2"}, "c"),
    ({"firm_scope": True}, "abcd"), ({"kind": "1", "symbol": "N"}, "c"),
])  # fmt: skip
def test_a_mass_cancel_takes_what_is_named(how: dict[str, object], gone: str) -> None:
    venue = Venue()
    venue.market("N")
    venue.buy("ALPHA", "a", 1, 40)
    venue.sell("ALPHA", "b", 1, 60)
    venue.buy("ALPHA", "c", 1, 40, symbol="N", account="ALPHA-2")
    venue.sell("ALPHA-B", "d", 1, 60, account="ALPHA")
    told = story(venue.mass_cancel("ALPHA", "q", **how))[1:]
    assert "".join(line[0] for line in told) == gone


def test_a_mass_cancel_may_lock_the_firm_until_an_operator_unlocks(venue: Venue) -> None:
    venue.mass_cancel("ALPHA", "q", firm_scope=True, lock=True)
    assert story(venue.buy("ALPHA-B", "b", 1, 40)) == ["b rejected SESSION_DISABLED"]
    venue.admin(c.UnlockFirm, "ALPHA")
    assert story(venue.buy("ALPHA-B", "b", 1, 40)) == ["b new"]


@pytest.mark.parametrize(("how", "reason"), [
    ({"kind": "1", "symbol": "NONE"}, "MARKET_NOT_FOUND"),
    ({"account": "BRAVO"}, "ACCOUNT_NOT_PERMITTED"), ({"lock": True}, "UNSUPPORTED_ORDER"),
])  # fmt: skip
def test_a_refused_mass_cancel_cancels_nothing(
    venue: Venue, how: dict[str, object], reason: str
) -> None:
    assert story(venue.mass_cancel("ALPHA", "q", **how)) == [f"q canceled 0 {reason}"]
    assert venue.book() == "40x10 |"


def test_a_repeat_of_a_sequence_number_changes_nothing(venue: Venue) -> None:
    assert venue.buy("ALPHA", "again", 1, 40, seq=1) == []
    assert venue.buy("ALPHA", "old epoch", 1, 40, epoch=-1) == []
    assert venue.buy("NOBODY", "x", 1, 40) == []


def test_a_possible_duplicate_of_what_was_processed_is_ignored(venue: Venue) -> None:
    assert venue.buy("ALPHA", "a", 10, 40, repeat=1) == []
    assert story(venue.buy("ALPHA", "b", 10, 40, repeat=1)) == ["b new"]
    venue.cancel("ALPHA", "x", "a", "buy")
    assert venue.cancel("ALPHA", "x", "a", "buy", repeat=1) == []
    assert venue.replace("ALPHA", "x", "a", "buy", 1, 40, repeat=1) == []


def test_a_possible_resend_of_what_is_known_is_answered_with_its_status(venue: Venue) -> None:
    assert story(venue.buy("ALPHA", "a", 10, 40, repeat=2)) == ["status a 0"]
    assert story(venue.buy("ALPHA", "b", 10, 40, repeat=2)) == ["b new"]


def test_a_stale_order_is_refused_a_stale_cancel_never(venue: Venue) -> None:
    assert story(venue.buy("ALPHA", "b", 1, 40, sent_at=START - 30 * NANOS)) == ["b new"]
    old = START - 30 * NANOS - 1
    assert story(venue.buy("ALPHA", "c", 1, 40, sent_at=old)) == ["c rejected STALE_ORDER"]
    head = venue.head("ALPHA", {})
    stale = c.CancelOrder(*head, old, 0, "x", "a", 0, "M", 1, "", False)
    assert story(venue.apply(stale)) == ["x canceled for a"]


def status(venue: Venue, session: str, cl: str, **how: object) -> list[str]:
    return story(
        venue.apply(
            c.QueryOrder(*venue.head(session, {}), cl, how.get("order_id", 0), "M", 1, "r",
                         how.get("firm_scope", False))
        )
    )  # fmt: skip


def test_status_of_one_order(venue: Venue) -> None:
    venue.replace("ALPHA", "r", "a", "buy", 9, 40)
    assert status(venue, "ALPHA", "a") == status(venue, "ALPHA", "r") == ["status r 0"]
    assert status(venue, "ALPHA", "whatever", order_id=1) == ["status r 0"]
    assert status(venue, "ALPHA", "r", order_id=2) == ["status r 8 UNKNOWN_ORDER"]
    assert status(venue, "ALPHA-B", "r") == ["status r 8 UNKNOWN_ORDER"]
    assert status(venue, "ALPHA-B", "r", firm_scope=True) == ["status r 0"]


def test_status_of_all_orders_counts_and_marks_the_last(venue: Venue) -> None:
    def ask(session: str) -> list[e.StatusReported]:
        head = venue.head(session, {})
        return venue.apply(c.QueryOrders(*head, "id", 7, "", 0, "", False))  # type: ignore[return-value]

    venue.sell("ALPHA", "b", 1, 60)
    assert [(x.cl_ord_id, x.total, x.last) for x in ask("ALPHA")] == [
        ("a", 2, False), ("b", 2, True),
    ]  # fmt: skip
    (none,) = ask("BRAVO")
    assert (none.mass, none.total, none.last, none.reason) == (True, 0, True, "NO_OPEN_ORDERS")


def test_order_and_trade_ids_name_their_shard() -> None:
    for shard in (0, 3):
        exchange = Exchange(shard)
        assert exchange.state.order_count == exchange.state.trade_count == shard * 10**15
        restored = Exchange.restore(exchange.snapshot())
        assert restored.state.order_count == shard * 10**15


def test_positions_and_collateral_are_told_as_they_are(venue: Venue) -> None:
    venue.sell("BRAVO", "s", 4, 40)
    head = venue.head("ALPHA", {})
    (positions,) = venue.apply(c.QueryPositions(*head, "p", "", ""))
    assert positions.rows == (("M", 400, 4000, 0, True),)  # type: ignore[union-attr]
    head = venue.head("ALPHA", {})
    (collateral,) = venue.apply(c.QueryCollateral(*head, "q", ""))
    assert collateral.rows == (  # type: ignore[union-attr]
        ("ALPHA", 996_000_000, 2_400_000, 1_600_000),
        ("ALPHA-2", 1_000_000_000, 0, 0),
    )
    head = venue.head("ALPHA", {})
    (refused,) = venue.apply(c.QueryPositions(*head, "p", "BRAVO", ""))
    assert not refused.permitted  # type: ignore[union-attr]


def test_ended_orders_are_visible_until_the_end_of_the_next_trading_day(venue: Venue) -> None:
    venue.cancel("ALPHA", "x", "a", "buy")
    venue.admin(c.StartTradingDay, 20270116, DAY_END + 86_400 * NANOS)
    assert story(venue.cancel("ALPHA", "y", "a", "buy")) == ["y refused TOO_LATE"]
    venue.admin(c.StartTradingDay, 20270117, DAY_END + 2 * 86_400 * NANOS)
    assert story(venue.cancel("ALPHA", "y", "a", "buy")) == ["y refused UNKNOWN_ORDER"]
    assert story(venue.buy("ALPHA", "a", 1, 40)) == ["a new"]
    venue.advance(1)  # what is invisible is swept away, what is not stays
    assert status(venue, "ALPHA", "a") == ["status a 0"]
    assert "x" not in venue.exchange.state.firms["ALPHA"].ids
