"""Writes what is in ops/: Prometheus configuration, rules, their proof, and Grafana dashboards.

Everything comes from tables in `monitoring_*.py`; a test says when a file is not current. With
``--port-offset`` and ``--into`` it writes a configuration for another system, and with ``--quick``
one whose alerts do not wait, for tests that provoke their causes.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from monitoring_alert import Alert
from monitoring_alerts import CAUSES, HOUSE, SYMPTOMS
from monitoring_dashboards import dashboard
from monitoring_slo import ALERTS as OBJECTIVES
from monitoring_slo import RECORDED

OPS: Final = Path(__file__).parents[1] / "ops"
HEAD: Final = "# Written by tools/monitoring.py from its tables; `make docs` writes it anew.\n"
GROUPS: Final[Mapping[str, tuple[Alert, ...]]] = {
    "symptoms": SYMPTOMS,
    "objectives": OBJECTIVES,
    "causes": CAUSES,
    "house": HOUSE,
}
ALERTS: Final = tuple(alert for alerts in GROUPS.values() for alert in alerts)
# job -> metrics ports of the demo system; one target per process
TARGETS: Final = {
    "core": (9301,),
    "gateway": (9302, 9312, 9322),
    "marketdata": (9303,),
    "edge": (9304,),
    "supervisor": (9305,),
}
STEP: Final = "15s"


def files(port_offset: int = 0, *, is_quick: bool = False) -> dict[str, str]:
    """Path below ops/ -> content."""
    return {
        "prometheus/prometheus.yml": HEAD + _yaml(_configuration(port_offset, is_quick=is_quick)),
        "prometheus/recording.yml": HEAD + _yaml(_recording(is_quick=is_quick)),
        "prometheus/alerts.yml": HEAD + _yaml(_alerting(is_quick=is_quick)),
        "prometheus/alerts_test.yml": HEAD + _yaml(proof_of(ALERTS)),
        "grafana/kalshi-fix.json": json.dumps(dashboard(), indent=1) + "\n",
    }


def _configuration(port_offset: int, *, is_quick: bool) -> dict[str, Any]:
    every = "2s" if is_quick else STEP  # no process may take longer to answer
    return {
        "global": {"scrape_interval": every, "evaluation_interval": every},
        "rule_files": ["recording.yml", "alerts.yml"],
        "scrape_configs": [
            {
                "job_name": job,
                "static_configs": [
                    {"targets": [f"127.0.0.1:{port + port_offset}" for port in ports]}
                ],
            }
            for job, ports in TARGETS.items()
        ],
    }


def _recording(*, is_quick: bool) -> dict[str, Any]:
    rules = [{"record": name, "expr": expr} for name, expr in RECORDED.items()]
    return {"groups": [{"name": "recording", **_every(is_quick=is_quick), "rules": rules}]}


def _alerting(*, is_quick: bool) -> dict[str, Any]:
    return {
        "groups": [
            {
                "name": name,
                **_every(is_quick=is_quick),
                "rules": [_rule(alert, is_quick=is_quick) for alert in alerts],
            }
            for name, alerts in GROUPS.items()
        ]
    }


def _every(*, is_quick: bool) -> dict[str, str]:
    return {"interval": "1s"} if is_quick else {}


def _rule(alert: Alert, *, is_quick: bool) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": "0s" if is_quick else alert.hold,
        "labels": {"severity": alert.severity},
        "annotations": alert.annotations,
    }


def proof_of(alerts: Sequence[Alert]) -> dict[str, Any]:
    """What `promtool test rules` is to find true of these alerts."""
    return {
        "rule_files": ["recording.yml", "alerts.yml"],
        "evaluation_interval": "1m",  # often enough here, and quicker
        "tests": [case for alert in alerts for case in _cases(alert)],
    }


def _cases(alert: Alert) -> Iterator[dict[str, Any]]:
    for name, series in (("fires", alert.fires), ("is quiet", alert.quiet)):
        yield {
            "name": f"{alert.name} {name}",
            "interval": alert.step,
            "input_series": [{"series": one, "values": values} for one, values in series.items()],
            "alert_rule_test": [
                {
                    "eval_time": alert.at,
                    "alertname": alert.name,
                    "exp_alerts": [alert.expected] if name == "fires" else [],
                }
            ],
        }


def _yaml(value: Any, indent: str = "") -> str:
    """As YAML people can read; scalars are JSON, which YAML takes."""
    if isinstance(value, Mapping) and value:
        return "".join(
            f"{indent}{key}:{_yaml_below(below, indent + '  ')}" for key, below in value.items()
        )
    assert isinstance(value, Sequence)
    lines = []
    for below in value:
        text = _yaml_below(below, indent + "  ")
        lines.append(f"{indent}-{text[len(indent) + 2 :] if text[0] == chr(10) else text}")
    return "".join(lines)


def _yaml_below(value: Any, indent: str) -> str:
    if isinstance(value, Mapping | list | tuple) and value:
        return "\n" + _yaml(value, indent)
    return f" {json.dumps(value, ensure_ascii=False)}\n"


def write(into: Path, port_offset: int = 0, *, is_quick: bool = False) -> None:
    """Writes every file below a directory."""
    for name, content in files(port_offset, is_quick=is_quick).items():
        path = into / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=OPS)
    parser.add_argument("--port-offset", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    write(arguments.into, arguments.port_offset, is_quick=arguments.quick)
    print(f"wrote {arguments.into}")


if __name__ == "__main__":
    main()
