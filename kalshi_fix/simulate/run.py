"""One seed, one run: trouble for a while, then peace, then everybody must agree.

The outcome has a digest over everything the store took in and every byte clients were told, so that
two runs of a seed can be compared byte for byte.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import traceback
from collections import Counter
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from kalshi_fix.model import NANOS, NANOS_PER_MS, Role
from kalshi_fix.simulate.auditor import exec_id
from kalshi_fix.simulate.book import NEVER_KNOWN
from kalshi_fix.simulate.errors import Violation
from kalshi_fix.simulate.faults import Faults, faults_random
from kalshi_fix.simulate.machine import START, Machine
from kalshi_fix.simulate.substitutes import substituted
from kalshi_fix.simulate.trouble import Trouble
from kalshi_fix.simulate.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kalshi_fix.messages import events as e
    from kalshi_fix.simulate.trader import Trader

_SECONDS: Final = (4, 11)  # of trouble
_PEACE_SECONDS: Final = 60  # the longest it may take until all is quiet
_STEP_NANOS: Final = 100 * NANOS_PER_MS
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a private directory in it


@frozen(kw_only=True)
class Plan:
    """What to run. ``calm`` = no faults at all."""

    seed: int
    calm: bool = False
    with_story: bool = False
    stress: tuple[str, ...] = ()  # kinds of faults that come much more often


@define
class Outcome:
    """How it went. ``fault`` "" = well."""

    seed: int
    fault: str = ""
    digest: str = ""
    hits: Counter[str] = field(factory=Counter)
    hit_seeds: Counter[str] = field(factory=Counter)  # in a sum: in how many seeds each hit
    orders: int = 0
    commands: int = 0
    reports: int = 0
    leaders: int = 0
    simulated_seconds: float = 0.0
    story: list[str] = field(factory=list)

    def add(self, other: Outcome) -> None:
        """Adds up; what is told about one seed only stays out."""
        self.hits.update(other.hits)
        self.hit_seeds.update(other.hits.keys())
        self.orders += other.orders
        self.commands += other.commands
        self.reports += other.reports
        self.leaders += other.leaders
        self.simulated_seconds += other.simulated_seconds


def run(plan: Plan) -> Outcome:
    """Runs a seed; never raises for what the run finds."""
    random = Random(plan.seed ^ 0x5EED)  # noqa: S311 - a seed is the point
    breath = random.choice((0.0, 0.01, 0.1))
    machine = Machine(plan.seed, breath, tells=plan.with_story)
    outcome = Outcome(plan.seed)
    faults = Faults.draw(faults_random(plan.seed), calm=plan.calm)
    faults.intensify(plan.stress)
    with _directory() as directory:
        world = World.build(machine, faults, directory)
        with substituted(
            machine,
            store=world.store,
            engine=world.ports.make,
            control=world.controls.make,
            forbidden=world.forbid,
        ):
            try:
                _live(world, random)
            except Violation as violation:
                outcome.fault = str(violation)
            except Exception as error:  # noqa: BLE001 - whatever broke, this seed shows it
                trace = "".join(traceback.format_exception(error))
                outcome.fault = f"{type(error).__name__}: {error}\n{trace}"
            finally:
                _sum_up(world, outcome, with_story=plan.with_story)
                machine.close()
    return outcome


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    base = _MEMORY if _MEMORY.is_dir() else None
    path = Path(tempfile.mkdtemp(prefix="kalshi-fix-sim-", dir=base))
    try:
        yield path
    finally:
        shutil.rmtree(path)


# --- the course of a run


def _live(world: World, random: Random) -> None:
    machine = world.machine
    world.start()
    machine.run(START + NANOS)
    trouble = Trouble(world)
    trouble.start()
    machine.run(machine.now + random.randrange(*_SECONDS) * NANOS)
    trouble.end()
    for trader in world.traders:
        trader.is_trading = False
    _until(world, "all requests are answered", _is_quiet)
    _ask_what_is_not_known(world)
    _until(world, "all questions are answered", _is_quiet)
    for trader in world.traders:
        _check_trader(world, trader)


def _until(world: World, what: str, is_so: object) -> None:
    """Lets time pass until something holds, and a little longer."""
    assert callable(is_so)
    machine = world.machine
    deadline = machine.now + _PEACE_SECONDS * NANOS
    quiet = 0
    while quiet < 5:
        if machine.now > deadline:
            raise Violation(f"not true after {_PEACE_SECONDS} s of peace: {what}: {_unrest(world)}")
        machine.run(machine.now + _STEP_NANOS)
        quiet = quiet + 1 if is_so(world) else 0


def _is_quiet(world: World) -> bool:
    return not _unrest(world)


def _unrest(world: World) -> str:
    """What is still going on; "" if nothing."""
    for trader in world.traders:
        if not trader.session.is_logged_on:
            return f"{trader.name} is not logged on"
        if trader.session.is_in_gap:
            return f"{trader.name} waits for a resend from {trader.session.next_in}"
        waiting = trader.book.open_requests()
        if waiting:
            first = waiting[0]
            return f"{trader.name} has no answer to {first.msg_type} {first.cl_ord_id}"
        missing = trader.unanswered()
        if missing:
            return f"{trader.name} has no status of {missing[0]}"
        for expected, told in _histories(world, trader):
            if len(told) < len(expected):
                return f"{trader.name} was told {len(told)} of {len(expected)} reports"
    return ""


def _ask_what_is_not_known(world: World) -> None:
    """Sessions that gave history up ask about every order; the others were told everything."""
    for trader in world.traders:
        if trader.was_reset and trader.settings.role != Role.DC:
            trader.ask_about_all()


# --- what must be true in the end


def _histories(world: World, trader: Trader) -> Iterator[tuple[list[str], list[str]]]:
    """Per shard, the ExecIDs a session must have been told since its last reset, and was."""
    if not trader.session.keeps_numbers:
        return
    for shard in world.auditor.shards.values():
        _, first = shard.epochs.get(trader.name, (0, 0))
        due = [r for r in shard.reports if r.number > first and _concerns(r, trader)]
        told = [
            text
            for text, (number, index) in trader.book.exec_ids.items()
            if index == shard.index and number > first
        ]
        yield [exec_id(report, shard.index) for report in due], told


def _concerns(report: e.Execution | e.OrderRejected, trader: Trader) -> bool:
    settings = trader.settings
    if settings.role == Role.DC:
        return report.firm == settings.firm
    terms = getattr(report, "terms", None)
    if terms is None:
        return getattr(report, "session", "") == settings.name
    return settings.name in {terms.session, getattr(report, "requester", "")}


def _check_trader(world: World, trader: Trader) -> None:
    for expected, told in _histories(world, trader):
        if expected != told:
            wrong = next(
                (pair for pair in zip(expected, told, strict=False) if pair[0] != pair[1]),
                (expected[len(told) :], told[len(expected) :]),
            )
            raise Violation(f"{trader.name}: report {wrong[0]} is due, {wrong[1]} was told")
    for request in trader.book.requests.values():
        if request.msg_type == "D":
            _check_order(world, trader, request.cl_ord_id)


def _check_order(world: World, trader: Trader, cl_ord_id: str) -> None:
    firm = trader.settings.firm
    truth = world.auditor.order(firm, cl_ord_id)
    request = trader.book.requests[cl_ord_id]
    order_id = trader.book.orders.get(cl_ord_id)
    told = trader.book.states.get(order_id) if order_id else None
    if trader.was_reset:
        told = trader.book.asked.get(cl_ord_id)
        if truth is None and told == NEVER_KNOWN:
            return
    elif truth is None:
        if "accepted" in request.answers:
            raise Violation(f"{trader.name}: {cl_ord_id} was acknowledged and is lost")
        return
    if told != truth:
        raise Violation(f"{trader.name}: {cl_ord_id} is {truth}, its client believes {told}")


# --- the outcome


def _sum_up(world: World, outcome: Outcome, *, with_story: bool) -> None:
    shards = world.auditor.shards.values()
    digest = blake2b(digest_size=16)
    for shard in shards:
        digest.update(shard.replica.state_hash)
        for entry in shard.entries:
            digest.update(entry.payload)
    for trader in world.traders:
        for message in trader.received:
            digest.update(repr((message.msg_type, message.fields)).encode())
    digest.update(f"{world.machine.now} {world.machine.switches} {outcome.fault}".encode())
    outcome.digest = digest.hexdigest()
    outcome.hits = Counter(world.faults.hit)
    outcome.orders = sum(len(shard.orders) for shard in shards)
    outcome.commands = sum(len(shard.executed) for shard in shards)
    outcome.reports = sum(len(trader.book.exec_ids) for trader in world.traders)
    outcome.leaders = sum(shard.leaders for shard in shards)
    outcome.simulated_seconds = (world.machine.now - START) / NANOS
    if with_story or outcome.fault:
        outcome.story = [
            f"{(at - START) / NANOS:10.6f}  {who:<18} {what}"
            for at, who, what in world.machine.notes
        ]
