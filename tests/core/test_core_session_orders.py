"""Operators' orders about a session's connection and numbers: what the exchange decides."""

from core_venue import Venue

from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e


def managed(events: list[e.Event]) -> list[e.SessionManaged]:
    return [each for each in events if isinstance(each, e.SessionManaged)]


def test_a_logout_is_handed_to_the_gateway_with_its_text() -> None:
    venue = Venue()
    venue.open("ALPHA", connection="c1")
    (order,) = managed(venue.admin(c.ManageSession, "ALPHA", "logout", text="BYE"))
    assert (order.session, order.action, order.text) == ("ALPHA", "logout", "BYE")


def test_a_reset_begins_an_epoch_in_which_numbers_may_come_again() -> None:
    venue = Venue()
    venue.buy("ALPHA", "a1", 1, 40, seq=7)
    (order,) = managed(venue.admin(c.ManageSession, "ALPHA", "reset"))
    assert order.epoch == 1
    session = venue.exchange.state.sessions["ALPHA"]
    assert (session.epoch, session.high_water, session.confirmed) == (1, 0, 0)
    assert any(isinstance(each, e.Execution) for each in venue.buy("ALPHA", "a2", 1, 40, seq=1))


def test_numbers_of_a_connected_session_stay() -> None:
    venue = Venue()
    venue.open("ALPHA")
    for action in ("reset", "set-numbers"):
        assert venue.refused(c.ManageSession, "ALPHA", action) == "WRONG_STATE"


def test_a_number_that_was_taken_before_cannot_be_expected_again() -> None:
    venue = Venue()
    venue.buy("ALPHA", "a1", 1, 40, seq=7)
    assert venue.refused(c.ManageSession, "ALPHA", "set-numbers", 7) == "INVALID_VALUE"
    assert venue.refused(c.ManageSession, "ALPHA", "set-numbers", 8, 20) == ""


def test_what_does_not_exist_is_refused() -> None:
    venue = Venue()
    assert venue.refused(c.ManageSession, "NOBODY", "logout") == "UNKNOWN_NAME"
    assert venue.refused(c.ManageSession, "ALPHA", "explode") == "INVALID_VALUE"
