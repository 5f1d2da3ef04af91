"""The session layer by the test cases of ISO 3531-3, on the profile third-party suites use."""

from collections.abc import Mapping

import pytest
from conformance_report import DOCUMENT, document, proofs
from conformance_run import Outcome, all_cases, session_scenarios
from scenarios.scenario_format import Scenario

SCENARIOS = session_scenarios()


@pytest.mark.acceptance
@pytest.mark.timeout(180)  # the first test waits for all of them
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_session_scenario(outcomes: Mapping[str, Outcome], scenario: Scenario) -> None:
    outcome = outcomes[scenario.name]
    if outcome.failure:
        story = "\n".join(f"{line.what} {line.text}" for line in outcome.evidence)
        pytest.fail(f"{outcome.failure}\n{story}", pytrace=False)


def test_every_case_is_proved_by_a_scenario_or_left_out_with_a_reason() -> None:
    proved = proofs(SCENARIOS)
    for case in all_cases():
        assert bool(case.left_out) != (case.name in proved), case.name


def test_every_case_a_scenario_names_is_on_the_list() -> None:
    assert proofs(SCENARIOS).keys() <= {case.name for case in all_cases()}


def test_the_document_lists_every_case_and_its_proof() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(all_cases(), SCENARIOS), (
        "python tools/conformance.py --document writes it"
    )
