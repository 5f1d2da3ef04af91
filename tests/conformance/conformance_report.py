"""The evidence of a run as JSON and Markdown, and the table of cases for the documentation."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import asdict
from conformance_run import Case, Outcome
from running_system import ROOT
from scenarios.scenario_format import Scenario

DOCUMENT: Final = ROOT / "docs" / "CONFORMANCE.md"
_INTRODUCTION: Final = """\
# Session-layer conformance

What a FIX 4.4 session layer has to do, case by case, and which scenario proves it here: the
acceptor's cases of ISO 3531-3 (the FIX session-layer test cases), and the places where the stock
engine underneath falls short (D1 to D16). `make conformance` plays every scenario against a running
system with the profile [`config/conformance.toml`](../config/conformance.toml), through the edge,
and writes the evidence, every message either way, to `var/conformance`. The cases are run by
`make test` as well; a case without a scenario, or a scenario that fails, fails it.

For a suite of your own: `kalshi-fix run --config config/conformance.toml --no-demo-flow`, then
FIX 4.4 sessions `TW44` or `TW` to `ISLD` on port 8299 of this machine, no credentials, numbers
restart at every Logon, times in milliseconds, order entry on `KXTEST-A`.
"""
_HEADINGS: Final = {
    "mandatory": "Mandatory cases of ISO 3531-3",
    "optional": "Optional cases, and cases of other suites",
    "deviation": "Where the stock engine deviates",
}


def proofs(scenarios: Sequence[Scenario]) -> dict[str, list[Scenario]]:
    """Case -> the scenarios that prove it."""
    found: dict[str, list[Scenario]] = {}
    for scenario in scenarios:
        for case in scenario.cases:
            found.setdefault(case, []).append(scenario)
    return found


def document(cases: Sequence[Case], scenarios: Sequence[Scenario]) -> str:
    """docs/CONFORMANCE.md."""
    proved = proofs(scenarios)
    lines = [_INTRODUCTION]
    for kind, heading in _HEADINGS.items():
        lines += [f"## {heading}", "", "| Case | Expected | Proved by |", "|---|---|---|"]
        for case in (case for case in cases if case.kind == kind):
            links = ", ".join(_link(scenario) for scenario in proved.get(case.name, []))
            lines.append(f"| {case.name} | {case.expected} | {links or case.left_out} |")
        lines.append("")
    return "\n".join(lines)


def _link(scenario: Scenario) -> str:
    name = scenario.name.removeprefix("session/")
    return f"[{name}](../specs/scenarios/{scenario.name}.fix)"


def write(directory: Path, cases: Sequence[Case], outcomes: Mapping[str, Outcome]) -> None:
    """``report.json`` and ``report.md`` in a directory, which is made."""
    directory.mkdir(parents=True, exist_ok=True)
    rows = [_row(case, outcomes) for case in cases]
    (directory / "report.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    (directory / "report.md").write_text(_markdown(rows), encoding="utf-8")


def _row(case: Case, outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    proofs_of_it = [o for o in outcomes.values() if case.name in o.scenario.cases]
    failed = any(outcome.failure for outcome in proofs_of_it)
    verdict = ("fail" if failed else "pass") if proofs_of_it else "left out"
    return {
        "id": case.name,
        "kind": case.kind,
        "expected": case.expected,
        "verdict": verdict,
        "left_out": case.left_out,
        "scenarios": [
            {
                "name": outcome.scenario.name,
                "rule": outcome.scenario.rule,
                "failure": outcome.failure,
                "messages": [asdict(line) for line in outcome.evidence],
            }
            for outcome in proofs_of_it
        ],
    }


def _markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ["# Session-layer conformance: evidence", ""]
    for kind, heading in _HEADINGS.items():
        own = [row for row in rows if row["kind"] == kind]
        passed = sum(row["verdict"] == "pass" for row in own)
        lines.append(f"- {heading}: {passed} of {len(own)} proved")
    shown: set[str] = set()
    for row in rows:
        lines += ["", f"## {row['id']}: {row['verdict']}", "", row["expected"]]
        if row["left_out"]:
            lines += ["", row["left_out"]]
        for scenario in row["scenarios"]:
            lines += ["", f"### {scenario['name']}", ""]
            if scenario["name"] in shown:
                lines.append("Above.")
                continue
            shown.add(scenario["name"])
            lines += [scenario["rule"], "", "```"]
            lines += [_line(message) for message in scenario["messages"]]
            lines += ["```"] + ([f"\n**{scenario['failure']}**"] if scenario["failure"] else [])
    return "\n".join(lines) + "\n"


def _line(message: Mapping[str, Any]) -> str:
    parts = (f"{message['seconds']:7.3f}", message["connection"], message["what"], message["text"])
    return " ".join(parts).rstrip()
