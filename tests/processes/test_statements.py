"""Statements from two shards' streams, against what drop copy clients were told."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from core.core_venue import DATE, Venue

from kalshi_fix import cli_reconcile
from kalshi_fix.adapters import statement_files as files
from kalshi_fix.adapters.archive import StreamArchive
from kalshi_fix.adapters.bus import BusDownError, Entry, Offset
from kalshi_fix.adapters.memory_bus import MemoryBus, MemoryStore
from kalshi_fix.fix import wire
from kalshi_fix.fix.outbound import Reports
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.messages.batch import EventEntry
from kalshi_fix.processes.event_history import HistoryError, ShardHistory
from kalshi_fix.processes.statements import Publisher
from kalshi_fix.services.drop_copy import DropCopy
from kalshi_fix.services.policy import Policy
from kalshi_fix.services.reconciliation import Result, reconcile
from kalshi_fix.services.service import SessionView
from kalshi_fix.services.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable

    from kalshi_fix.fix.message import FixMessage

HOUR = 3_600_000_000_000
SEGMENT_BYTES = 4_096


class Rig:
    """Two shards of an exchange, their streams and archives, and ALPHA's drop copy."""

    def __init__(self, root: Path) -> None:
        self.out = root / "statements"
        self.store = MemoryStore()
        self.venues = [Venue(), Venue()]
        self.archives = [
            StreamArchive(root / shard, "evt", SEGMENT_BYTES) for shard in ("s0", "s1")
        ]
        self._written = [0, 0]
        self.told: list[FixMessage] = []
        session = SessionView("DC", "DC", "KalshiDC", "DC", "ALPHA", ())
        reports = [Reports(0), Reports(1)]
        self._copies = DropCopy({"DC": session}, Policy(Throttle({})), reports)
        for shard in ("s0", "s1"):
            (root / shard).mkdir()

    def trade(self, day: str) -> None:
        """A day of trading in both shards."""
        for venue in self.venues:
            venue.buy("ALPHA", f"A{day}1", 10, 45)
            venue.sell("BRAVO", f"B{day}1", 4, 45)
            venue.sell("BRAVO", f"B{day}2", 2, 44)
            venue.sell("ALPHA", f"A{day}2", 5, 60)
            venue.cancel("ALPHA", f"A{day}3", f"A{day}2", "sell")
            venue.admin(c.BustTrade, max(venue.exchange.state.trades))

    def midnight(self, shard: int, date: int) -> None:
        venue = self.venues[shard]
        venue.admin(c.StartTradingDay, date, venue.now + HOUR)

    def write(self) -> None:
        """What has happened goes to the streams, and is told to drop copy."""
        for shard, venue in enumerate(self.venues):
            bus = self.store.connect(f"s{shard}")
            fresh = venue.events[self._written[shard] :]
            self._written[shard] = len(venue.events)
            state = bus.acquire(f"core{shard}{len(venue.events)}", 1)
            assert state is not None
            payload = EventEntry.from_events(b"", fresh).pack()
            entry = Entry(f"{fresh[-1].number}-0", payload)
            after = Offset(f"{fresh[-1].number}-0")
            bus.commit(state.token, state.offset, after, [entry], 1)
            bus.release(state.token)
            for event in fresh:
                self.told += [message for _, message in self._copies.on_event(event, shard)]

    def trim(self) -> None:
        """Everything so far moves to the archives."""
        for shard, archive in enumerate(self.archives):
            bus = self.store.connect(f"s{shard}")
            archive.open()
            archive.append(bus.read_events(0, 1_000, 0))
            archive.close()
            newest = bus.last_event()
            assert newest is not None
            bus.trim("0-0", int(newest.id.partition("-")[0]) + 1)

    def publish(self, *, again: bool = False, out: Path | None = None) -> list[str]:
        histories = [
            ShardHistory(self.store.connect(f"s{shard}"), archive)
            for shard, archive in enumerate(self.archives)
        ]
        publisher = Publisher(out or self.out, histories, again=again)
        publisher.run()
        return [str(path.relative_to(out or self.out)) for path in publisher.published]


