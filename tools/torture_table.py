"""What a torture run did and found, as a table; several runs add up to one.

A run of some minutes is as good as a part of a longer one: each starts its own system and is judged
on its own, so counts may be added and recovery times put together.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any, Final

from attrs import asdict, define, field, fields
from torture_judge import Verdict

P99: Final = 0.99


@define
class Outcome:
    """What was done, how long recovery took, and the verdict."""

    faults: Counter[str] = field(factory=Counter)
    recoveries: dict[str, list[float]] = field(factory=dict)  # s until every client had an ack
    first_acks: list[float] = field(factory=list)  # s until the first client had one
    requests: int = 0
    logons: int = 0
    resent: int = 0
    replays: int = 0  # by ExecID, complete
    replayed: int = 0  # reports in them
    seconds: float = 0.0
    verdict: Verdict = field(factory=Verdict)

    @property
    def kills(self) -> int:
        """Processes killed with -9."""
        return sum(count for kind, count in self.faults.items() if kind.startswith("kill"))

    def add(self, other: "Outcome") -> None:
        """Another run's, as if it had been this one's."""
        self.faults.update(other.faults)
        for kind, took in other.recoveries.items():
            self.recoveries.setdefault(kind, []).extend(took)
        self.first_acks += other.first_acks
        for name in ("requests", "logons", "resent", "replays", "replayed", "seconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for part in fields(Verdict):
            mine, more = getattr(self.verdict, part.name), getattr(other.verdict, part.name)
            setattr(self.verdict, part.name, mine + more)


def record(outcome: Outcome, seed: int, path: Path) -> None:
    """Adds a run to a file of runs, one JSON line each."""
    with path.open("a") as file:
        file.write(json.dumps({"seed": seed, **asdict(outcome)}) + "\n")


def add_up(path: Path) -> tuple[list[int], Outcome]:
    """The seeds of a file's runs, and their sum."""
    seeds: list[int] = []
    total = Outcome()
    for line in path.read_text().splitlines():
        row: dict[str, Any] = json.loads(line)
        seeds.append(row.pop("seed"))
        row["faults"] = Counter(row["faults"])
        row["verdict"] = Verdict(**row["verdict"])
        total.add(Outcome(**row))
    return seeds, total


def percentile(values: list[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def report(outcome: Outcome) -> str:
    """The table."""
    verdict = outcome.verdict
    every = [took for found in outcome.recoveries.values() for took in found]
    lines = [f"{'fault':<20}{'count':>7}{'all clients trade again: p50':>31}{'p99':>8}{'max':>8}"]
    for kind in sorted(outcome.faults):
        took = outcome.recoveries.get(kind, [])
        lines.append(
            f"{kind:<20}{outcome.faults[kind]:>7}{percentile(took, 0.5):>29.2f} s"
            f"{percentile(took, P99):>6.2f} s{max(took, default=0.0):>6.2f} s"
        )
    firsts = outcome.first_acks
    lines += ["", f"kills {outcome.kills}, faults {sum(outcome.faults.values())}"]
    lines[-1] += f", {outcome.seconds:.0f} s"
    lines.append(
        f"requests {outcome.requests}, orders {verdict.orders}, reports {verdict.reports}, "
        f"logons {outcome.logons}, messages sent again {outcome.resent}"
    )
    lines.append(
        f"lost {verdict.lost}, twice {verdict.twice}, never told {verdict.untold}, "
        f"told but never was {verdict.invented}, differs from the ledger {verdict.differs}"
    )
    lines.append(
        f"drop copy: {verdict.compared} reports compared with order entry, {outcome.replays} "
        f"replays by ExecID with {outcome.replayed} reports"
    )
    lines.append(
        f"refused 380=4: {verdict.unavailable}, of these taken {verdict.refused_but_taken}; "
        f"without any answer {verdict.unanswered}; 97=Y {verdict.possibly_resent}"
    )
    lines.append(
        f"first ack after a fault: p50 {percentile(firsts, 0.5):.2f} s, "
        f"p99 {percentile(firsts, P99):.2f} s; "
        f"every client: p50 {percentile(every, 0.5):.2f} s, p99 {percentile(every, P99):.2f} s"
    )
    return "\n".join(lines)
