"""Start-of-day checks and the drain: what they say, what they do, and what they leave behind."""

import threading
from typing import Any

import pytest
from waiting import wait_until

from kalshi_fix.adapters.logs import open_log
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.model import NANOS
from kalshi_fix.processes.admin_drain import DrainWatch
from kalshi_fix.services.admin import Answer, ShardAnswer, Status
from kalshi_fix.services.admin_checks import checks_of
from kalshi_fix.services.admin_view import AccountView, ShardView

NOW = 1_800_000_000 * NANOS
DATE, DAY_END = 20270115, NOW + 3_600 * NANOS
T = "KXTEST-A"


def market(symbol: str, status: str, **more: Any) -> e.MarketChanged:
    terms = {"close_at": 0, "expected_expiry_at": 0, **more}
    return e.MarketChanged(
        1, NOW, symbol, 1, status, "E", "S", "", ((100, 9_900, 100),), 0, terms["close_at"],
        terms["expected_expiry_at"], -1, "", "", (), settles_at=more.get("settles_at", 0),
    )  # fmt: skip


def results(*events: e.Event, accounts: tuple[AccountView, ...] = ()) -> dict[str, str]:
    """Checks that are not ok, with their detail, of a shard where these events happened."""
    view = ShardView()
    view.apply(e.ExchangeChanged(1, NOW, False, False, DATE, DAY_END))
    for event in events:
        view.apply(event)
    view.accounts |= {account.name: account for account in accounts}
    rows = checks_of(view, NOW, DATE, DAY_END)
    return {
        row["check"]: f"{row['result']} {row['detail']}" for row in rows if row["result"] != "ok"
    }


@pytest.mark.parametrize(("event", "told"), [
    (e.ExchangeChanged(2, NOW, True, False, DATE, DAY_END), {"trading": "fault paused"}),
    (e.ExchangeChanged(2, NOW, False, True, DATE, DAY_END), {"trading": "fault killed"}),
    (e.ExchangeChanged(2, NOW, False, False, DATE - 1, DAY_END),
     {"trading day": "fault it is 20270114 until 2027-01-15T09:00:00.000Z, it should be"
                     " 20270115 until 2027-01-15T09:00:00.000Z"}),
    (e.MaintenanceChanged(2, NOW, "announced", NOW, DAY_END, "disks"),
     {"maintenance": "warn announced from 2027-01-15T08:00:00.000Z until 2027-01-15T09:00:00.000Z"
                     " disks"}),
    (e.MaintenanceChanged(2, NOW, "draining", NOW, DAY_END, ""),
     {"maintenance": "fault draining from 2027-01-15T08:00:00.000Z until"
                     " 2027-01-15T09:00:00.000Z"}),
    (market("A", "active", close_at=NOW - 1),
     {"closing times": "fault open after their closing time: A"}),
    (market("A", "paused"), {"markets paused": "warn A"}),
    (market("A", "determined"), {"determinations to confirm": "warn A"}),
    (market("A", "determined", settles_at=DAY_END), {}),
    (market("A", "disputed"), {"markets disputed": "warn A"}),
    (market("A", "closed", expected_expiry_at=NOW - 1), {"outcomes overdue": "warn A"}),
    (market("A", "closed", expected_expiry_at=NOW + 1), {}),
    (e.FirmChanged(2, NOW, "ALPHA", "", True, False), {"firms locked or killed": "warn ALPHA"}),
    (e.LimitsChanged(2, NOW, "firm", "ALPHA", {"order_size": 1}, DAY_END),
     {"limits for a time": "warn firm ALPHA until 2027-01-15T09:00:00.000Z"}),
])  # fmt: skip
def test_what_is_not_as_it_should_be_is_named(event: e.Event, told: dict[str, str]) -> None:
    assert results(event) == told


def test_a_shard_as_it_should_be_has_nothing_to_say() -> None:
    assert results(market("A", "active"), market("B", "settled")) == {}


def test_positions_that_do_not_add_up_are_a_fault() -> None:
    lonely = AccountView("ALPHA-1", positions={"A": 100})
    assert results(market("A", "active"), accounts=(lonely,)) == {
        "ledger": "fault positions in A do not add up"
    }
    short = AccountView("BRAVO-1", positions={"A": -100})
    interest = e.OpenInterestChanged(2, NOW, "A", 2, 100, 100)
    assert results(market("A", "active"), interest, accounts=(lonely, short)) == {}
    broke = AccountView("BRAVO-2", cash=-1)
    assert "below zero" in results(accounts=(broke,))["ledger"]


def test_a_long_list_is_cut() -> None:
    events = [market(f"M{number:02}", "paused") for number in range(14)]
    assert results(*events)["markets paused"].endswith("M09 and 4 more")


def test_the_checks_of_a_system_name_shard_processes_and_disk(system: Any) -> None:
    rows = {row["check"]: row for row in system.ask("check").rows}
    assert {"processes", "disk", "core", "readers", "trading day", "ledger"} <= set(rows)
    assert rows["processes"]["result"] == "ok"
    assert rows["trading day"]["result"] == "fault"  # nobody has started one here
    assert rows["trading"]["shard"] == "s0"


# --- drain


def test_a_drain_tells_how_it_stands_and_stops_nothing_where_nobody_can(system: Any) -> None:
    answer = system.ask("drain", grace="0.1", request_id="D")
    assert answer.status == Status.DONE
    assert answer.detail.startswith("nobody is connected any more; stop the processes now")
    assert system.ask("status").rows[0]["maintenance"].startswith("draining from ")
    assert system.ask("maintenance.withdraw").status == Status.DONE
    assert system.ask("status").rows[0]["maintenance"] == ""


def test_a_drain_that_does_not_stop_says_only_who_is_left(system: Any) -> None:
    answer = system.ask("drain", grace="0.1", stops=False)
    assert answer.detail == "nobody is connected any more"


def test_who_stops_opens_the_doors_again_once_the_gateways_are_gone(system: Any) -> None:
    (link,) = system.service._links.values()
    stopped = threading.Event()
    watch = DrainWatch([link], stopped.set, open_log("admin", system.settings.log))
    command = c.Drain("D", "op1", "", 1, 0, 60 * NANOS, True)
    done = Answer(status=Status.DONE, request_id="D", shards=(ShardAnswer(shard="s0", status=""),))
    assert watch.begin(command, done).detail == "it was withdrawn"
    system.append(command)
    wait_until(lambda: system.ask("status").rows[0]["maintenance"] != "", "the drain in the view")
    assert watch.begin(command, done).detail == "nobody is connected any more; the system stops"
    wait_until(stopped.is_set, "the stop")
    watch.end()
    assert system.ask("status").rows[0]["maintenance"] == ""
    over = system.commands()[-1]
    assert (type(over), over.request_id, over.operator) == (c.AnnounceMaintenance, "over:D", "op1")


def test_a_drain_that_is_refused_stops_nothing(system: Any) -> None:
    answer = system.ask("drain", lasts="0")
    assert (answer.status, answer.reason) == (Status.REFUSED, "INVALID_VALUE")
