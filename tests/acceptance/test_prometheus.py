"""A real Prometheus on the running exchange: every panel has data; alerts fire for a cause only.

The rules are the shipped ones, written anew with no waiting time and a scrape every second.
"""

import os
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from typing import Self

import pytest
from bench_client import Session
from clients.fix_socket import ConnectionClosedError, FixSocket, utc_now
from metrics_document import registered
from monitoring_dashboards import queries
from prometheus_binary import NoPrometheusError, find
from running_system import DEMO_CONFIG, KALSHI_FIX, RunningSystem
from waiting import wait_for_time, wait_until
from watching_prometheus import Prometheus

from kalshi_fix.adapters.config import load
from kalshi_fix.adapters.metrics import read_samples

EXPECTED_SESSION = "ALPHA-PT"
# who is stopped for a while, and what must fire
STALLS = (
    ("kalshi-fix gateway --name gw2", "GatewayDown"),
    ("kalshi-fix edge", "ProcessDown"),
    ("valkey-server", "StoreDown"),
)


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
        with ExitStack() as opened:
            sessions = []
            for number, letter in ((1, "A"), (2, "B")):
                name = f"LOAD{number:02d}-RT"
                session = Session(name, "KalshiRT", self._address, f"KXTEST-{letter}")
                session.logon()
                opened.callback(session.connection.close)
                sessions.append(session)
            while not self._stop.wait(0.1):
                for session in sessions:
                    session.render(10, f"{next(self.runs)}-{session.sender}-")
                    session.push(100)
                    while not session.done:
                        session.pull()


class Clients:
    """Clients of one system; all their connections end with it."""

    def __init__(self, system: RunningSystem) -> None:
        self._system = system
        self._made = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._made.close()

    def of(self, sender: str, password: str = "") -> FixSocket:
        """One that has not yet connected."""
        role = sender.partition("-")[2]
        client = FixSocket(self._system.port(role), sender, f"Kalshi{role}", password)
        self._made.callback(client.close)
        return client

    def logged_on(self, sender: str) -> FixSocket:
        """One that is logged on, with fresh numbers."""
        client = self.of(sender)
        assert client.logon(reset=True).msg_type == "A"
        return client


@pytest.mark.acceptance
@pytest.mark.timeout(300)
def test_panels_have_data_alerts_are_quiet_and_then_fire(
    venue: RunningSystem, prometheus: Prometheus
) -> None:
    with Clients(venue) as clients:
        expected = clients.logged_on(EXPECTED_SESSION)
        clients.logged_on("ALPHA-MD")
        with Load(venue):
            for query in queries():
                wait_until(lambda query=query: prometheus.has_data(query), query, 60)
            assert prometheus.every_alert_was_evaluated()
            prometheus.see_quiet()
            assert scraped_names(venue) <= documented_names()
        provoke(venue, prometheus, clients, expected)


def provoke(
    venue: RunningSystem, prometheus: Prometheus, clients: Clients, expected: FixSocket
) -> None:
    """Cause after cause; each alert is seen before the next cause."""
    expected.close()
    prometheus.see("SessionDownInHours")
    stranger = clients.of("BRAVO-RT", "wrong")
    prometheus.see("BadCredentials", "LogonFailures", meanwhile=lambda: try_to_log_on(stranger))
    (core,) = venue.processes("kalshi-fix core")
    trader = clients.logged_on("ALPHA-NR")
    with standing_still(core):
        trader.send(limit_order("p1"))
        prometheus.see("CoreStalled", "OrdersUnacknowledged")
    for role, alert in STALLS:
        with standing_still(*venue.processes(role)):
            prometheus.see(alert)
    os.kill(venue.processes("kalshi-fix gateway --name md1")[0], signal.SIGKILL)
    prometheus.see("ProcessRestarted")


def try_to_log_on(client: FixSocket) -> None:
    """Whatever the answer, if any."""
    with suppress(ConnectionClosedError, TimeoutError):
        client.logon(reset=True)


def limit_order(cl_ord_id: str) -> list[tuple[int, str]]:
    """One that rests."""
    return [
        *((35, "D"), (11, cl_ord_id), (55, "KXTEST-C"), (54, "1"), (38, "10"), (40, "2")),
        *((44, "0.40"), (60, utc_now())),
    ]


@contextmanager
def standing_still(*processes: int) -> Iterator[None]:
    """They go on afterwards, whatever happens."""
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


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
