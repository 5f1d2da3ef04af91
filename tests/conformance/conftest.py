"""One run of the session scenarios for all tests of this directory; its evidence on request."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from conformance_report import write
from conformance_run import Outcome, Suite, all_cases, running_profile, session_scenarios


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--evidence", help="directory for the evidence of the session scenarios")


@pytest.fixture(scope="session")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Outcome]:
    with running_profile(tmp_path_factory.mktemp("conformance") / "data") as system:
        found = Suite(system).run(session_scenarios())
    directory = request.config.getoption("--evidence", default=None)
    if directory:
        write(Path(directory), all_cases(), found)
    return found
