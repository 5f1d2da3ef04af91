"""Cancel on disconnect: whose orders, which of them, on which trigger - and on which never."""

from core_venue import DAY, Venue

from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.model import NANOS


def canceled(events: list[e.Event]) -> list[str]:
    return [
        each.cl_ord_id
        for each in events
        if isinstance(each, e.Execution) and each.reason == "CANCEL_ON_DISCONNECT"
    ]


def ready(**terms: object) -> Venue:
    """ALPHA and ALPHA-B open, each with a day order and a GTC order."""
    venue = Venue()
    venue.session("ALPHA", ("ALPHA", "ALPHA-2"), cancel_on_disconnect=True, **terms)
    for session, cl in (("ALPHA", "a"), ("ALPHA-B", "b")):
        venue.open(session, connection=f"c-{cl}")
        venue.buy(session, f"{cl}-gtc", 1, 40)
        venue.buy(session, f"{cl}-day", 1, 40, tif=DAY)
    return venue


def test_scope_session_ends_the_orders_of_the_lost_session_only() -> None:
    assert canceled(ready().lose("ALPHA", "c-a")) == ["a-gtc", "a-day"]


def test_scope_firm_ends_the_orders_of_all_sessions_of_the_firm() -> None:
    events = ready(cancel_scope="firm").lose("ALPHA", "c-a")
    assert canceled(events) == ["a-gtc", "a-day", "b-gtc", "b-day"]


def test_gtc_orders_stay_where_they_are_to_be_kept() -> None:
    assert canceled(ready(cancel_keeps_gtc=True).lose("ALPHA", "c-a")) == ["a-day"]


def test_the_logon_flag_overrules_the_default_both_ways() -> None:
    venue = ready()
    venue.lose("ALPHA-B", "c-b")
    assert canceled(venue.events) == []
    venue.open("ALPHA-B", connection="c-b2", cancel_on_disconnect=1)
    assert canceled(venue.lose("ALPHA-B", "c-b2")) == ["b-gtc", "b-day"]
    venue.lose("ALPHA", "c-a")
    venue.open("ALPHA", connection="c-a2", cancel_on_disconnect=0)
    venue.buy("ALPHA", "a-2", 1, 40)
    assert canceled(venue.lose("ALPHA", "c-a2")) == []


def test_a_gateway_that_falls_silent_loses_its_sessions_by_itself() -> None:
    venue = ready()
    silent = venue.advance(4.5)
    assert canceled(silent) == []
    assert canceled(venue.advance(1.5)) == ["a-gtc", "a-day"]


def test_a_gateway_that_starts_anew_loses_the_sessions_of_its_last_life() -> None:
    assert canceled(ready().alive(boot=2)) == ["a-gtc", "a-day"]


def test_an_outage_of_core_or_store_for_a_minute_cancels_nothing() -> None:
    venue = ready()
    venue.now += 60 * NANOS  # nobody moved the clock meanwhile: core or store was away
    assert canceled(venue.apply(c.AdvanceTime(venue.now))) == []
    assert canceled(venue.advance(4.5)) == []  # gateways get their time anew
    venue.alive()
    assert canceled(venue.advance(4.5)) == []
