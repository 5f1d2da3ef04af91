"""A real Prometheus that watches a running system, with the shipped rules written anew for it.

They do not wait: an alert fires at the first evaluation that finds its cause. Knows no cause.
"""

import http.client
import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from monitoring import ALERTS, write
from running_system import PROMETHEUS_PORT, RunningSystem
from waiting import wait_until

# what judges the machine the tests run on, not the exchange
OF_THE_MACHINE: Final = frozenset(
    {
        *("AckLatencyBudgetFast", "AckLatencyBudgetSlow", "ClockUnsynchronised", "ClockOffset"),
        *("ClockOffsetSevere", "DiskSpace", "CapacityHigh"),
    }
)
SEEN_SECONDS: Final = 60.0


class Prometheus:
    """A server of our own, on the system's ports."""

    def __init__(self, programs: Path, directory: Path, system: RunningSystem) -> None:
        self.base = f"127.0.0.1:{PROMETHEUS_PORT + system.offset}"
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
        """The answer's data; None where there is no answer yet."""
        url = f"http://{self.base}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            error.close()
        except (OSError, http.client.HTTPException):
            pass
        return None

    def has_data(self, query: str) -> bool:
        """Whether a query's result has at least one sample."""
        found = self.ask("query", query=query)
        return bool(found and found["result"])

    def firing(self) -> set[str]:
        """Names of the alerts that fire, without those that judge the machine."""
        found = self.ask("alerts") or {"alerts": []}
        return {one["labels"]["alertname"] for one in found["alerts"]} - OF_THE_MACHINE

    def see(self, *names: str, meanwhile: Callable[[], object] = lambda: None) -> None:
        """Waits until each of these has fired; ``meanwhile`` goes on with their cause.

        Raises:
            AssertionError: one did not.
        """
        wanted = set(names)

        def look() -> bool:
            meanwhile()
            wanted.difference_update(self.firing())
            return not wanted

        try:
            wait_until(look, "alerts", SEEN_SECONDS)
        except AssertionError:
            raise AssertionError(f"did not fire: {wanted}; fire: {self.firing()}") from None

    def see_quiet(self, *names: str) -> None:
        """Waits for a moment at which none of these fires, or none at all.

        That proves it of everything that lasts, on a machine that may stumble.

        Raises:
            AssertionError: something goes on firing.
        """
        seen: list[set[str]] = []

        def look() -> bool:
            answer = self.ask("alerts")
            fires = self.firing()
            seen.append(fires & set(names) if names else fires)
            return answer is not None and not seen[-1]

        try:
            wait_until(look, "quiet", SEEN_SECONDS)
        except AssertionError:
            raise AssertionError(f"fires without a cause: {seen[-1]}") from None

    def every_alert_was_evaluated(self) -> bool:
        """Whether all of the shipped alerts are there, each without an error."""
        rules = [
            rule
            for group in self.ask("rules")["groups"]
            for rule in group["rules"]
            if rule["type"] == "alerting"
        ]
        faults = {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"}
        assert not faults, faults
        return {rule["name"] for rule in rules} == {alert.name for alert in ALERTS}

    def stop(self) -> None:
        """Ends it."""
        self._process.terminate()
        self._process.wait(20)
        self._log.close()
