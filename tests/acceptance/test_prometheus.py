"""A real Prometheus on the running exchange: every panel has data; alerts fire for a cause only.

The rules are the shipped ones, written anew with no waiting time and a scrape every second.
"""

import json
import os
import signal
import socket
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Self

import pytest
from bench_client import Session, frame, utc_now
from metrics_document import registered
from monitoring import ALERTS, write
from monitoring_dashboards import queries
from prometheus_binary import NoPrometheusError, find
from running_system import DEMO_CONFIG, KALSHI_FIX, RunningSystem
from waiting import wait_for_time, wait_until

from kalshi_fix.adapters.config import load
from kalshi_fix.adapters.metrics import read_samples

PORT = 9390  # + the system's offset
# what judges the machine the tests run on, not the exchange
OF_THE_MACHINE = {
    *("AckLatencyBudgetFast", "AckLatencyBudgetSlow", "ClockUnsynchronised", "ClockOffset"),
    *("ClockOffsetSevere", "DiskSpace", "CapacityHigh"),
}
EXPECTED_SESSION = "ALPHA-PT"
# who is stopped for a while, and what must fire
STALLS = (
    ("kalshi-fix gateway --name gw2", "GatewayDown"),
    ("kalshi-fix edge", "ProcessDown"),
    ("valkey-server", "StoreDown"),
)


