"""``kalshi-fix simulate``: runs of the whole exchange in one thread, each fixed by its seed.

One seed prints how it went, and its story if it went wrong; many run on all processors and end in a
table of the faults that hit. A failing seed prints the one command that shows it again.
"""

import os
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from kalshi_fix.simulate.breakages import BREAKAGES, broken
from kalshi_fix.simulate.faults import KINDS
from kalshi_fix.simulate.run import Outcome, Plan, run

_STORY_LINES: Final = 60
_PROGRESS_SECONDS: Final = 5.0
_CHUNK: Final = 8

Seed = Annotated[int, typer.Option(help="The run; the first one of several.")]
Count = Annotated[int, typer.Option(min=1, help="How many seeds, one after the other.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes.", show_default="all processors")]
ALL_PROCESSORS: Final = os.cpu_count() or 1
Broken = Annotated[str, typer.Option("--break", help=f"Leave out: {', '.join(BREAKAGES)}.")]
Calm = Annotated[bool, typer.Option(help="No faults at all.")]
Story = Annotated[bool, typer.Option(help="Print everything that happened.")]


def run_seed(seed: int, breakage: str, *, calm: bool = False, with_story: bool = False) -> Outcome:
    """One run, with one rule taken out if ``breakage`` is not empty."""
    with broken(breakage):
        stress = BREAKAGES[breakage].stress if breakage else ()
        return run(Plan(seed=seed, calm=calm, with_story=with_story, stress=stress))


def simulate(  # noqa: PLR0917 - typer calls it by name
    seed: Seed = 1,
    count: Count = 1,
    jobs: Jobs = ALL_PROCESSORS,
    breakage: Broken = "",
    calm: Calm = False,
    story: Story = False,
) -> None:
    """Run the whole exchange under simulated time, with faults chosen by a seed."""
    console = Console(highlight=False)
    if breakage and breakage not in BREAKAGES:
        raise typer.BadParameter(f"{breakage}: known are {', '.join(BREAKAGES)}")
    if count == 1:
        outcome = run_seed(seed, breakage, calm=calm, with_story=story)
        _tell(console, outcome, breakage, lines=len(outcome.story) if story else _STORY_LINES)
        raise typer.Exit(int(bool(outcome.fault)))
    work = partial(run_seed, breakage=breakage, calm=calm)
    began = time.monotonic()
    with ProcessPoolExecutor(jobs) as pool:
        outcomes = pool.map(work, range(seed, seed + count), chunksize=_CHUNK)
        total, failed = _gather(console, outcomes, count, breakage)
    _tables(console, total, count, time.monotonic() - began)
    console.print(f"\n{failed} of {count} seeds failed")
    raise typer.Exit(int(bool(failed)))


def command(seed: int, breakage: str = "") -> str:
    """What shows a seed again."""
    return f"kalshi-fix simulate --seed {seed}" + (f" --break {breakage}" if breakage else "")


def _gather(
    console: Console, outcomes: Iterable[Outcome], count: int, breakage: str
) -> tuple[Outcome, int]:
    """The sum, and how many failed; says how it goes, and at once what failed."""
    total, failed = Outcome(0), 0
    due = time.monotonic() + _PROGRESS_SECONDS
    for done, outcome in enumerate(outcomes, 1):
        total.add(outcome)
        if outcome.fault:
            failed += 1
            reason = outcome.fault.splitlines()[0]
            console.print(
                f"{command(outcome.seed, breakage)}: {reason}", markup=False, soft_wrap=True
            )
        if time.monotonic() > due:
            due = time.monotonic() + _PROGRESS_SECONDS
            console.print(f"{done} of {count} seeds, {failed} failed")
    return total, failed


def _tell(console: Console, outcome: Outcome, breakage: str, lines: int) -> None:
    for line in outcome.story[-lines:] if lines else ():
        console.print(line, markup=False, soft_wrap=True)
    hits = ", ".join(f"{kind} {times}" for kind, times in sorted(outcome.hits.items()))
    console.print(
        f"seed {outcome.seed}: {outcome.simulated_seconds:.1f} simulated seconds, "
        f"{outcome.commands} requests carried out, {outcome.orders} orders accepted, "
        f"{outcome.reports} reports told, {outcome.leaders} leaderships\n"
        f"faults: {hits or 'none'}\ndigest: {outcome.digest}",
        markup=False,
        soft_wrap=True,
    )
    if outcome.fault:
        console.print(f"FAILED: {outcome.fault}", markup=False, soft_wrap=True)
        console.print(f"again: {command(outcome.seed, breakage)}", markup=False)
    else:
        console.print("well")


def _tables(console: Console, total: Outcome, count: int, seconds: float) -> None:
    table = Table(title=f"Faults hit in {count} seeds")
    for heading in ("fault", "times", "seeds"):
        table.add_column(heading, justify="left" if heading == "fault" else "right")
    for kind in KINDS:
        table.add_row(kind, f"{total.hits[kind]:,}", f"{total.hit_seeds[kind]:,}")
    console.print(table)
    console.print(
        f"{total.simulated_seconds:,.0f} simulated seconds in {seconds:,.0f} s: "
        f"{total.commands:,} requests carried out, {total.orders:,} orders accepted, "
        f"{total.reports:,} reports told, {total.leaders:,} leaderships"
    )
