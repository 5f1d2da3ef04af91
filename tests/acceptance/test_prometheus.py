"""A real Prometheus on the running exchange: every panel has data; alerts fire for a cause only.

The rules are the shipped ones, written anew with no waiting time and a scrape every two seconds.
"""

import os
import re
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import count
from typing import Self

import pytest
from acceptance.alert_causes import CAUSES, EXPECTED_SESSION, Goes, Stage
from bench_client import Session
from metrics_document import registered
from monitoring import ALERTS
from monitoring_dashboards import queries
from prometheus_binary import NoPrometheusError, find
from running_system import DEMO_CONFIG, KALSHI_FIX, ROOT, RunningSystem
from waiting import wait_for_time, wait_until
from watching_prometheus import Prometheus

from kalshi_fix.adapters.config import load
from kalshi_fix.adapters.metrics import read_samples

SOONER = (("edge", "slow_reader_seconds = 3.0"), ("core", "archive_seconds = 1.0"))


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    directory = tmp_path_factory.mktemp("watched")
    config = directory / "watched.toml"
    line = f'sender_comp_id = "{EXPECTED_SESSION}"\n'
    text = DEMO_CONFIG.read_text()
    assert line in text
    text = text.replace(line, f'{line}expected = "page"\n')
    for table, setting in SOONER:
        text = text.replace(f"[{table}]\n", f"[{table}]\n{setting}\n")
    config.write_text(text)
    with RunningSystem(directory / "data", config).running() as running:
        yield running


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


@pytest.mark.acceptance
def test_top_shows_the_running_system_once(venue: RunningSystem) -> None:
    with Load(venue):
        wait_for_time(1.0)
        done = subprocess.run(
            [str(KALSHI_FIX), "top", "--once", "--data", str(venue.data), "--market", "KXTEST-A"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=os.environ | {"COLUMNS": "160"},
        )
    assert done.returncode == 0, done.stdout + done.stderr
    for word in ("LOAD01-RT", "orders/s", "p99", "KXTEST-A", "core-s0"):
        assert word in done.stdout, done.stdout


@pytest.mark.acceptance
@pytest.mark.timeout(400)
def test_panels_have_data_alerts_are_quiet_and_then_fire(
    venue: RunningSystem, prometheus: Prometheus
) -> None:
    with Stage(venue) as stage:
        with Load(venue):
            for query in queries():
                wait_until(lambda query=query: prometheus.has_data(query), query, 60)
            assert prometheus.every_alert_was_evaluated()
            prometheus.see_quiet()
            assert scraped_names(venue) <= documented_names()
        for causes in CAUSES:
            provoke(prometheus, stage, causes)


def provoke(
    prometheus: Prometheus, stage: Stage, causes: Mapping[Callable[[Stage], Goes], tuple[str, ...]]
) -> None:
    """Causes at once; at a moment when none of their alerts fires; each of them then does."""
    alerts = {alert for of_one in causes.values() for alert in of_one}
    prometheus.see_quiet(*alerts)
    with ExitStack() as under_way:
        going = [under_way.enter_context(cause(stage)) for cause in causes]
        prometheus.see(*alerts, meanwhile=lambda: [go_on() for go_on in going])


def test_every_alert_has_its_cause_or_a_reason_why_not() -> None:
    provoked = {alert for causes in CAUSES for of_one in causes.values() for alert in of_one}
    assert {alert.name for alert in ALERTS} - provoked == reasons_why_not()


def reasons_why_not() -> set[str]:
    """Alerts that the page of runbooks says are proved by promtool alone."""
    page = (ROOT / "docs" / "runbooks" / "README.md").read_text()
    table = page.partition("## Proved by their rules alone")[2]
    return {name for row in table.splitlines() for name in re.findall(r"`([A-Z]\w+)`", row)}


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
