"""A session that closes and opens by its calendar on a running system: never a surprise."""

import os
import subprocess
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from clients.fix_socket import FixSocket, Message, utc_now
from running_system import KALSHI_FIX, METRICS_PORTS, RunningSystem
from waiting import wait_until

from kalshi_fix.adapters.metrics import read_samples
from kalshi_fix.adapters.passwords import hash_password
from kalshi_fix.adapters.trading_day import ZONE

pytestmark = pytest.mark.acceptance
CLOSES_AFTER = 18  # seconds from when the configuration is written
OPENS_AFTER = 21
TOKEN = hash_password("token", n=2)
SYSTEM = """
[edge]
plain = true
[[lanes]]
name = "gw1"
[[firms]]
name = "CAL"
[[accounts]]
name = "CAL-1"
firm = "CAL"
deposit = "1000.00"
[[series]]
name = "KXCAL"
[[markets]]
symbol = "KXCAL-A"
event_ticker = "KXCAL"
series = "KXCAL"
title = "Calendar"
[[calendars]]
name = "evening"
closes = ["{closes}"]
opens = ["{opens}"]
roles = ["RT"]
[[sessions]]
sender_comp_id = "CLOSING"
expected = "page"
role = "RT"
firm = "CAL"
lane = "gw1"
open_on_loopback = true
accounts = ["CAL-1"]
[[operators]]
name = "op1"
token_scrypt = "{token}"
[[sessions]]
sender_comp_id = "OTHER"
role = "RT"
firm = "CAL"
lane = "gw1"
open_on_loopback = true
accounts = ["CAL-1"]
calendar = "none"
[[sessions]]
sender_comp_id = "ALWAYS"
role = "RT"
firm = "CAL"
lane = "gw1"
open_on_loopback = true
accounts = ["CAL-1"]
calendar = "none"
"""


def local(at: datetime) -> str:
    return at.astimezone(ZONE).strftime("%H:%M:%S")


@pytest.fixture
def evening(tmp_path: Path) -> Iterator[tuple[RunningSystem, datetime, datetime]]:
    now = datetime.now(UTC).replace(microsecond=0)
    closes, opens = now + timedelta(seconds=CLOSES_AFTER), now + timedelta(seconds=OPENS_AFTER)
    config = tmp_path / "evening.toml"
    config.write_text(SYSTEM.format(closes=local(closes), opens=local(opens), token=TOKEN))
    with RunningSystem(tmp_path / "data", config).running() as system:
        yield system, closes, opens
        assert system.stop() == 0


def is_expected(system: RunningSystem) -> float:
    """What the gateway shows of CLOSING, the only session that anybody waits for."""
    url = f"http://127.0.0.1:{METRICS_PORTS['gateway'] + system.offset}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        samples = read_samples(answer.read().decode())
    ((labels, value),) = samples["fixgw_session_expected"]
    assert labels == {"session": "CLOSING", "severity": "page"}
    return value


def order(session: FixSocket, name: str) -> Message:
    terms = [(11, name), (55, "KXCAL-A"), (54, "1"), (38, "1"), (40, "2"), (44, "0.50")]
    session.send([(35, "D"), *terms, (60, utc_now())])
    return session.receive()


def test_a_close_is_announced_then_numbers_begin_anew_when_it_opens(
    evening: tuple[RunningSystem, datetime, datetime],
) -> None:
    system, closes, opens = evening
    closing, other, always = (
        FixSocket(system.port("RT"), name, "KalshiRT") for name in ("CLOSING", "OTHER", "ALWAYS")
    )
    assert always.logon(reset=True).msg_type == "A"
    assert closing.logon(reset=True).msg_type == "A"
    assert datetime.now(UTC) < closes, "the system took too long to start"
    told = closing.receive()
    until = opens.strftime("%Y%m%d-%H:%M:%S.000")
    assert (told.msg_type, told.get(148)) == ("B", "SESSION_CLOSE")
    since = closes.strftime("%Y%m%d-%H:%M:%S.000")
    assert told.get(58) == f"closes at {since}; numbers start at 1; opens at {until}"
    assert order(closing, "before").get(150) == "0"
    assert is_expected(system) == 1
    assert other.logon(reset=True).msg_type == "A"
    who = ("--as", "op1", "--data", str(system.data), "--config", str(system.config))
    words = ("sessions", "calendar", "OTHER", "evening")
    environment = {**os.environ, "KALSHI_FIX_TOKEN": "token"}
    command = [str(KALSHI_FIX), "admin", *who, *words]
    assert subprocess.run(command, check=False, timeout=30, env=environment).returncode == 0
    assert other.receive().get(148) == "SESSION_CLOSE"
    wait_until(lambda: datetime.now(UTC) >= closes, "the close", CLOSES_AFTER + 5)
    logout = closing.receive()
    assert (logout.msg_type, logout.get(58)) == ("5", f"SESSION_CLOSED until {until}")
    assert other.receive().get(58) == logout.get(58)
    closing.close()
    other.close()
    early = FixSocket(system.port("RT"), "CLOSING", "KalshiRT")
    refused = early.logon(reset=True)
    assert (refused.msg_type, refused.get(58)) == ("5", f"SESSION_CLOSED until {until}")
    early.close()
    assert is_expected(system) == 0
    assert order(always, "meanwhile").get(150) == "0"
    wait_until(lambda: datetime.now(UTC) >= opens, "the opening", OPENS_AFTER + 5)
    anew = FixSocket(system.port("RT"), "CLOSING", "KalshiRT")
    answer = anew.logon()
    assert (answer.msg_type, answer.get(34), answer.get(141)) == ("A", "1", "")
    report = order(anew, "after")
    assert (report.get(34), report.get(150), report.get(11)) == ("2", "0", "after")
    assert always.connected
    for session in (anew, always):
        session.close()
