"""Plays every session scenario against one system with the conformance profile, side by side.

Each scenario gets identities of its own from a pool; one that stops the exchange runs alone, at the
end. What a scenario showed is kept whether it passed or not.
"""

import os
import queue
import signal
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from attrs import frozen
from running_system import ROOT, RunningSystem
from scenarios.scenario_conformance import ConformanceRun, Line
from scenarios.scenario_format import Connect, Interrupt, Scenario, ScenarioError, load_all
from scenarios.scenario_in_process import ScenarioFailedError

PROFILE: Final = ROOT / "config" / "conformance.toml"
CASES: Final = ROOT / "specs" / "session-cases.toml"
PORT: Final = 8299
SIDE_BY_SIDE: Final = 8
# CompID of the files -> identities of the profile that may stand for it
POOLS: Final = {
    "TW44": [f"TW{number:02}" for number in range(1, 13)],
    "KEEP": [f"TK{number:02}" for number in range(1, 4)],
}


@frozen
class Case:
    """One entry of specs/session-cases.toml."""

    name: str
    kind: str  # mandatory, optional or deviation
    expected: str
    left_out: str  # why no scenario proves it; "" = one does


@frozen
class Outcome:
    """What one scenario showed."""

    scenario: Scenario
    failure: str  # "" = passed
    evidence: Sequence[Line]


def session_scenarios() -> list[Scenario]:
    """Those that are about the session layer."""
    return [scenario for scenario in load_all() if scenario.only == "conformance"]


def all_cases() -> list[Case]:
    """The list of cases, in its order."""
    table = tomllib.loads(CASES.read_text(encoding="utf-8"))
    left_out = table.pop("left_out")
    return [
        Case(name, kind, expected, left_out.get(name, ""))
        for kind, entries in table.items()
        for name, expected in entries.items()
    ]


class Suite:
    """One run of everything; the system must be started."""

    def __init__(self, system: RunningSystem) -> None:
        self._system = system
        self._pools: dict[str, queue.SimpleQueue[str]] = {}
        for name, identities in POOLS.items():
            pool = self._pools[name] = queue.SimpleQueue()
            for identity in identities:
                pool.put(identity)

    def run(self, scenarios: Sequence[Scenario]) -> dict[str, Outcome]:
        """Name of each scenario -> its outcome."""
        alone = [s for s in scenarios if any(isinstance(step, Interrupt) for step in s.steps)]
        together = [scenario for scenario in scenarios if scenario not in alone]
        with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
            outcomes = list(threads.map(self._play, together))
        outcomes += [self._play(scenario) for scenario in alone]
        return {outcome.scenario.name: outcome for outcome in outcomes}

    def _play(self, scenario: Scenario) -> Outcome:
        with self._identities(scenario) as names:
            port = PORT + self._system.offset
            run = ConformanceRun(scenario, port, names=names, interrupt=self._interrupt)
            failure = ""
            try:
                run.run()
            except (ScenarioFailedError, ScenarioError, OSError) as error:
                failure = str(error) or type(error).__name__
        return Outcome(scenario, failure, run.evidence.lines)

    @contextmanager
    def _identities(self, scenario: Scenario) -> Iterator[dict[str, str]]:
        named = {s.session.partition("/")[0] for s in scenario.steps if isinstance(s, Connect)}
        # always in one order: two scenarios must not wait for each other
        names = {name: self._pools[name].get() for name in sorted(named & POOLS.keys())}
        try:
            yield names
        finally:
            for name, identity in names.items():
                self._pools[name].put(identity)

    def _interrupt(self, running: bool) -> None:
        (core,) = self._system.processes("kalshi-fix core")
        os.kill(core, signal.SIGCONT if running else signal.SIGSTOP)


@contextmanager
def running_profile(data: Path) -> Iterator[RunningSystem]:
    """A system with the conformance profile on a fresh data directory."""
    system = RunningSystem(data, PROFILE)
    try:
        system.start()
        yield system
        assert system.stop() == 0, system.story()
    finally:
        system.kill()
