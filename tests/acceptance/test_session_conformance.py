"""The session layer by the test cases of ISO 3531-3, on the profile third-party suites use."""

from collections.abc import Iterator

import pytest
from running_system import ROOT, RunningSystem
from scenarios.scenario_conformance import ConformanceRun
from scenarios.scenario_format import Scenario, load_all

pytestmark = pytest.mark.acceptance
PORT = 8299


def cases() -> list[object]:
    """Every session scenario."""
    found = load_all()
    return [pytest.param(s, id=s.name) for s in found if s.only == "conformance"]


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
