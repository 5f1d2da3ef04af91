"""ops/ is what the tables say, and the tables stand up to Prometheus' own judgement."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from metrics_document import registered
from monitoring import ALERTS, OPS, files, proof_of
from monitoring_alert import Alert
from monitoring_dashboards import ROWS, dashboard, queries
from monitoring_slo import RECORDED
from prometheus_binary import NoPrometheusError, find

from kalshi_fix.adapters.config import DEMO_CONFIG, load

RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
RULES = OPS / "prometheus"
PROCESS_METRICS = {
    *("process_resident_memory_bytes", "process_open_fds", "process_max_fds"),
    *("process_cpu_seconds_total", "up"),
}
WORDS = re.compile(r"\b(?:fixgw|core|md|edge|store|audit|clock|process)_[a-z0-9_]+")
ALERT = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


@pytest.fixture(scope="module")
def promtool() -> Path:
    try:
        return find() / "promtool"
    except NoPrometheusError as error:
        pytest.skip(f"no Prometheus: {error}")


def check(*command: object) -> None:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", files())
def test_every_file_is_current(name: str) -> None:
    assert (OPS / name).read_text() == files()[name], "run `make docs`"


def test_every_alert_has_its_two_cases_and_all_of_them_hold(promtool: Path) -> None:
    assert (RULES / "alerts_test.yml").read_text().count("alertname:") == 2 * len(ALERTS)
    check(promtool, "test", "rules", RULES / "alerts_test.yml")


def test_a_case_that_does_not_hold_is_found(promtool: Path, tmp_path: Path) -> None:
    for name in ("recording.yml", "alerts.yml"):
        text = (RULES / name).read_text()
        (tmp_path / name).write_text(text.replace("core_ledger_imbalance_cents != 0", "vector(0)"))
    proof = proof_of([alert for alert in ALERTS if alert.name == "LedgerImbalance"])
    (tmp_path / "alerts_test.yml").write_text(json.dumps(proof))
    with pytest.raises(AssertionError, match="LedgerImbalance is quiet"):
        check(promtool, "test", "rules", tmp_path / "alerts_test.yml")


def test_configuration_and_rules_are_valid(promtool: Path) -> None:
    check(promtool, "check", "config", RULES / "prometheus.yml")


def test_every_query_of_the_dashboard_is_valid(promtool: Path, tmp_path: Path) -> None:
    rules = [{"record": f"panel:{n}", "expr": query} for n, query in enumerate(queries())]
    path = tmp_path / "panels.yml"
    path.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    check(promtool, "check", "rules", path)


def test_what_is_scraped_is_named_as_prometheus_wants_it(promtool: Path) -> None:
    from kalshi_fix.adapters.metrics import Metrics  # noqa: PLC0415
    from kalshi_fix.adapters.settings import Settings  # noqa: PLC0415
    from kalshi_fix.processes.core_metrics import CoreMetrics  # noqa: PLC0415
    from kalshi_fix.processes.gateway_metrics import GatewayMetrics  # noqa: PLC0415

    metrics = Metrics("test")
    GatewayMetrics(metrics, Settings())
    CoreMetrics.of(metrics)
    done = subprocess.run(
        [str(promtool), "check", "metrics"], input=metrics.render(), capture_output=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@ALERT
def test_every_alert_says_what_to_do(alert: Alert) -> None:
    page = RUNBOOKS / f"{alert.page}.md"
    assert alert.name in page.read_text()
    assert alert.severity in {"page", "ticket", "{{ $labels.severity }}"}
    assert alert.row in ROWS
    assert alert.fires != alert.quiet


def test_every_page_for_an_alert_is_of_some_alert() -> None:
    pages = {path.stem for path in RUNBOOKS.glob("alert-*.md")}
    assert pages == {alert.page for alert in ALERTS}


def test_rules_and_panels_use_metrics_that_exist() -> None:
    known = {row.name for rows in registered(load(DEMO_CONFIG)).values() for row in rows}
    known |= PROCESS_METRICS
    asked = [alert.expr for alert in ALERTS] + queries() + list(RECORDED.values())
    for name in {name for expr in asked for name in WORDS.findall(expr)}:
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        assert name in known or base in known, name
    recorded = {name for expr in asked for name in re.findall(r"fixgw:[a-z_:0-9]+", expr)}
    # in alerts on burn rates the window is a part of the name
    assert recorded <= set(RECORDED)


def test_every_panel_says_what_is_healthy_and_asks_the_data_source_of_the_variable() -> None:
    panels = [panel for panel in dashboard()["panels"] if panel["type"] != "row"]
    ids = [panel["id"] for panel in dashboard()["panels"]]
    assert len(set(ids)) == len(ids)
    assert list(ROWS) == ["Health", "Flow", "Latency", "Sessions", "Store", "Market"]
    for panel in panels:
        assert panel["description"].startswith("Healthy: ")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        assert panel["targets"]
