"""Who may do what: firm, account, session, segment, market; a change counts from the next order."""

from core_venue import Venue, story

from kalshi_fix.core.exchange import Exchange
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e


def rejected(events: list[e.Event]) -> str:
    return next((each.reason for each in events if isinstance(each, e.OrderRejected)), "")


def permit(venue: Venue, **permissions: object) -> list[e.Event]:
    return venue.session("ALPHA", ("ALPHA", "ALPHA-2"), **permissions)


def test_an_order_in_a_market_the_session_may_not_trade_is_refused() -> None:
    venue = Venue()
    permit(venue, markets=("N*",))
    venue.market("N1")
    assert rejected(venue.buy("ALPHA", "a1", 1, 40)) == "NOT_ENTITLED"
    assert rejected(venue.buy("ALPHA", "a2", 1, 40, symbol="N1")) == ""


def test_the_change_counts_from_the_next_order_and_never_stops_a_cancel() -> None:
    venue = Venue()
    venue.buy("ALPHA", "a1", 1, 40)
    permit(venue, markets=("N*",))
    assert rejected(venue.buy("ALPHA", "a2", 1, 40)) == "NOT_ENTITLED"
    replaced = venue.replace("ALPHA", "a3", "a1", "buy", 2, 40)
    assert [each.reason for each in replaced if isinstance(each, e.CancelRejected)] == [
        "NOT_ENTITLED"
    ]
    assert "canceled" in story(venue.cancel("ALPHA", "a4", "a1", "buy"))[0]


def test_a_read_only_session_sees_and_never_orders() -> None:
    venue = Venue()
    permit(venue, read_only=True)
    opened = venue.open("ALPHA")[-1]
    assert isinstance(opened, e.SessionChanged)
    assert opened.listener
    assert rejected(venue.buy("ALPHA", "a1", 1, 40)) == "SESSION_DISABLED"


def test_a_segment_limits_what_its_sessions_may_do_and_how_much() -> None:
    venue = Venue()
    venue.market("N")
    venue.admin(c.DefineSegment, "retail", markets=("M",), limits={"order_size": 500})
    permit(venue, segment="retail")
    assert rejected(venue.buy("ALPHA", "a1", 1, 40, symbol="N")) == "NOT_ENTITLED"
    assert rejected(venue.buy("ALPHA", "a2", 6, 40)) == "ORDER_SIZE_LIMIT"
    assert rejected(venue.buy("ALPHA", "a3", 5, 40)) == ""
    assert rejected(venue.buy("ALPHA-B", "a4", 6, 40)) == ""  # not of the segment
    events = venue.admin(c.DefineSegment, "retail", markets=("M",), limits={"order_size": 600})
    published = [each for each in events if isinstance(each, e.SessionDefined)]
    assert [each.name for each in published] == ["ALPHA"]
    assert rejected(venue.buy("ALPHA", "a5", 6, 40)) == ""


def test_a_segment_with_open_order_and_position_limits() -> None:
    venue = Venue()
    venue.admin(c.DefineSegment, "small", limits={"open_orders": 1, "position": 1_000})
    permit(venue, segment="small")
    assert rejected(venue.buy("ALPHA", "a1", 2, 40)) == ""
    assert rejected(venue.buy("ALPHA", "a2", 2, 40)) == "OPEN_ORDER_LIMIT"
    venue.cancel("ALPHA", "a3", "a1", "buy")
    assert rejected(venue.buy("ALPHA", "a4", 11, 40)) == "POSITION_LIMIT"


def test_an_unknown_segment_a_role_not_permitted_and_a_bad_scope_are_refused() -> None:
    venue = Venue()
    head = ("ALPHA", "ALPHA", "KalshiRT", "RT", "ALPHA", ("ALPHA",))
    assert venue.refused(c.DefineSession, *head, segment="nobody") == "UNKNOWN_NAME"
    assert venue.refused(c.DefineSession, *head, cancel_scope="account") == "INVALID_VALUE"
    venue.admin(c.DefineFirm, "ALPHA", roles=("DC",))
    assert venue.refused(c.DefineSession, *head) == "INVALID_VALUE"


def test_a_role_taken_from_a_firm_ends_its_orders_and_logons() -> None:
    venue = Venue()
    venue.open("ALPHA", connection="c1")
    venue.admin(c.DefineFirm, "ALPHA", roles=("DC", "MD"))
    assert rejected(venue.buy("ALPHA", "a1", 1, 40)) == "SESSION_DISABLED"
    venue.lose("ALPHA", "c1")
    answer = venue.open("ALPHA")[-1]
    assert isinstance(answer, e.SessionChanged)
    assert answer.reason == "NOT_ENTITLED"


def test_the_jurisdiction_of_firm_or_account_decides_at_the_next_order() -> None:
    venue = Venue()
    venue.admin(c.DefineMarket, "NY", "E", "S", "NY", jurisdictions_excluded=("US-NY",))
    assert rejected(venue.buy("ALPHA", "a1", 1, 40, symbol="NY")) == ""
    venue.admin(c.DefineAccount, "ALPHA", "ALPHA", "US-NY")
    assert rejected(venue.buy("ALPHA", "a2", 1, 40, symbol="NY")) == "JURISDICTION_RESTRICTED"
    replaced = venue.replace("ALPHA", "a3", "a1", "buy", 2, 40, symbol="NY")
    assert [each.reason for each in replaced if isinstance(each, e.CancelRejected)] == [
        "JURISDICTION_RESTRICTED"
    ]
    assert rejected(venue.buy("ALPHA", "a4", 1, 40, symbol="NY", account="ALPHA-2")) == ""
    venue.admin(c.DefineFirm, "ALPHA", "US-NY")
    refused = venue.buy("ALPHA", "a5", 1, 40, symbol="NY", account="ALPHA-2")
    assert rejected(refused) == "JURISDICTION_RESTRICTED"
    venue.admin(c.DefineAccount, "ALPHA", "ALPHA", "US-CA")  # the account's own wins
    assert rejected(venue.buy("ALPHA", "a6", 1, 40, symbol="NY")) == ""


def test_permissions_survive_a_snapshot() -> None:
    venue = Venue()
    venue.admin(c.DefineSegment, "retail", ("D", "F"), ("M",), limits={"order_size": 500})
    permit(venue, segment="retail", message_types=("D",), cancel_scope="firm")
    venue.admin(c.DefineFirm, "BRAVO", roles=("RT",))
    restored = Exchange.restore(venue.exchange.snapshot())
    assert restored.snapshot() == venue.exchange.snapshot()
    restored.check()
    command = venue.order("buy", "ALPHA", "a1", 6, 40)
    assert rejected(restored.apply(command)) == "ORDER_SIZE_LIMIT"
