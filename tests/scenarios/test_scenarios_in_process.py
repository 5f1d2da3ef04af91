"""Every scenario that is not about sockets, against translation and exchange alone."""

from pathlib import Path

import pytest
from scenarios.scenario_format import Expect, Scenario, load_all, parse
from scenarios.scenario_in_process import InProcessRun

from kalshi_fix.model import Reason

IN_PROCESS = [scenario for scenario in load_all() if scenario.only in {"", "process"}]


@pytest.mark.parametrize("scenario", IN_PROCESS, ids=lambda scenario: scenario.name)
def test_scenario(scenario: Scenario) -> None:
    InProcessRun(scenario).run()


def test_the_example_of_the_documentation_runs() -> None:
    text = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text()
    example = text.split("```")[1].strip("\n")
    InProcessRun(parse("docs/scenarios", example)).run()


# Reasons no scenario can provoke: they take time, a refused Logon, a broken process or store.
ELSEWHERE = {
    Reason.INTERNAL_ERROR,
    Reason.EXCHANGE_UNAVAILABLE,
    Reason.UNKNOWN_SESSION,
    Reason.LOGON_REPLAYED,
    Reason.MAINTENANCE,
    Reason.SESSION_CLOSED,  # the calendar's: its own tests
    Reason.NOT_ENTITLED,  # permissions are not the scenarios': tests of entitlements have them
    Reason.REPLAY_IN_PROGRESS,  # these three: gateway/test_replays.py
    Reason.REPLAY_INTERRUPTED,
    Reason.REPLAY_FAILED,
}


def test_every_reason_a_client_can_meet_has_a_scenario() -> None:
    expected = {
        value.strip("/").split(" ")[0].split(".")[0]
        for scenario in load_all()
        for step in scenario.steps
        if isinstance(step, Expect)
        for tag, value in step.fields
        if tag == 58
    }
    assert {reason.value for reason in Reason} - expected == {r.value for r in ELSEWHERE}
