"""The maintenance window: announced, begun, over; Logons meanwhile; what survives a snapshot."""

from core_venue import START, Venue

from kalshi_fix.core.exchange import Exchange
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.model import NANOS

FROM, UNTIL = START + 10 * NANOS, START + 20 * NANOS


def phases(events: list[e.Event]) -> list[tuple[str, str]]:
    return [(each.phase, each.session) for each in events if isinstance(each, e.MaintenanceChanged)]


def refusal(events: list[e.Event]) -> str:
    return next(each.reason for each in events if isinstance(each, e.SessionChanged))


def announced() -> Venue:
    venue = Venue()
    assert phases(venue.admin(c.AnnounceMaintenance, FROM, UNTIL, "disks")) == [("announced", "")]
    return venue


def test_it_begins_and_ends_by_itself_and_only_once() -> None:
    venue = announced()
    venue.alive()
    assert phases(venue.advance(9)) == []
    assert phases(venue.advance(2)) == [("begun", "")]
    assert phases(venue.advance(8)) == []
    assert phases(venue.advance(5)) == [("over", "")]


def test_nobody_logs_on_while_it_lasts_and_everybody_after() -> None:
    venue = announced()
    venue.advance(11)
    assert refusal(venue.open("ALPHA")) == "MAINTENANCE"
    venue.advance(10)
    assert refusal(venue.open("ALPHA")) == ""


def test_who_comes_after_the_announcement_is_told_too() -> None:
    assert phases(announced().open("ALPHA")) == [("announced", "ALPHA")]
    assert phases(Venue().open("ALPHA")) == []


def test_it_can_be_taken_back_before_and_while_it_lasts() -> None:
    venue = announced()
    assert phases(venue.admin(c.AnnounceMaintenance, 0, 0)) == [("withdrawn", "")]
    assert phases(venue.advance(12)) == []
    assert venue.refused(c.AnnounceMaintenance, 0, 0) == "WRONG_STATE"


def test_a_window_in_the_past_or_upside_down_is_refused() -> None:
    venue = Venue()
    assert venue.refused(c.AnnounceMaintenance, START, UNTIL) == "INVALID_VALUE"
    assert venue.refused(c.AnnounceMaintenance, UNTIL, FROM) == "INVALID_VALUE"


def test_it_survives_a_snapshot() -> None:
    venue = announced()
    restored = Exchange.restore(venue.exchange.snapshot())
    assert restored.snapshot() == venue.exchange.snapshot()
    assert phases(restored.apply(c.AdvanceTime(FROM))) == [("begun", "")]
