"""Systems for the recovery tests; nothing is left running."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from recovery.recovery_parts import configuration, system_of
from running_system import RunningSystem

Start = Callable[..., RunningSystem]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts systems; the same name means the same data."""
    made: list[RunningSystem] = []

    def started(name: str = "system", toml: str = "") -> RunningSystem:
        system = system_of(tmp_path / name, toml or configuration())
        made.append(system)
        system.start()
        return system

    yield started
    for system in made:
        system.kill()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """One system for a module's tests; each leaves it working."""
    running = system_of(tmp_path_factory.mktemp("recovery"), configuration())
    try:
        running.start()
        yield running
    finally:
        running.kill()
