"""Drop copy over a running system: loss-free whatever dies, replayed from sealed segments.

And the statement of the day says what it said.
"""

import csv
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients.fix_socket import ConnectionClosedError, FixSocket, Message
from clients.order_flow import Flow
from running_system import DEMO_CONFIG, KALSHI_FIX, RunningSystem
from waiting import wait_until

from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.trading_day import trading_day
from kalshi_fix.messages import commands as c
from kalshi_fix.messages.batch import CommandBatch
from kalshi_fix.model import NANOS
from kalshi_fix.processes.core_archive import Archive

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]
MARKET = "KXTEST-W"
ORDERS = 60
PATIENCE_SECONDS = 60.0
SMALL = "archive_seconds = 0.5\narchive_segment_bytes = 65536\nsnapshot_seconds = 1\n"


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A system that trims its store all the time and seals small segments."""
    directory = tmp_path_factory.mktemp("busy")
    config = directory / "busy.toml"
    config.write_text(DEMO_CONFIG.read_text().replace("[core]\n", f"[core]\n{SMALL}"))
    with RunningSystem(directory / "data", config).running() as running:
        yield running


class Copy:
    """ALPHA's drop copy session and every report it was ever told."""

    def __init__(self, system: RunningSystem) -> None:
        self._session = FixSocket(system.port("DC"), "ALPHA-DC", "KalshiDC")
        self.told: list[Message] = []

    def log_on(self, *, reset: bool = False) -> None:
        def attempt() -> bool:
            try:
                return self._session.logon(reset=reset).msg_type == "A"
            except (ConnectionClosedError, OSError, TimeoutError):
                return False

        wait_until(attempt, "drop copy's Logon", PATIENCE_SECONDS)
        self.told += self._session.left_over
        self._session.left_over.clear()

    def listen(self, until: set[str]) -> None:
        """Takes what comes, over any number of connections, until it was told so much."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while until - {m.get(17) for m in self.told} and time.monotonic() < deadline:
            try:
                self.told.append(self._session.receive(1.0))
            except ConnectionClosedError:
                self.log_on()
            except TimeoutError:
                continue

    def leave(self) -> None:
        self._session.close()

    def replay(self, begin: str) -> list[Message]:
        """Copies of everything from an ExecID on, with the end; live reports apart."""
        self._session.send([(35, "U1"), (21001, begin)])
        found: list[Message] = []
        while not found or found[-1].msg_type == "8":
            message = self._session.receive(PATIENCE_SECONDS)
            if message.get(97) == "Y" or message.msg_type != "8":
                found.append(message)
            else:
                self.told.append(message)
        return found


def said(report: Message) -> list[tuple[int, str]]:
    """What a report says: all but header and trailer."""
    header = {8, 9, 10, 34, 35, 43, 49, 52, 56, 97, 122}
    return [field for field in report.fields if field[0] not in header]


@pytest.fixture(scope="module")
def heard(busy: RunningSystem) -> tuple[Copy, list[Message]]:
    """Drop copy and order entry of a flow during which everything was killed once."""
    copy, port = Copy(busy), busy.port("RT")
    copy.log_on(reset=True)
    with Flow(port, "ALPHA-RT", MARKET) as buyer, Flow(port, "BRAVO-RT", MARKET, "2") as seller:
        for step, role in enumerate(("gateway", "core", "valkey-server", "edge")):
            buyer.wait_acknowledged(len(buyer.acknowledged) + ORDERS)
            if step % 2:
                copy.leave()
            busy.kill_role(role if role == "valkey-server" else f"kalshi-fix {role}")
            if step % 2:
                buyer.wait_acknowledged(len(buyer.acknowledged) + ORDERS)
                copy.log_on()
        for flow in (buyer, seller):
            flow.wait_acknowledged(len(flow.acknowledged) + ORDERS)
        seller.stop()
        buyer.stop()
    reports = [m for m in buyer.reports if not m.get(17).startswith("R;")]
    copy.listen({report.get(17) for report in reports})
    return copy, reports


def test_drop_copy_says_what_order_entry_said_whoever_dies(
    heard: tuple[Copy, list[Message]],
) -> None:
    copy, reports = heard
    copied = {report.get(17): said(report) for report in copy.told}
    assert len(copied) == len(copy.told), "nothing is told twice"
    assert len(reports) > 5 * ORDERS
    for report in reports:
        assert copied[report.get(17)] == said(report)


def test_a_replay_from_the_first_report_comes_out_of_sealed_segments(
    busy: RunningSystem, heard: tuple[Copy, list[Message]]
) -> None:
    copy, _ = heard
    data = DataDir.find(busy.data)
    bus = busy.store().bus("s0")
    first = int(copy.told[0].get(17).split(";")[1])
    wait_until(
        lambda: int(bus.read_events(0, 1, 0)[0].id.partition("-")[0]) > first,
        "the first report to be trimmed from the store",
        PATIENCE_SECONDS,
    )
    bus.close()
    assert len(Archive(data.archive("s0")).events.segments()) > 1
    *copies, end = copy.replay(copy.told[0].get(17))
    assert (end.msg_type, end.get(21003)) == ("U2", str(len(copies)))
    told = {report.get(17): said(report) for report in copy.told}
    assert {report.get(17): said(report) for report in copies} == told


def test_the_statement_of_the_day_is_what_drop_copy_was_told(
    busy: RunningSystem, heard: tuple[Copy, list[Message]]
) -> None:
    copy, _ = heard
    today = trading_day(time.time_ns())
    tomorrow = trading_day(today.ends_at + NANOS)
    bus = busy.store().bus("s0")
    command = c.StartTradingDay("next", "op1", "", time.time_ns(), tomorrow.date, tomorrow.ends_at)
    bus.append_commands(CommandBatch("test", {}, [command]).pack())
    out = busy.data / "statements" / "ALPHA" / str(today.date) / "end-of-day"
    wait_until(lambda: _published(busy) and out.exists(), "the day to be over", PATIENCE_SECONDS)
    bus.close()
    fills = {report.get(17): report for report in copy.told if report.get(150) == "F"}
    rows = _rows(out / "trades.csv")
    assert {row["ExecID"] for row in rows} == fills.keys()
    for row in rows:
        report = fills[row["ExecID"]]
        expected = [report.get(tag) for tag in (32, 31, 137, 60)]
        assert [row[n] for n in ("LastQty", "LastPx", "MiscFeeAmt", "TransactTime")] == expected
    counts = {row["ExecType"]: row["Reports"] for row in _rows(out / "drop_copy.csv")}
    assert counts["all"] == str(len(copy.told))


def _published(system: RunningSystem) -> bool:
    places = ["--data", str(system.data), "--config", str(system.config)]
    finished = subprocess.run(
        [str(KALSHI_FIX), "statements", *places],
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished
    return "published" in finished.stdout


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