def table(rig: Rig, date: int, occasion: str, name: str) -> list[dict[str, str]]:
    where = files.directory_of(rig.out, "ALPHA", date, occasion)
    with (where / f"{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    record = json.loads((where / f"{occasion}.json").read_text())
    assert record[name] == rows, "CSV and JSON say the same"
    return rows


def shard_of(report: FixMessage) -> str:
    return report.get(17).split(";")[2] if report.get(17).count(";") == 2 else "0"


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    made = Rig(tmp_path)
    made.trade("1")
    made.write()
    for shard in (0, 1):
        made.midnight(shard, DATE + 1)
    made.write()
    return made


def test_the_statement_is_what_drop_copy_was_told(rig: Rig) -> None:
    told = list(rig.told)
    rig.publish()
    fills = {m.get(17): m for m in told if m.get(150) in {"F", "H"}}
    rows = table(rig, DATE, files.END, "trades")
    assert {row["ExecID"] for row in rows} == fills.keys()
    tags = {
        "ExecType": 150, "ExecRefID": 19, "TransactTime": 60, "Account": 1, "OrderID": 37,
        "ClOrdID": 11, "Symbol": 55, "Side": 54, "LastQty": 32, "LastPx": 31,
        "SecondaryExecID": 527, "MiscFeeAmt": 137,
    }  # fmt: skip
    for row in rows:
        report = fills[row["ExecID"]]
        assert {name: row[name] for name in tags} == {n: report.get(t) for n, t in tags.items()}
    counted = {
        (row["Shard"], row["ExecType"]): row["Reports"]
        for row in table(rig, DATE, files.END, "drop_copy")
    }
    for shard in ("0", "1"):
        kinds = [m.get(150) for m in told if shard_of(m) == shard]
        assert counted[shard, "all"] == str(len(kinds))
        assert all(counted[shard, kind] == str(kinds.count(kind)) for kind in kinds)


def test_open_orders_are_those_that_drop_copy_left_open(rig: Rig) -> None:
    told = list(rig.told)
    rig.publish()
    last = {(shard_of(m), m.get(37)): m for m in told if m.get(37) != "NONE"}
    open_now = {order: m for order, m in last.items() if m.get(39) in {"0", "1"}}
    for rows in (
        table(rig, DATE, files.END, "open_orders"),
        table(rig, DATE + 1, files.START, "open_orders"),
    ):
        assert {(row["Shard"], row["OrderID"]) for row in rows} == open_now.keys()
        for row in rows:
            report = open_now[row["Shard"], row["OrderID"]]
            assert (row["OrdStatus"], row["CumQty"], row["LeavesQty"], row["AvgPx"]) == tuple(
                report.get(tag) for tag in (39, 14, 151, 6)
            )


def test_balances_are_the_ledgers_and_the_day_adds_up(rig: Rig) -> None:
    rig.publish()
    for row in table(rig, DATE, files.END, "summary"):
        cents = [round(float(row[n]) * 10_000) for n in row if n not in {"Shard", "Account"}]
        assert sum(cents[:-1]) == cents[-1]
        account = rig.venues[int(row["Shard"])].exchange.state.accounts[row["Account"]]
        assert cents[-1] * 100 == account.cash + account.held
    positions = {row["Shard"]: row for row in table(rig, DATE, files.END, "positions")}
    assert positions["0"]["LongQty"] == f"{rig.venues[0].position('ALPHA') / 100:.2f}"


def test_publishing_again_changes_nothing_and_books_kept_come_to_the_same(
    rig: Rig, tmp_path: Path
) -> None:
    first = rig.publish()
    assert f"ALPHA/{DATE}/end-of-day" in first
    assert f"ALPHA/{DATE + 1}/start-of-day" in first
    assert rig.publish() == []
    rig.trim()
    rig.trade("2")
    for shard in (0, 1):
        rig.midnight(shard, DATE + 2)
    rig.write()
    assert f"ALPHA/{DATE + 1}/end-of-day" in rig.publish()
    other = tmp_path / "other"
    assert len(rig.publish(again=True, out=other)) > len(first)
    for path in sorted(rig.out.glob("*/*/*/*")):
        assert (other / path.relative_to(rig.out)).read_bytes() == path.read_bytes()


def test_a_day_is_published_when_it_is_over_in_every_shard(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.trade("1")
    rig.write()
    rig.midnight(0, DATE + 1)
    rig.venues[1].advance(1)
    rig.venues[1].buy("ALPHA", "late", 1, 40)
    rig.write()
    assert not any("end-of-day" in path for path in rig.publish())
    rig.midnight(1, DATE + 1)
    rig.venues[0].buy("ALPHA", "next day", 1, 40)
    rig.write()
    assert f"ALPHA/{DATE}/end-of-day" in rig.publish()
    late = [row["ClOrdID"] for row in table(rig, DATE, files.END, "open_orders")]
    assert "late" in late
    assert "next day" not in late


def test_history_comes_from_the_archive_where_the_stream_is_trimmed_or_away(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.trim()

    def away(*_: object) -> Any:
        raise BusDownError("away")

    monkeypatch.setattr(MemoryBus, "last_event", away)
    monkeypatch.setattr(MemoryBus, "read_events", away)
    assert f"ALPHA/{DATE}/end-of-day" in rig.publish()


def test_a_hole_in_history_is_an_error(rig: Rig) -> None:
    newest = rig.store.connect("s0").last_event()
    assert newest is not None
    rig.store.connect("s0").trim("0-0", int(newest.id.partition("-")[0]))
    with pytest.raises(HistoryError):
        rig.publish()


def test_nothing_half_written_is_ever_seen(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rename: Callable[..., Path] = Path.rename

    def interrupted(path: Path, target: Path) -> Path:
        if "BRAVO" in str(target):
            raise OSError("no space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(OSError, match="no space"):
        rig.publish()
    assert not files.directory_of(rig.out, "BRAVO", DATE, files.END).exists()
    monkeypatch.undo()
    assert f"BRAVO/{DATE}/end-of-day" in rig.publish()


def test_a_page_of_text_for_people(rig: Rig) -> None:
    rig.publish()
    where = files.directory_of(rig.out, "ALPHA", DATE, files.END)
    page = (where / "end-of-day.txt").read_text()
    assert page.startswith(f"ALPHA {DATE} end-of-day\n===")
    assert "summary" in page
    events = rig.venues[0].events
    fill = next(
        x for x in events if isinstance(x, e.Execution) and x.firm == "ALPHA" and x.last_qty
    )
    assert Reports(0).exec_id(fill.at, fill.number) in page


@pytest.mark.parametrize("firm", ["..", "../elsewhere", "/etc", ".books", "A/B"])
def test_no_name_of_a_firm_leads_elsewhere(tmp_path: Path, firm: str) -> None:
    where = files.directory_of(tmp_path, firm, DATE, files.END).resolve()
    assert where.parent.parent.parent == tmp_path.resolve()
    assert where.parent.parent.name[0] != "."


# --- reconcile


def reconciled(rig: Rig, told: list[FixMessage]) -> Result:
    where = files.directory_of(rig.out, "ALPHA", DATE, files.END)
    return reconcile(json.loads((where / "end-of-day.json").read_text()), told)


def test_a_record_of_what_was_told_agrees_with_the_statement(rig: Rig) -> None:
    told = list(rig.told)
    rig.trade("2")
    rig.write()
    rig.publish()
    for record in (told, rig.told, [*told, *told]):  # and the next day's, and copies again
        result = reconciled(rig, record)
        assert result.differences == []
        assert (result.reports, result.trades) == (len(told), 6)
        assert result.orders > 0


def test_whatever_is_missing_added_or_changed_is_named(rig: Rig) -> None:
    told = list(rig.told)
    rig.publish()
    for place, report in enumerate(told):
        assert reconciled(rig, [*told[:place], *told[place + 1 :]]).differences, report
    fill = next(n for n, report in enumerate(told) if report.get(150) == "F")
    fields = [(tag, "99" if tag == 32 else value) for tag, value in told[fill].fields]
    told[fill] = type(told[fill])("8", fields)
    (difference,) = reconciled(rig, told).differences
    assert difference.endswith("LastQty 4.00, on record 99")


def test_the_command_reads_a_log_and_says_how_it_went(
    rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig.publish()
    log = tmp_path / "client.log"
    lines = [wire.frame(m, "KalshiDC", "DC", 1, "20270115-10:00:00.000") for m in rig.told]
    log.write_bytes(b"\n".join(b"20270115-10:00:00.000 : " + line for line in lines))
    where = files.directory_of(rig.out, "ALPHA", DATE, files.END)
    with pytest.raises(typer.Exit) as ended:
        cli_reconcile.reconcile(where, [log])
    assert ended.value.exit_code == 0, capsys.readouterr().out
    assert "no differences" in capsys.readouterr().out
    log.write_bytes(b"\n".join(lines[2:]))
    with pytest.raises(typer.Exit) as ended:
        cli_reconcile.reconcile(where, [log])
    assert ended.value.exit_code == 1
