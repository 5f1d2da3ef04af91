"""What operators changed about sessions: on top of the configuration, kept, private, checked."""

import stat
from pathlib import Path

import pytest

from kalshi_fix.adapters.config import ConfigError, demo_settings
from kalshi_fix.adapters.passwords import hash_password
from kalshi_fix.adapters.roster import Roster, lane_slots
from kalshi_fix.adapters.settings import SessionSettings, Settings
from kalshi_fix.processes import seeds

HASH = hash_password("secret", n=2)
ROW = {"sender_comp_id": "NEW-RT", "role": "RT", "firm": "ALPHA", "accounts": ["ALPHA-1"]}


@pytest.fixture
def configured() -> Settings:
    return demo_settings()


@pytest.fixture
def roster(tmp_path: Path, configured: Settings) -> Roster:
    fresh = Roster.load(tmp_path / "roster.json")
    return fresh.adding("NEW-RT", {**ROW, "password_scrypt": HASH}, configured)


def named(settings: Settings, name: str) -> SessionSettings | None:
    return next((each for each in settings.sessions if each.name == name), None)


def test_an_added_session_has_a_lane_and_a_port_of_its_own(
    roster: Roster, configured: Settings
) -> None:
    settings = roster.apply(configured)
    session = named(settings, "NEW-RT")
    assert session is not None
    assert (session.lane, session.target_comp_id, session.at_run_time) == (
        "new-rt",
        "KalshiRT",
        True,
    )
    assert lane_slots(settings) == {"gw1": 0, "md1": 1, "gw2": 2, "new-rt": 3}


def test_a_lane_keeps_its_port_when_an_earlier_one_goes(
    roster: Roster, configured: Settings
) -> None:
    second = {**ROW, "sender_comp_id": "NEW2", "password_scrypt": HASH}
    both = roster.adding("NEW2", second, configured)
    left = both.removing("NEW-RT")
    assert lane_slots(left.apply(configured)) == {"gw1": 0, "md1": 1, "gw2": 2, "new2": 4}
    again = left.adding("NEW3", {**second, "sender_comp_id": "NEW3"}, configured)
    assert lane_slots(again.apply(configured))["new3"] == 3


def test_what_was_changed_is_there_after_a_restart_and_private(
    roster: Roster, configured: Settings
) -> None:
    changed = roster.changing("ALPHA-RT", {"password_scrypt": HASH}).removing("BRAVO-RT")
    changed.save()
    assert stat.S_IMODE(changed.path.stat().st_mode) == 0o600
    settings = Roster.load(changed.path).apply(configured)
    alpha = named(settings, "ALPHA-RT")
    assert alpha is not None
    assert (alpha.password_scrypt, alpha.lane, alpha.at_run_time) == (HASH, "gw1", False)
    assert named(settings, "NEW-RT") is not None
    assert named(settings, "BRAVO-RT") is None


def test_an_added_session_removed_again_leaves_nothing(roster: Roster) -> None:
    assert roster.removing("NEW-RT").entries == {}


def test_a_lane_whose_last_session_was_removed_is_not_started(
    roster: Roster, configured: Settings
) -> None:
    left = roster.removing("ALPHA-MD").removing("BRAVO-MD").apply(configured)
    assert lane_slots(left) == {"gw1": 0, "gw2": 2, "new-rt": 3}


def test_a_configured_session_removed_can_be_added_again(
    roster: Roster, configured: Settings
) -> None:
    row = {**ROW, "sender_comp_id": "BRAVO-RT", "firm": "BRAVO", "accounts": ["BRAVO-1"]}
    again = roster.removing("BRAVO-RT").adding(
        "BRAVO-RT", {**row, "password_scrypt": HASH}, configured
    )
    session = named(again.apply(configured), "BRAVO-RT")
    assert session is not None
    assert (session.lane, session.password_scrypt) == ("bravo-rt", HASH)


def test_the_exchange_is_not_told_at_a_start_what_operators_told_it(
    roster: Roster, configured: Settings
) -> None:
    before = seeds.pending(configured, "s0", {}, 0)
    after = seeds.pending(roster.apply(configured), "s0", {}, 0)
    assert list(after.after) == list(before.after)


@pytest.mark.parametrize(
    ("change", "fault"),
    [({"role": "XX"}, "role"),
     ({"accounts": ["BRAVO-1"]}, "accounts"),
     ({"sender_comp_id": "ALPHA-RT"}, "stands there twice"), ({"colour": "red"}, "colour")],
)  # fmt: skip
def test_what_is_not_allowed_is_refused_before_it_is_written(
    tmp_path: Path, configured: Settings, change: dict[str, object], fault: str
) -> None:
    roster = Roster.load(tmp_path / "roster.json")
    with pytest.raises(ConfigError, match=fault):
        roster.adding("X", {**ROW, "password_scrypt": HASH, **change}, configured).apply(configured)


def test_a_session_may_be_of_a_firm_that_only_the_exchange_knows(
    tmp_path: Path, configured: Settings
) -> None:
    roster = Roster.load(tmp_path / "roster.json")
    row = {**ROW, "firm": "LIVE", "accounts": ["LIVE-1"], "password_scrypt": HASH}
    session = named(roster.adding("X", row, configured).apply(configured), "X")
    assert session is not None
    assert (session.firm, session.accounts) == ("LIVE", ("LIVE-1",))


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "roster.json"
    path.write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        Roster.load(path)
