"""An operator's day on a running system: what `kalshi-fix admin` does is what FIX clients see."""

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from clients.fix_socket import FixSocket, Message, utc_now
from running_system import KALSHI_FIX, RunningSystem
from waiting import wait_until

pytestmark = pytest.mark.acceptance
MARKET = "KXTEST-S"
ADMIN_SECONDS = 30


class Operator:
    """Runs ``kalshi-fix admin`` as a person would, in a process of its own."""

    def __init__(self, system: RunningSystem, name: str) -> None:
        self._command = [str(KALSHI_FIX), "admin", "--as", name, "--data", str(system.data)]

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._command, "--yes", *args],
            capture_output=True,
            text=True,
            timeout=ADMIN_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def does(self, *args: str) -> None:
        result = self.run(*args)
        assert result.returncode == 0, f"{args}: {result.stderr}"

    def reads(self, *args: str) -> list[dict[str, Any]]:
        result = self.run("--json", *args)
        assert result.returncode == 0, f"{args}: {result.stderr}"
        rows: list[dict[str, Any]] = json.loads(result.stdout)
        return rows


class Trader(FixSocket):
    """A session that trades one contract at a time."""

    def order(self, side: str, market: str = MARKET, price: str = "0.50") -> str:
        name = f"{time.time_ns():x}"
        terms = [(55, market), (54, side), (38, "1"), (40, "2"), (44, price), (60, utc_now())]
        self.send([(35, "D"), (11, name), *terms])
        return name

    def report(self, exec_type: str) -> Message:
        """The next report of a type; others in between are passed over."""
        while True:
            message = self.receive()
            if message.get(150) == exec_type:
                return message


@pytest.fixture
def op1(system: RunningSystem) -> Operator:
    return Operator(system, "op1")


@pytest.fixture
def op2(system: RunningSystem) -> Operator:
    return Operator(system, "op2")


@pytest.fixture
def traders(system: RunningSystem) -> Iterator[tuple[Trader, Trader]]:
    pair = (
        Trader(system.port("RT"), "LOAD14-RT", "KalshiRT", "demo-load"),
        Trader(system.port("RT"), "BRAVO-RT", "KalshiRT", "demo-bravo"),
    )
    for trader in pair:
        wait_until(lambda who=trader: who.logon(reset=True).msg_type == "A", "a Logon")
    yield pair
    for trader in pair:
        trader.logout()


def test_a_pause_refuses_orders_until_the_market_resumes(
    op1: Operator, traders: tuple[Trader, Trader]
) -> None:
    trader, _ = traders
    op1.does("markets", "pause", MARKET, "--why", "drill")
    trader.order("1")
    assert trader.report("8").get(58) == "TRADING_PAUSED"
    op1.does("markets", "resume", MARKET)
    trader.order("1")
    resting = trader.report("0").get(37)
    op1.does("cancel", resting)
    assert trader.report("4").get(58) == "OPERATOR_CANCEL"


def test_a_kill_switch_cancels_and_refuses_and_shows_in_the_list(
    op1: Operator, traders: tuple[Trader, Trader]
) -> None:
    trader, _ = traders
    trader.order("1")
    trader.report("0")
    op1.does("kill", "session", "LOAD14-RT")
    trader.report("4")
    trader.order("1")
    assert trader.report("8").get(58) == "SESSION_DISABLED"
    (row,) = [row for row in op1.reads("sessions", "list") if row["session"] == "LOAD14-RT"]
    assert (row["up"], row["killed"]) == (True, True)
    op1.does("unkill", "session", "LOAD14-RT")
    trader.order("1")
    op1.does("cancel", trader.report("0").get(37))


def test_a_bust_takes_a_trade_back_on_both_sides(
    op1: Operator, traders: tuple[Trader, Trader]
) -> None:
    maker, taker = traders
    before = op1.reads("accounts", "show", "BRAVO-1")
    maker.order("1")
    maker.report("0")
    taker.order("2")
    trade = taker.report("F").get(527)
    assert op1.reads("accounts", "show", "BRAVO-1") != before
    op1.does("bust", trade, "--why", "erroneous")
    assert [trader.report("H").get(527) for trader in traders] == [trade, trade]
    assert op1.reads("accounts", "show", "BRAVO-1") == before
    assert op1.run("bust", trade).returncode == 1  # only once


def test_a_market_made_by_hand_trades_and_pays(
    op1: Operator, op2: Operator, traders: tuple[Trader, Trader]
) -> None:
    maker, taker = traders
    market = f"KXHAND-{time.time_ns()}"
    op1.does("series", "define", "KXHAND", "--taker-rate", "0")
    words = ("--event", "KXHAND", "--series", "KXHAND", "--title", "Made by hand")
    op1.does("markets", "define", market, *words)
    before = millionths_of(op1, "LOAD-14")
    maker.order("1", market, "0.40")
    maker.report("0")
    taker.order("2", market, "0.40")
    taker.report("F")
    op1.does("markets", "close", market)
    op1.does("markets", "determine", market, "YES", "--evidence", "https://example.org")
    alone = op1.run("markets", "confirm", market)
    assert (alone.returncode, "SAME_OPERATOR" in alone.stderr) == (1, True)
    op2.does("markets", "confirm", market)
    wait_until(
        lambda: op1.reads("markets", "list", market)[0]["status"] == "settled",
        "the settlement timer of no time",
    )
    assert millionths_of(op1, "LOAD-14") - before == 600_000  # paid 0.40, got 1.00


def millionths_of(operator: Operator, account: str) -> int:
    """An account's total cash, in millionths."""
    (row,) = operator.reads("accounts", "show", account)
    dollars, _, cents = row["total"].partition(".")
    return int(dollars) * 1_000_000 + int(cents.ljust(6, "0"))


def test_a_wrong_token_changes_nothing(op1: Operator) -> None:
    result = op1.run("--token", "wrong", "markets", "pause", MARKET)
    assert (result.returncode, result.stderr) == (1, "refused: operator or token wrong\n")
    assert op1.reads("markets", "list", MARKET)[0]["status"] == "active"
