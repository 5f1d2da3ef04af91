"""The bounded slice of `make torture` that runs with the other tests."""

from collections import Counter
from pathlib import Path

import pytest
from torture import CLIENTS, Plan, Torture
from torture_judge import Verdict
from torture_table import Outcome, add_up, record, report

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]
EACH = 10  # of every kind of fault
SECONDS_MAX = 180.0


def test_nothing_is_lost_and_nothing_happens_twice_whatever_is_killed(tmp_path: Path) -> None:
    plan = Plan(faults=0, each=EACH, seconds=SECONDS_MAX, seed=4, directory=tmp_path)
    outcome = Torture(plan).run()
    table = report(outcome)
    print(table)  # noqa: T201 - shown when it fails
    assert outcome.verdict.is_good, "\n".join([table, *outcome.verdict.faults[:20]])
    assert outcome.verdict.unanswered == 0, table
    assert outcome.verdict.orders > 500, table
    assert min(outcome.faults.values()) >= EACH, table
    assert outcome.verdict.compared > 500, table
    assert outcome.replays >= CLIENTS, table


@pytest.mark.parametrize(
    "wrong", ["lost", "twice", "untold", "invented", "differs", "refused_but_taken"]
)
def test_each_kind_of_wrong_fails_the_verdict(wrong: str) -> None:
    assert Verdict(orders=3).is_good
    assert not Verdict(orders=3, **Counter({wrong: 1})).is_good


def test_runs_recorded_one_after_another_add_up_to_one(tmp_path: Path) -> None:
    for seed, took in ((1, 0.5), (2, 4.0)):
        run = Outcome(Counter({"kill edge": 2, "cut connection": seed}), {"kill edge": [took]})
        run.first_acks, run.seconds, run.requests = [took], 10.0, 7
        run.verdict = Verdict(orders=3, lost=seed - 1, faults=["gone"] * (seed - 1))
        record(run, seed, tmp_path / "runs")
    seeds, total = add_up(tmp_path / "runs")
    assert (seeds, total.kills, total.seconds, total.requests) == ([1, 2], 4, 20.0, 14)
    assert (total.recoveries, total.first_acks) == ({"kill edge": [0.5, 4.0]}, [0.5, 4.0])
    assert (total.verdict.orders, total.verdict.lost, total.verdict.is_good) == (6, 1, False)
    assert "kills 4, faults 7, 20 s" in report(total)
