"""Real systems for acceptance tests: one everybody shares, and fresh ones to be ill-treated."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running_system import DEMO_CONFIG, KALSHI_FIX, RunningSystem
from scenarios.scenario_format import Scenario, load_all
from scenarios.scenario_over_tcp import TcpVenue

ADMIN_SECONDS = 30
Start = Callable[..., RunningSystem]


def symbols_of(scenario: Scenario, number: int) -> dict[str, str]:
    """Market name -> symbol: markets nobody else trades."""
    return {
        market.name: f"KXS{number:03d}-{chr(ord('A') + place)}"
        for place, market in enumerate(scenario.markets)
    }


def scenario_markets() -> str:
    """TOML of the markets of every scenario."""
    parts = []
    for number, scenario in enumerate(load_all()):
        symbols = symbols_of(scenario, number)
        for market in scenario.markets:
            tick = market.terms.get("tick", "0.01")
            end = "0.999" if tick == "0.001" else "0.99"
            parts.append(
                "[[markets]]\n"
                f'symbol = "{symbols[market.name]}"\n'
                'event_ticker = "KXTEST"\nseries = "KXTEST"\n'
                f'title = "{scenario.name}"\n'
                f'price_ranges = [["{tick}", "{end}", "{tick}"]]\n'
                f"jurisdictions_excluded = {[*filter(None, [market.terms.get('excluded')])]}\n"
            )
    return "\n".join(parts)


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """The demo system, with a market of its own for every scenario. Leave it as you found it."""
    directory = tmp_path_factory.mktemp("system")
    config = directory / "demo-and-scenarios.toml"
    config.write_text(DEMO_CONFIG.read_text() + "\n" + scenario_markets())
    with RunningSystem(directory / "data", config).running() as running:
        yield running
        assert running.returncode is None, running.story()
        assert running.stop() == 0, running.story()


@pytest.fixture(scope="module")
def venue(system: RunningSystem) -> Iterator[TcpVenue]:
    """The shared system as scenarios see it."""

    def administer(operator: str, words: tuple[str, ...]) -> None:
        options = ["--as", operator, "--yes", "--why", "scenario", "--data", str(system.data)]
        finished = subprocess.run(
            [str(KALSHI_FIX), "admin", *options, *words],
            capture_output=True,
            text=True,
            timeout=ADMIN_SECONDS,
            check=False,
            env=os.environ | {"KALSHI_FIX_TOKEN": f"demo-{operator}"},
        )
        assert finished.returncode == 0, finished

    venue = TcpVenue(system.port, administer)
    yield venue
    venue.close()


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """One system for one file of tests, which may change it and ill-treat it."""
    with RunningSystem(tmp_path_factory.mktemp("own")).running() as running:
        yield running


@pytest.fixture
def fresh_system(tmp_path: Path) -> Iterator[Start]:
    """Makes systems on data directories of their own, and leaves nothing running."""
    made: list[RunningSystem] = []

    def make(data: Path | None = None, config: Path = DEMO_CONFIG) -> RunningSystem:
        made.append(RunningSystem(data or tmp_path / "data", config))
        return made[-1]

    yield make
    for running in made:
        running.kill()


@pytest.fixture(autouse=True)
def _no_store_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A REDIS_URL of the machine must not lead tests to somebody's store."""
    if "REDIS_URL" in os.environ:
        monkeypatch.delenv("REDIS_URL")
