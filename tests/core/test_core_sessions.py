"""Sessions, gateways, liveness, epochs, request ids: identity and its repeats."""

import pytest
from core.core_venue import DOLLAR, START, Venue, story

from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.model import NANOS


@pytest.fixture
def venue() -> Venue:
    return Venue()


def test_an_opening_is_answered_once_with_question_and_answer_joined(venue: Venue) -> None:
    (told,) = venue.open("ALPHA", counter=7)
    assert isinstance(told, e.SessionChanged)
    assert (told.firm, told.process, told.counter, told.is_open, told.epoch) == (
        "ALPHA", "gw", 7, True, 0,
    )  # fmt: skip


def test_a_reset_starts_a_new_epoch_and_forgets_the_high_water_mark(venue: Venue) -> None:
    venue.buy("ALPHA", "a", 1, 40, seq=5)
    venue.exchange.confirm("ALPHA", 0, 4)
    (kept,) = venue.open("ALPHA")
    assert (kept.epoch, kept.high_water, kept.confirmed) == (0, 5, 4)  # type: ignore[union-attr]
    (anew,) = venue.open("ALPHA", reset=True)
    assert (anew.epoch, anew.high_water, anew.confirmed) == (1, 0, 0)  # type: ignore[union-attr]
    assert venue.buy("ALPHA", "b", 1, 40, seq=6, epoch=0) == []
    assert story(venue.buy("ALPHA", "b", 1, 40, seq=1)) == ["b new"]


def test_confirmed_never_goes_back_and_not_across_epochs(venue: Venue) -> None:
    venue.exchange.confirm("ALPHA", 0, 9)
    venue.exchange.confirm("ALPHA", 0, 4)
    venue.exchange.confirm("ALPHA", 1, 20)
    venue.exchange.confirm("NOBODY", 0, 1)
    assert venue.exchange.state.sessions["ALPHA"].confirmed == 9


def test_a_repeated_opening_is_answered_again_without_a_change(venue: Venue) -> None:
    first = venue.open("ALPHA", counter=7, connection="c", reset=True)[0]
    again = venue.open("ALPHA", counter=7, connection="c", reset=True)[0]
    assert (first.epoch, again.epoch, again.is_open) == (1, 1, True)  # type: ignore[union-attr]
    venue.open("ALPHA", counter=8, connection="d")
    assert venue.open("ALPHA", counter=7, connection="c", reset=True) == []


def test_commands_of_one_process_may_overtake_each_other(venue: Venue) -> None:
    venue.open("ALPHA", counter=9)
    assert story(venue.open("BRAVO", counter=8)) == ["BRAVO open"]
    assert story(venue.open("CHARLIE", counter=8)) == []
    assert venue.open("CHARLIE", counter=10, boot=0) == []


@pytest.mark.parametrize(("prepare", "how", "reason"), [
    ("", {"session": "NOBODY"}, "UNKNOWN_SESSION"),
    ("disable", {}, "SESSION_DISABLED"),
    ("signed", {"signed_at": START}, "LOGON_REPLAYED"),
    ("signed", {"signed_at": START - 1}, "LOGON_REPLAYED"),
    ("signed", {"signed_at": START + 1}, ""), ("signed", {}, ""),
])  # fmt: skip
def test_an_opening_may_be_refused(
    venue: Venue, prepare: str, how: dict[str, object], reason: str
) -> None:
    if prepare == "disable":
        venue.session("ALPHA", ("ALPHA",), enabled=False)
    elif prepare == "signed":
        venue.open("ALPHA", signed_at=START)
    epoch = venue.exchange.state.sessions["ALPHA"].epoch
    (told,) = venue.open(how.pop("session", "ALPHA"), reset=True, **how)
    assert isinstance(told, e.SessionChanged)
    assert (told.reason, told.is_open) == (reason, not reason)
    assert venue.exchange.state.sessions["ALPHA"].epoch == epoch + (0 if reason else 1)


def test_a_lost_connection_is_ignored_if_a_later_one_is_open(venue: Venue) -> None:
    venue.open("ALPHA", connection="old")
    venue.open("ALPHA", connection="new")
    assert venue.lose("ALPHA", "old") == []
    assert story(venue.lose("ALPHA", "new")) == ["ALPHA lost"]
    assert venue.lose("ALPHA", "new") == []


@pytest.mark.parametrize(("default", "asked", "cancelled"), [
    (False, -1, False), (True, -1, True), (True, 0, False), (False, 1, True),
])  # fmt: skip
def test_cancel_on_disconnect_as_configured_or_asked(
    venue: Venue, default: bool, asked: int, cancelled: bool
) -> None:
    venue.session("ALPHA", ("ALPHA",), cancel_on_disconnect=default)
    venue.open("ALPHA", connection="c", cancel_on_disconnect=asked)
    venue.buy("ALPHA", "a", 1, 40)
    told = ["a canceled CANCEL_ON_DISCONNECT"] if cancelled else []
    assert story(venue.lose("ALPHA", "c")) == ["ALPHA lost", *told]


