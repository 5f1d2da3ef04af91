"""Sessions made, changed and ended while the exchange runs; nobody else notices."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from clients.fix_socket import ConnectionClosedError, FixSocket, Message, utc_now
from running_system import KALSHI_FIX, RunningSystem
from waiting import wait_until

from kalshi_fix.adapters.passwords import hash_password

pytestmark = pytest.mark.acceptance
MARKET = "KXTEST-X"


class Client(FixSocket):
    """A session that rests orders and waits for what comes of them."""

    def rest(self, name: str, *more: tuple[int, str], market: str = MARKET) -> Message:
        terms = [(55, market), (54, "1"), (38, "1"), (40, "2"), (44, "0.01"), (60, utc_now())]
        self.send([(35, "D"), (11, name), *terms, *more])
        return self.receive()

    def until(self, msg_type: str) -> Message:
        while True:
            message = self.receive()
            if message.msg_type == msg_type:
                return message


@pytest.fixture
def bystander(own: RunningSystem) -> Iterator[Client]:
    """Connected before and after: whatever is done to others, it stays."""
    client = Client(own.port("RT"), "BRAVO-RT", "KalshiRT")
    assert client.logon(reset=True).msg_type == "A"
    yield client
    assert client.connected
    client.logout()


def admin(system: RunningSystem, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [str(KALSHI_FIX), "admin", "--as", "op1", "--data", str(system.data), "--yes", *words],
        capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def can_log_on(client: Client, **how: Any) -> bool:
    try:
        return client.logon(**how).msg_type == "A"
    except (ConnectionClosedError, OSError):
        return False


def test_a_session_is_added_used_and_changed(own: RunningSystem, bystander: Client) -> None:
    first, second = hash_password("one", n=16_384), hash_password("two", n=16_384)
    terms = ("--account", "ALPHA-1", "--cancel-on-disconnect")
    admin(own, "sessions", "add", "NEW-RT", "ALPHA", "RT", *terms, "--password-scrypt", first)
    client = Client(own.port("RT"), "NEW-RT", "KalshiRT", "one")
    wait_until(lambda: can_log_on(client, reset=True), "a Logon of the new session")
    assert client.rest("n1").get(150) == "0"

    renewed = ("sessions", "credentials", "NEW-RT", "--password-scrypt", second)
    admin(own, *renewed, "--keep-old", "3600")
    rows = json.loads(admin(own, "--json", "sessions", "access"))
    assert [row["old_ones_until"] > "2" for row in rows if row["session"] == "NEW-RT"] == [True]
    client.logout()
    for password in ("two", "one"):  # both are good
        client.password = password
        wait_until(lambda: can_log_on(client, reset=True), f"a Logon with {password}")
        if password == "two":
            client.logout()
    admin(own, "sessions", "credentials", "NEW-RT", "--password-scrypt", second)
    assert client.rest("n2").get(150) == "0"  # who is connected stays
    admin(own, "sessions", "logout", "NEW-RT", "--text", "MOVING")
    assert "MOVING" in client.until("5").get(58)
    wait_until(lambda: not client.connected, "the end of the connection")
    assert not can_log_on(client, reset=True)
    client.password = "two"
    wait_until(lambda: can_log_on(client, reset=True), "a Logon with the new password")
    client.logout()
    again = ("sessions", "add", "NEW-RT", "ALPHA", "RT", "--password-scrypt", first)
    assert "SESSION_EXISTS" in admin(own, *again, code=1)
    assert bystander.rest("b1").get(150) == "0"


def test_a_live_session_obeys_another_throttle(own: RunningSystem, bystander: Client) -> None:
    client = Client(own.port("RT"), "LOAD05-RT", "KalshiRT")
    assert can_log_on(client, reset=True)
    assert client.rest("t1").get(150) == "0"
    admin(own, "sessions", "throttle", "LOAD05-RT", "--tokens", "1", "--burst", "20")
    names = iter(range(1_000))

    def order() -> str:
        return client.rest(f"t-{next(names)}").get(58).partition(" ")[0]

    wait_until(lambda: order() == "THROTTLED", "the new throttle")
    admin(own, "sessions", "throttle", "LOAD05-RT", "--tokens", "0")
    wait_until(lambda: order() == "", "no throttle")
    assert [order() for _ in range(50)] == [""] * 50
    assert bystander.rest("b2").get(150) == "0"
    client.logout()


def test_what_was_changed_outlives_a_restart_until_it_is_removed(own: RunningSystem) -> None:
    client = Client(own.port("RT"), "NEW-RT", "KalshiRT", "two")
    assert own.stop() == 0
    own.start()
    wait_until(lambda: can_log_on(client, reset=True), "a Logon after the restart")
    admin(own, "sessions", "remove", "NEW-RT")
    assert client.until("5").get(58)
    wait_until(lambda: not client.connected, "the end of the connection")
    assert not can_log_on(client, reset=True)
    client.close()


@pytest.mark.usefixtures("bystander")
def test_a_disabled_session_is_out_at_once_and_back_when_enabled(own: RunningSystem) -> None:
    client = Client(own.port("RT"), "LOAD03-RT", "KalshiRT")
    assert can_log_on(client, reset=True)
    assert client.rest("d1").get(150) == "0"
    admin(own, "sessions", "disable", "LOAD03-RT")
    assert client.until("5").get(58) == "SESSION_DISABLED"
    wait_until(lambda: not client.connected, "the end of the connection")
    admin(own, "sessions", "enable", "LOAD03-RT")
    wait_until(lambda: can_log_on(client, reset=True), "a Logon")
    client.logout()


@pytest.mark.usefixtures("bystander")
def test_numbers_are_reset_and_set_while_nobody_is_connected(own: RunningSystem) -> None:
    client = Client(own.port("RT"), "LOAD04-RT", "KalshiRT")
    assert can_log_on(client, reset=True)
    assert client.rest("r1").get(150) == "0"
    assert "WRONG_STATE" in admin(own, "sessions", "reset", "LOAD04-RT", code=1)
    client.logout()
    wait_until(lambda: "WRONG" not in admin_or_refusal(own, "sessions", "reset", "LOAD04-RT"), "it")
    client.next_in = client.next_out = 1
    wait_until(lambda: can_log_on(client), "a Logon with number 1")
    assert client.rest("r2").get(150) == "0"  # number 2 again, and no repeat
    client.logout()
    wait_until(lambda: not client.connected, "the end of the connection")
    wait_until(
        lambda: "done" in admin_or_refusal(
            own, "sessions", "set-numbers", "LOAD04-RT", "--incoming", "50", "--outgoing", "70"
        ),
        "the numbers set",
    )  # fmt: skip
    client.next_out, client.next_in = 50, 70
    wait_until(lambda: can_log_on(client), "a Logon with number 50")
    assert client.rest("r3").get(34) == "71"
    client.logout()


def admin_or_refusal(system: RunningSystem, *words: str) -> str:
    done = subprocess.run(
        [str(KALSHI_FIX), "admin", "--as", "op1", "--data", str(system.data), "--yes", *words],
        capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.mark.usefixtures("bystander")
def test_permissions_count_from_the_next_order(own: RunningSystem) -> None:
    client = Client(own.port("RT"), "LOAD05-RT", "KalshiRT")
    assert can_log_on(client, reset=True)
    assert client.rest("p1").get(150) == "0"
    admin(own, "segments", "define", "narrow", "--market", "KXFED*", "--limit", "order_size=5")
    admin(own, "sessions", "change", "LOAD05-RT", "--segment", "narrow")
    assert client.rest("p2").get(58) == "NOT_ENTITLED"
    assert client.rest("p3", market="KXFED-26DEC-T3.75").get(150) == "0"
    admin(own, "segments", "define", "narrow", "--market", "all", "--read-only")
    assert client.rest("p4").get(58) in {"LISTENER_SESSION", "SESSION_DISABLED"}
    client.logout()


@pytest.mark.usefixtures("bystander")
def test_a_market_data_subscription_ends_with_its_permission(own: RunningSystem) -> None:
    client = Client(own.port("MD"), "BRAVO-MD", "KalshiMD")
    assert can_log_on(client, reset=True)
    kind = [(262, "R1"), (263, "1"), (264, "0"), (265, "1"), (267, "1"), (269, "0")]
    client.send([(35, "V"), *kind, (146, "1"), (55, MARKET)])
    assert client.until("W").get(55) == MARKET
    admin(own, "sessions", "change", "BRAVO-MD", "--market", "KXFED*")
    ended = client.until("Y")
    assert (ended.get(262), ended.get(281), ended.get(58)) == ("R1", "3", "NOT_ENTITLED")
    admin(own, "sessions", "change", "BRAVO-MD", "--market", "all")
    client.send([(35, "V"), *kind, (146, "1"), (55, MARKET)])
    assert client.until("W").get(55) == MARKET
    client.logout()


@pytest.mark.usefixtures("bystander")
def test_a_firm_locks_itself_and_an_operator_unlocks_it(own: RunningSystem) -> None:
    client = Client(own.port("RT"), "LOAD06-RT", "KalshiRT")
    other = Client(own.port("RT"), "LOAD07-RT", "KalshiRT")
    for each in (client, other):
        assert can_log_on(each, reset=True)
    assert other.rest("k0").get(150) == "0"
    client.send([(35, "q"), (11, "k1"), (530, "7"), (20901, "F"), (20903, "LOCK"), (60, utc_now())])
    assert client.until("r").get(531) == "7"
    assert other.receive().get(58) == "MASS_CANCEL"
    refused = other.rest("k2")
    assert (refused.get(150), refused.get(58)) == ("8", "SESSION_DISABLED")
    admin(own, "firms", "unlock", "LOAD")
    assert other.rest("k3").get(150) == "0"
    for each in (client, other):
        each.logout()


def test_a_session_asks_for_its_throttle_over_the_wire(bystander: Client) -> None:
    bystander.send([(35, "UTQ"), (20910, "t1")])
    told = bystander.until("UTR")
    assert (told.get(20910), told.get(20911), told.get(20918)) == ("t1", "10000", "0")


def test_secrets_stay_hashed_in_the_roster(own: RunningSystem) -> None:
    roster = Path(own.data) / "roster.json"
    assert roster.stat().st_mode & 0o077 == 0
    assert '"one"' not in roster.read_text()


def test_maintenance_is_announced_then_everybody_is_out_until_it_is_over(
    own: RunningSystem,
) -> None:
    early, late = (Client(own.port("RT"), f"LOAD0{n}-RT", "KalshiRT") for n in (8, 9))
    assert can_log_on(early, reset=True)
    now = datetime.now(UTC)
    window = [(now + timedelta(seconds=seconds)).isoformat() for seconds in (6, 12)]
    admin(own, "maintenance", "announce", *window, "--text", "new disks")
    told = early.until("B")
    assert told.get(148) == "MAINTENANCE"
    assert "new disks" in told.get(58)
    assert can_log_on(late, reset=True)
    assert "new disks" in late.until("B").get(58)
    for client in (early, late):
        assert client.until("5").get(58).startswith("MAINTENANCE until ")
        wait_until(lambda who=client: not who.connected, "the end of the connection")
    assert early.logon(reset=True).get(58) == "MAINTENANCE"
    wait_until(lambda: can_log_on(early, reset=True), "a Logon afterwards")
    early.logout()
