"""The session layer by the test cases of ISO 3531-3, on the profile third-party suites use."""

from collections.abc import Iterator

import pytest
from running_system import ROOT, RunningSystem
from scenarios.scenario_conformance import ConformanceRun
from scenarios.scenario_format import Scenario, load_all

pytestmark = pytest.mark.acceptance
PORT = 8299
# Where the engine underneath still answers otherwise; each is a line of work, none loses an order.
DEVIATIONS = {
    "session/10e_gap_fill_to_itself": "the engine takes it in silence",
    "session/11c_sequence_reset_backwards": "the engine's Reject does not name the tag",
    "session/14j_group_fields_out_of_order": "the engine puts them in order",
    "session/2k_wrong_sender": "the engine's Reject does not name the tag",
    "session/2k_wrong_target": "the engine's Reject does not name the tag",
    "session/8_resend_request_backwards": "the engine answers with a gap fill backwards",
}


def cases() -> list[object]:
    """Every session scenario; those the engine is known to fail must fail."""
    return [
        pytest.param(
            scenario,
            id=scenario.name,
            marks=[pytest.mark.xfail(reason=DEVIATIONS[scenario.name])]
            if scenario.name in DEVIATIONS
            else [],
        )
        for scenario in load_all()
        if scenario.only == "conformance"
    ]


@pytest.fixture(scope="module")
def conformance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    data = tmp_path_factory.mktemp("conformance") / "data"
    running = RunningSystem(data, ROOT / "config" / "conformance.toml")
    try:
        running.start()
        yield running
        assert running.stop() == 0, running.story()
    finally:
        running.kill()


@pytest.mark.parametrize("scenario", cases())
def test_session_scenario(conformance: RunningSystem, scenario: Scenario) -> None:
    ConformanceRun(scenario, PORT + conformance.offset).run()