def test_a_connection_that_takes_over_disconnects_the_old_one(venue: Venue) -> None:
    venue.open("ALPHA", cancel_on_disconnect=1)
    venue.buy("ALPHA", "a", 1, 40)
    assert story(venue.open("ALPHA")) == ["a canceled CANCEL_ON_DISCONNECT", "ALPHA open"]


def test_while_lost_nothing_is_added_that_could_not_be_cancelled(venue: Venue) -> None:
    venue.open("ALPHA", connection="c", cancel_on_disconnect=1)
    venue.lose("ALPHA", "c")
    assert story(venue.buy("ALPHA", "a", 1, 40)) == ["a rejected SESSION_DISABLED"]
    venue.open("ALPHA", cancel_on_disconnect=1)
    assert story(venue.buy("ALPHA", "a", 1, 40)) == ["a new"]


def test_a_gateway_silent_for_five_seconds_loses_its_sessions(venue: Venue) -> None:
    venue.open("ALPHA", process="g1", cancel_on_disconnect=1)
    venue.open("BRAVO", process="g2")
    venue.buy("ALPHA", "a", 1, 40)
    for _ in range(4):
        assert story(venue.advance(1)) == []
        venue.alive("g2")
    assert story(venue.advance(0.999)) == []
    assert story(venue.advance(0.001)) == ["ALPHA lost", "a canceled CANCEL_ON_DISCONNECT"]


def test_a_gateway_that_speaks_again_is_watched_again(venue: Venue) -> None:
    venue.open("ALPHA")
    assert story(venue.advance(6)) == ["ALPHA lost"]
    assert story(venue.open("ALPHA")) == ["ALPHA open"]
    assert story(venue.advance(4.9)) == []
    assert story(venue.advance(0.1)) == ["ALPHA lost"]


def test_a_jump_of_the_clock_is_an_outage_not_a_silence(venue: Venue) -> None:
    venue.open("ALPHA")
    venue.advance(4)
    venue.now += 2 * NANOS + 1
    assert story(venue.apply(c.AdvanceTime(venue.now))) == []
    assert story(venue.advance(4.999)) == []
    assert story(venue.advance(0.001)) == ["ALPHA lost"]


def test_a_new_life_of_a_gateway_ends_the_sessions_of_the_old_one(venue: Venue) -> None:
    venue.open("ALPHA", process="g1", boot=1)
    assert story(venue.alive("g1", boot=2)) == ["ALPHA lost"]
    assert venue.alive("g1", boot=1) == []


def test_a_listener_enters_no_orders(venue: Venue) -> None:
    venue.open("ALPHA", listener=True)
    assert story(venue.buy("ALPHA", "a", 1, 40)) == ["a rejected SESSION_DISABLED"]


def test_disabling_a_session_cancels_its_orders(venue: Venue) -> None:
    venue.buy("ALPHA", "a", 1, 40)
    told = story(venue.session("ALPHA", ("ALPHA",), enabled=False))
    assert told[1] == "a canceled OPERATOR_CANCEL"
    assert story(venue.buy("ALPHA", "b", 1, 40)) == ["b rejected SESSION_DISABLED"]


def test_a_request_id_is_carried_out_once_and_answered_every_time(venue: Venue) -> None:
    deposit = c.Deposit("same", "op1", "", START, "ALPHA", DOLLAR)
    first, again = venue.apply(deposit), venue.apply(deposit)
    assert len(first) == 2
    assert story(again) == ["answer"]
    assert venue.cash("ALPHA") == 1_001 * DOLLAR


def test_money_moves_once_however_late_the_repeat(venue: Venue) -> None:
    deposit = c.Deposit("same", "op1", "", START, "ALPHA", DOLLAR)
    pause = c.SetExchangeStatus("pause", "op1", "", START, True)
    venue.apply(deposit)
    venue.apply(pause)
    venue.now += 25 * 3_600 * NANOS
    venue.apply(c.AdvanceTime(venue.now))
    assert story(venue.apply(deposit)) == ["answer"]
    assert story(venue.apply(pause)) == ["answer REQUEST_TOO_OLD"]
    assert venue.cash("ALPHA") == 1_001 * DOLLAR


def test_effective_time_follows_commands_a_second_ahead_at_most_and_never_goes_back() -> None:
    venue = Venue()
    assert venue.buy("ALPHA", "a", 1, 40, at=START + NANOS // 2)[0].at == START + NANOS // 2
    assert venue.buy("ALPHA", "b", 1, 40, at=START - NANOS)[0].at == START + NANOS // 2
    assert venue.buy("ALPHA", "c", 1, 40, at=START + 9 * NANOS)[0].at == START + NANOS
    assert venue.admin(c.SetExchangeStatus, False)[0].at == START + NANOS
    assert venue.apply(c.AdvanceTime(START - NANOS)) == []
    assert venue.exchange.clock == START
