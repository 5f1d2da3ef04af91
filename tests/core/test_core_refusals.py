"""Why orders are refused: every reason alone, every pair in its order of precedence.

Each row breaks exactly one rule. Rows stand in the order in which the first failing check wins:
session and entitlement, ClOrdID, market and its state, attributes, price, quantity, limits,
balance. Breaking two rules at once must give the reason of the earlier row's group.
"""

from collections.abc import Callable
from typing import Any

import pytest
from core.core_venue import DOLLAR, GTD, POST_ONLY, REDUCE_ONLY, START, Venue, story

from kalshi_fix.messages import commands as c

Break = Callable[[Venue, dict[str, Any]], None]


def how(**values: Any) -> Break:
    return lambda _, order: order.update(values)


def admin(kind: Any, *values: Any, **named: Any) -> Break:
    return lambda venue, _: venue.admin(kind, *values, **named) and None


def used_id(venue: Venue, order: dict[str, Any]) -> None:
    venue.buy("ALPHA", "used", "0.01", 1)
    order["cl"] = "used"


def restricted(venue: Venue, order: dict[str, Any]) -> None:
    venue.admin(c.DefineFirm, "ALPHA", "XX")
    order["symbol"] = "R" if order["symbol"] == "M" else order["symbol"]


def not_enabled(venue: Venue, _: dict[str, Any]) -> None:
    venue.session("ALPHA", ("ALPHA", "ALPHA-2"), enabled=False)


def permits_others(venue: Venue, _: dict[str, Any]) -> None:
    venue.session("ALPHA", ("ALPHA", "ALPHA-2"), markets=("OTHER*",))


def group_full(venue: Venue, order: dict[str, Any]) -> None:
    venue.group("ALPHA", 1, limit=1)
    venue.group("ALPHA", 4, "G1")
    order["group"] = order.get("group", "G1")


def traded_at_50(venue: Venue, _: dict[str, Any]) -> None:
    venue.admin(c.SetLimits, "session", "ALPHA", {"price_distance": 900})
    venue.buy("BRAVO", "t1", "0.01", 50)
    venue.sell("CHARLIE", "t2", "0.01", 50)


def limit(name: str, value: int) -> Break:
    return admin(c.SetLimits, "account", "ALPHA", {name: value})


def one_open(venue: Venue, _: dict[str, Any]) -> None:
    venue.admin(c.SetLimits, "session", "ALPHA", {"open_orders": 1})
    venue.buy("ALPHA", "open", "0.01", 1)


def poor(venue: Venue, _: dict[str, Any]) -> None:
    venue.admin(c.Withdraw, "ALPHA", venue.cash("ALPHA") - DOLLAR)


NEEDS_ORDERS = (used_id, traded_at_50, group_full, one_open)

ROWS: list[tuple[int, str, str, Break]] = [
    # group, reason, what is broken, how
    (0, "SESSION_DISABLED", "session killed", admin(c.KillSwitch, "session", "ALPHA", True)),
    (0, "SESSION_DISABLED", "firm killed", admin(c.KillSwitch, "firm", "ALPHA", True)),
    (0, "SESSION_DISABLED", "exchange killed", admin(c.KillSwitch, "exchange", "", True)),
    (0, "ACCOUNT_NOT_FOUND", "no such account", how(account="NOBODY")),
    (0, "ACCOUNT_NOT_PERMITTED", "another firm's account", how(account="BRAVO")),
    (0, "SESSION_DISABLED", "session disabled", not_enabled),
    (0, "NOT_ENTITLED", "market not permitted", permits_others),
    (0, "JURISDICTION_RESTRICTED", "market excludes the firm", restricted),
    (1, "ORDER_ALREADY_EXISTS", "ClOrdID used", used_id),
    (1, "STALE_ORDER", "sent too long ago", how(sent_at=START - 31 * 10**9)),
    (2, "MARKET_NOT_FOUND", "no such market", how(symbol="NONE")),
    (2, "MARKET_INACTIVE", "initialized", how(symbol="I")),
    (2, "MARKET_CLOSED", "closed", how(symbol="C")),
    (2, "TRADING_PAUSED", "paused", how(symbol="P")),
    (2, "EXCHANGE_PAUSED", "exchange paused", admin(c.SetExchangeStatus, True)),
    (2, "MAINTENANCE", "exchange drained", admin(c.Drain, 10**9, 10**9, False)),
    (3, "UNSUPPORTED_ORDER", "no such order type", how(ord_type=3)),
    (3, "UNSUPPORTED_ORDER", "post-only and immediate", how(inst=POST_ONLY, tif=3)),
    (3, "UNSUPPORTED_ORDER", "reduce-only that could rest", how(inst=REDUCE_ONLY)),
    (3, "UNSUPPORTED_ORDER", "GTD without 126", how(tif=GTD)),
    (3, "ORDER_GROUP_NOT_FOUND", "no such group", how(group="G77")),
    (4, "INVALID_PRICE", "zero", how(price=0)),
    (4, "INVALID_PRICE", "a dollar", how(price=100)),
    (4, "PRICE_OFF_TICK", "half a cent", how(price="40.5")),
    (4, "PRICE_OUT_OF_BAND", "far from the last trade", traded_at_50),
    (5, "INVALID_QUANTITY", "zero", how(quantity=0)),
    (5, "INVALID_QUANTITY", "negative", how(quantity=-1)),
    (6, "EXCEEDED_ORDER_GROUP_LIMIT", "group triggered", group_full),
    (6, "ORDER_SIZE_LIMIT", "size", limit("order_size", 100)),
    (6, "ORDER_VALUE_LIMIT", "value", limit("order_value", DOLLAR)),
    (6, "OPEN_ORDER_LIMIT", "open orders", one_open),
    (6, "POSITION_LIMIT", "position", limit("position", 100)),
    (6, "POSITION_LIMIT", "exposure", limit("exposure", DOLLAR)),
    (7, "INSUFFICIENT_BALANCE", "cash", poor),
]
IDS = [f"{reason}: {what}" for _, reason, what, _ in ROWS]


