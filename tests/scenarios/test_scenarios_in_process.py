"""Every scenario that is not about sockets, against translation and exchange alone."""

import pytest
from scenarios.scenario_format import Scenario, load_all
from scenarios.scenario_in_process import InProcessRun

IN_PROCESS = [scenario for scenario in load_all() if scenario.only in {"", "process"}]


@pytest.mark.parametrize("scenario", IN_PROCESS, ids=lambda scenario: scenario.name)
def test_scenario(scenario: Scenario) -> None:
    InProcessRun(scenario).run()
