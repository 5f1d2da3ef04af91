"""The maintenance window: announced, begun, over; Logons meanwhile; what survives a snapshot."""

import pytest
from core.core_venue import START, Venue, story

from kalshi_fix.adapters.metrics import Metrics, read_samples
from kalshi_fix.core.exchange import Exchange
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.model import NANOS
from kalshi_fix.processes.core_metrics import ExchangeGauges

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


def test_the_core_shows_while_nobody_is_to_be_logged_on() -> None:
    metrics = Metrics("test")
    gauges = ExchangeGauges(metrics)

    def shown(venue: Venue) -> float:
        gauges.observe(venue.exchange)
        ((_, value),) = read_samples(metrics.render().decode())["core_maintenance"]
        return value

    venue = announced()
    assert shown(venue) == 0
    venue.advance(11)
    assert shown(venue) == 1
    venue.advance(10)
    assert shown(venue) == 0
    assert shown(draining()) == 1


# --- draining: a planned restart


def draining() -> Venue:
    venue = Venue()
    venue.buy("ALPHA", "rests", 1, 40)
    told = phases(venue.admin(c.Drain, 5 * NANOS, 60 * NANOS, True, "new version"))
    assert told == [("draining", "")]
    return venue


def test_a_drain_takes_nothing_new_and_still_takes_cancels() -> None:
    venue = draining()
    assert story(venue.buy("ALPHA", "a", 1, 40)) == ["a rejected MAINTENANCE"]
    assert story(venue.replace("ALPHA", "r", "rests", "buy", 1, 41)) == ["r refused MAINTENANCE"]
    assert refusal(venue.open("ALPHA")) == "MAINTENANCE"
    assert story(venue.cancel("ALPHA", "x", "rests", "buy")) == ["x canceled for rests"]


def test_a_new_market_and_a_resumed_one_take_nothing_either() -> None:
    venue = draining()
    venue.market("X")
    assert story(venue.buy("ALPHA", "a", 1, 40, symbol="X")) == ["a rejected MAINTENANCE"]
    venue.admin(c.SetMarketStatus, "M", "paused")
    assert story(venue.buy("ALPHA", "a", 1, 40)) == ["a rejected TRADING_PAUSED"]
    venue.admin(c.SetMarketStatus, "M", "active")
    assert story(venue.buy("ALPHA", "a", 1, 40)) == ["a rejected MAINTENANCE"]
    venue.admin(c.SetExchangeStatus, True)
    assert story(venue.buy("ALPHA", "a", 1, 40)) == ["a rejected EXCHANGE_PAUSED"]


@pytest.mark.parametrize("how", ["withdrawn", "over"])
def test_after_a_drain_everything_is_as_it_was(how: str) -> None:
    venue = draining()
    if how == "withdrawn":
        assert phases(venue.admin(c.AnnounceMaintenance, 0, 0)) == [("withdrawn", "")]
    else:
        assert phases(venue.advance(5)) == [("begun", "")]
        assert phases(venue.advance(60)) == [("over", "")]
    assert story(venue.buy("ALPHA", "a", 1, 40)) == ["a new"]
    assert refusal(venue.open("ALPHA")) == ""


def test_an_announcement_in_place_of_a_drain_lets_everybody_in_until_it_begins() -> None:
    venue = draining()
    venue.admin(c.AnnounceMaintenance, FROM, UNTIL, "later")
    assert story(venue.buy("ALPHA", "a", 1, 40)) == ["a new"]


def test_a_drain_survives_a_snapshot_and_takes_time() -> None:
    venue = draining()
    venue.exchange = Exchange.restore(venue.exchange.snapshot())
    assert story(venue.buy("ALPHA", "a", 1, 40)) == ["a rejected MAINTENANCE"]
    assert venue.refused(c.Drain, -1, NANOS, True) == "INVALID_VALUE"
    assert venue.refused(c.Drain, 0, 0, True) == "INVALID_VALUE"


def test_a_snapshot_from_before_there_were_drains_is_read() -> None:
    venue = Venue()
    snapshot = venue.exchange.snapshot()
    snapshot[1] = snapshot[1][:-1]
    assert Exchange.restore(snapshot).state_hash() == venue.exchange.state_hash()