def outcome(*breaks: Break) -> str:
    venue = Venue()
    venue.market("I", status="initialized")
    venue.market("P", status="paused")
    venue.market("C")
    venue.admin(c.SetMarketStatus, "C", "closed")
    venue.market("R", jurisdictions_excluded=("XX",))
    order: dict[str, Any] = {"cl": "a", "quantity": 10, "price": 40, "symbol": "M"}
    for each in breaks:
        each(venue, order)
    quantity, price = order.pop("quantity"), order.pop("price")
    events = venue.buy("ALPHA", order.pop("cl"), quantity, price, **order)
    return story(events)[0].partition(" ")[2]


def test_an_order_that_breaks_no_rule_is_accepted() -> None:
    assert outcome() == "new"


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_each_reason_alone(row: tuple[int, str, str, Break]) -> None:
    assert outcome(row[3]) == f"rejected {row[1]}"


def clashes(first: Break, second: Break) -> bool:
    """Two rows that set the same field of the order cannot be broken at once."""
    marks: list[set[str]] = []
    for each in (first, second):
        before: dict[str, Any] = {"symbol": "M"}
        if each.__name__ == "<lambda>":
            probe = dict(before)
            try:
                each(None, probe)  # type: ignore[arg-type]
            except AttributeError:
                marks.append(set())
                continue
            marks.append({key for key in probe if probe[key] != before.get(key)})
        else:
            marks.append(
                {used_id: {"cl"}, restricted: {"symbol"}, group_full: {"group"}}.get(each, set())
            )  # type: ignore[arg-type]
    return bool(marks[0] & marks[1])


PAIRS = [
    (first, second)
    for place, first in enumerate(ROWS)
    for second in ROWS[place + 1 :]
    if first[0] < second[0] and not clashes(first[3], second[3])
]


def test_of_two_broken_rules_the_earlier_one_is_named() -> None:
    wrong = []
    for first, second in PAIRS:
        # what needs orders of its own is set up before what forbids them
        needs = [each for each in NEEDS_ORDERS if each in {first[3], second[3]}]
        found = outcome(*needs, *({first[3], second[3]} - set(needs)))
        if found != f"rejected {first[1]}":
            wrong.append((first[1:3], second[1:3], found))
    assert not wrong
    assert len(PAIRS) > 250


@pytest.mark.parametrize(("fault", "broken", "expected"), [
    ("INVALID_PRICE", how(quantity=0), "INVALID_PRICE"),
    ("INVALID_QUANTITY", how(price=0), "INVALID_PRICE"),
    ("PRICE_OFF_TICK", how(price=0), "PRICE_OFF_TICK"),
    ("UNSUPPORTED_ORDER", how(symbol="NONE"), "MARKET_NOT_FOUND"),
    ("ACCOUNT_NOT_FOUND", how(symbol="NONE"), "ACCOUNT_NOT_FOUND"),
    ("INVALID_QUANTITY", poor, "INVALID_QUANTITY"),
    ("UNSUPPORTED_ORDER", used_id, "ORDER_ALREADY_EXISTS"),
])  # fmt: skip
def test_faults_of_translation_take_their_place_in_the_order(
    fault: str, broken: Break, expected: str
) -> None:
    assert outcome(broken, how(faults=(fault,))) == f"rejected {expected}"


def test_of_several_faults_the_earliest_in_the_order_is_named() -> None:
    faults = ("INVALID_QUANTITY", "INVALID_PRICE", "UNSUPPORTED_ORDER")
    assert outcome(how(faults=faults)) == "rejected UNSUPPORTED_ORDER"


def test_a_refused_order_leaves_no_trace_and_its_id_may_be_used_again() -> None:
    venue = Venue()
    before = venue.exchange.snapshot()[3:9]
    venue.buy("ALPHA", "a", 1, "40.5")
    assert venue.exchange.snapshot()[3:8] == before[:5]
    assert story(venue.buy("ALPHA", "a", 1, 40)) == ["a new"]