class Prometheus:
    """A server of our own, on the system's ports."""

    def __init__(self, programs: Path, directory: Path, system: RunningSystem) -> None:
        self.base = f"127.0.0.1:{PORT + system.offset}"
        write(directory, system.offset, is_quick=True)
        self._log = (directory / "log").open("w")
        self._process = subprocess.Popen(
            [
                str(programs / "prometheus"),
                f"--config.file={directory}/prometheus/prometheus.yml",
                f"--storage.tsdb.path={directory}/data",
                f"--web.listen-address={self.base}",
                "--web.console.templates=/nowhere",
                "--web.console.libraries=/nowhere",
                "--query.lookback-delta=15s",
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def ask(self, path: str, **arguments: str) -> Any:
        url = f"http://{self.base}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except OSError:
            return None

    def has_data(self, query: str) -> bool:
        found = self.ask("query", query=query)
        return bool(found and found["result"])

    def firing(self) -> set[str]:
        found = self.ask("alerts") or {"alerts": []}
        return {one["labels"]["alertname"] for one in found["alerts"]} - OF_THE_MACHINE

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._log.close()


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    directory = tmp_path_factory.mktemp("watched")
    config = directory / "watched.toml"
    line = f'sender_comp_id = "{EXPECTED_SESSION}"\n'
    text = DEMO_CONFIG.read_text()
    assert line in text
    config.write_text(text.replace(line, f'{line}expected = "page"\n'))
    running = RunningSystem(directory / "data", config)
    try:
        running.start()
        yield running
    finally:
        running.kill()


@pytest.fixture(scope="module")
def prometheus(
    venue: RunningSystem, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    try:
        programs = find()
    except NoPrometheusError as error:
        pytest.skip(f"no Prometheus: {error}")
    server = Prometheus(programs, tmp_path_factory.mktemp("prometheus"), venue)
    try:
        yield server
    finally:
        server.stop()


class Load:
    """A little trade all the time, over two sessions, by a thread."""

    runs = count(1)  # ClOrdIDs are new in every one

    def __init__(self, system: RunningSystem) -> None:
        self._address = ("127.0.0.1", system.port("RT"))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        sessions = [
            Session(f"LOAD{n:02d}-RT", "KalshiRT", self._address, f"KXTEST-{s}")
            for n, s in ((1, "A"), (2, "B"))
        ]
        for session in sessions:
            session.logon()
        while not self._stop.wait(0.1):
            for session in sessions:
                session.render(10, f"{next(self.runs)}-{session.sender}-")
                session.push(100)
                while not session.done:
                    session.pull()
        for session in sessions:
            session.connection.close()


def log_on(system: RunningSystem, sender: str, role: str, password: str) -> socket.socket:
    """A connection with its Logon sent; returns the socket."""
    session = Session(sender, f"Kalshi{role}", ("127.0.0.1", system.port(role)), "KXTEST-A")
    made = socket.create_connection(session.address, timeout=20)
    made.sendall(
        frame(
            f"35=A|49={sender}|56={session.target}|34=1|52={utc_now()}|98=0|108=60|141=Y"
            f"|553={sender}|554={password}"
        )
    )
    made.recv(4_096)
    return made


@pytest.mark.acceptance
@pytest.mark.timeout(300)
def test_panels_have_data_alerts_are_quiet_and_then_fire(
    venue: RunningSystem, prometheus: Prometheus
) -> None:
    expected = log_on(venue, EXPECTED_SESSION, "PT", "demo-alpha")
    market_data = log_on(venue, "ALPHA-MD", "MD", "demo-alpha")
    with Load(venue):
        for query in queries():
            wait_until(lambda query=query: prometheus.has_data(query), query, 60)
        assert every_alert_was_evaluated(prometheus)
        assert prometheus.firing() == set()
        assert scraped_names(venue) <= documented_names()
    provoke(venue, prometheus, expected)
    market_data.close()


def provoke(venue: RunningSystem, prometheus: Prometheus, expected: socket.socket) -> None:
    """Cause after cause; each alert is seen before the next cause."""
    expected.close()
    seen(prometheus, "SessionDownInHours")
    for _ in range(12):
        log_on(venue, "BRAVO-RT", "RT", "wrong").close()
    seen(prometheus, "BadCredentials", "LogonFailures")
    (core,) = venue.processes("kalshi-fix core")
    trader = log_on(venue, "ALPHA-NR", "NR", "demo-alpha")
    order = f"11=p1|55=KXTEST-C|54=1|38=10|40=2|44=0.40|60={utc_now()}"
    os.kill(core, signal.SIGSTOP)
    try:
        trader.sendall(frame(f"35=D|49=ALPHA-NR|56=KalshiNR|34=2|52={utc_now()}|{order}"))
        seen(prometheus, "CoreStalled", "OrdersUnacknowledged")
    finally:
        os.kill(core, signal.SIGCONT)
    for role, alert in STALLS:
        (stalled,) = venue.processes(role)
        os.kill(stalled, signal.SIGSTOP)
        try:
            seen(prometheus, alert)
        finally:
            os.kill(stalled, signal.SIGCONT)
    gateway = venue.processes("kalshi-fix gateway --name md1")[0]
    os.kill(gateway, signal.SIGKILL)
    seen(prometheus, "ProcessRestarted")
    trader.close()


def seen(prometheus: Prometheus, *names: str) -> None:
    wanted = set(names)

    def look() -> bool:
        wanted.difference_update(prometheus.firing())
        return not wanted

    try:
        wait_until(look, "alerts", 45)
    except AssertionError:
        raise AssertionError(f"did not fire: {wanted}; fire: {prometheus.firing()}") from None


def every_alert_was_evaluated(prometheus: Prometheus) -> bool:
    rules = [
        rule
        for group in prometheus.ask("rules")["groups"]
        for rule in group["rules"]
        if rule["type"] == "alerting"
    ]
    faults = {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"}
    assert not faults, faults
    return {rule["name"] for rule in rules} == {alert.name for alert in ALERTS}


def scraped_names(system: RunningSystem) -> set[str]:
    """Families every process shows."""
    found: set[str] = set()
    for port in (9301, 9302, 9312, 9322, 9303, 9304, 9305):
        url = f"http://127.0.0.1:{port + system.offset}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        assert read_samples(text)
        found |= {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    return {name for name in found if not name.startswith("process_")}


def documented_names() -> set[str]:
    return {row.name for rows in registered(load(DEMO_CONFIG)).values() for row in rows}


@pytest.mark.acceptance
def test_top_shows_the_running_system_once(venue: RunningSystem) -> None:
    with Load(venue):
        wait_for_time(1.0)
        done = subprocess.run(
            [str(KALSHI_FIX), "top", "--once", *venue.options, "--market", "KXTEST-A"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=os.environ | {"COLUMNS": "160"},
        )
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("LOAD01-RT", "orders/s", "p99", "KXTEST-A", "core-s0"):
        assert word in done.stdout, done.stdout
