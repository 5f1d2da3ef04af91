"""Every scenario against the running system: edge, gateway, store, core, and back."""

import pytest
from acceptance.conftest import symbols_of
from scenarios.scenario_format import Scenario, load_all
from scenarios.scenario_over_tcp import TcpRun, TcpVenue

pytestmark = pytest.mark.acceptance
OVER_TCP = [
    (number, scenario) for number, scenario in enumerate(load_all()) if scenario.only in {"", "tcp"}
]


@pytest.mark.parametrize(
    ("number", "scenario"), OVER_TCP, ids=[scenario.name for _, scenario in OVER_TCP]
)
def test_scenario(venue: TcpVenue, number: int, scenario: Scenario) -> None:
    TcpRun(venue, scenario, symbols_of(scenario, number)).run()
