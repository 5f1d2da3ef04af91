"""Deliberate mistakes, one for each rule that nothing is lost or doubled by: does a run find them?

Each takes one rule out of the real program for the length of a run. The seeds beside them are known
to show the mistake; a simulation that lets one of them pass has lost its sight.
"""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from kalshi_fix.adapters.bus import Entry, Offset, ShardState
from kalshi_fix.adapters.memory_bus import MemoryBus
from kalshi_fix.core import sessions
from kalshi_fix.core.exchange import Exchange
from kalshi_fix.processes import gateway_intake
from kalshi_fix.processes.gateway_gathering import SavedGathering
from kalshi_fix.processes.gateway_link import Link
from kalshi_fix.processes.gateway_progress import Progress
from kalshi_fix.processes.gateway_pulse import Pulse
from kalshi_fix.processes.gateway_recovery import AlreadySent
from kalshi_fix.processes.gateway_relogon import SessionReplays
from kalshi_fix.simulate.faults import Faults, faults_random
from kalshi_fix.simulate.machine import machine_random
from kalshi_fix.simulate.world import draw_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kalshi_fix.fix.message import FixMessage


@frozen
class Breakage:
    """``rule``: what is broken; ``owner.name`` is replaced by what ``broken`` makes of it.

    ``seed`` shows it. ``needs`` and ``shards``: the faults and the size without which it cannot
    matter, for finding another seed when the program has moved on; ``stress``: those of them that
    come much more often, where the mistake takes a rare moment.
    """

    rule: str
    owner: Any
    name: str
    broken: Callable[[Any], Any]
    seed: int
    needs: tuple[str, ...] = ()
    shards: int = 0
    stress: tuple[str, ...] = ()
    is_rare: bool = False  # too rare to be looked for at every change: found by `make sim` and luck

    def candidates(self) -> Iterator[int]:
        """The seed known to show it, then others that may."""
        yield self.seed
        for seed in count(1):
            if self.shards and len(draw_settings(machine_random(seed)).core.shards) != self.shards:
                continue
            if seed != self.seed and self._has_faults(seed):
                yield seed

    def _has_faults(self, seed: int) -> bool:
        rates = Faults.draw(faults_random(seed)).rates
        return all(kind in rates for kind in self.needs)


def _no_high_water(apply: Any) -> Any:
    def broken(self: Exchange, command: Any) -> Any:
        session = self.state.sessions.get(getattr(command, "session", ""))
        if session is not None and hasattr(command, "seq"):
            session.high_water = 0
        return apply(self, command)

    return broken


def _no_fencing(_commit: Any) -> Any:
    def broken(
        self: MemoryBus,
        token: str,
        _before: Offset,
        after: Offset,
        entries: list[Entry],
        lease_ms: int,
    ) -> None:
        with self._store.changed:
            data = self._data()
            for entry in entries:
                number, _, _ = entry.id.partition("-")
                data.evt.add(entry.payload, (int(number), 0))
            data.state = ShardState(token, data.state.term, after)
            self._extend(data, lease_ms)

    return broken


def _position_of_reader(_position: Any) -> Any:
    def broken(self: Pulse, shard: int) -> int:
        return self._readers[shard].done

    return broken


def _same_epoch(opened: Any) -> Any:
    def broken(state: Any, session: Any, command: Any) -> None:
        before = session.epoch
        opened(state, session, command)
        session.epoch = before or session.epoch

    return broken


def _confirmed_at_once(_confirmed: Any) -> Any:
    def broken(self: Progress) -> int:
        return self._last

    return broken


def _forgets_refusals(is_answered: Any) -> Any:
    def broken(self: Link, number: int, message: FixMessage) -> bool:
        self.refused_numbers.clear()
        return bool(is_answered(self, number, message))

    return broken


def _nothing_was_sent(_was_sent: Any) -> Any:
    def broken(_self: AlreadySent, *_report: object) -> bool:
        return False

    return broken


def _never_in_doubt(_is_in_doubt: Any) -> Any:
    def broken(_self: Link, *_message: object) -> bool:
        return False

    return broken


def _never_passed(_is_passed: Any) -> Any:
    def broken(_self: Link, *_place: int) -> bool:
        return False

    return broken


def _nothing_to_replay(_since_logout: Any) -> Any:
    def broken(_self: SessionReplays) -> list[bytes]:
        return []

    return broken


def _nothing_gathered(_restore: Any) -> Any:
    def broken(_self: SavedGathering, *_saved: object) -> None:
        return None

    return broken


def _one_epoch_for_all(_of_epoch: Any) -> Any:
    def broken(command: Any, _epoch: int) -> Any:
        return command

    return broken


BREAKAGES: Final = {
    "high-water": Breakage(
        "a command that comes again is ignored", Exchange, "apply", _no_high_water, 1, ()
    ),
    "fencing": Breakage(
        "only the leader commits, from where the last commit ended",
        MemoryBus,
        "commit",
        _no_fencing,
        3,
        ("leader_frozen",),
    ),
    "position": Breakage(
        "`pos` is below everything that was not handed to the engine",
        Pulse,
        "position",
        _position_of_reader,
        180,
        ("reader_slow", "gateway_killed"),
    ),
    "epoch": Breakage(
        "a reset begins an epoch of its own", sessions, "_open", _same_epoch, 1, ("numbers_reset",)
    ),
    "confirmed": Breakage(
        "`confirmed` is below everything not durable or answered",
        Progress,
        "confirmed",
        _confirmed_at_once,
        213,
        ("killed_in_doubt", "append_lost"),
        2,
    ),
    "refused": Breakage(
        "what was refused is not carried out when it comes again",
        Link,
        "is_answered",
        _forgets_refusals,
        11,
        ("store_crashed", "gateway_killed", "killed_in_doubt"),
    ),
    "already-sent": Breakage(
        "what the session store shows as sent is not sent again",
        AlreadySent,
        "was_sent",
        _nothing_was_sent,
        1,
        ("gateway_killed",),
    ),
    "in-doubt": Breakage(
        "what a dead process may have passed on is never refused",
        Link,
        "is_in_doubt",
        _never_in_doubt,
        406,
        ("append_late", "append_refused", "killed_in_doubt"),
    ),
    "passed": Breakage(
        "a number that a shard has passed without it is refused, not forgotten",
        Link,
        "is_passed",
        _never_passed,
        173,
        ("reader_slow", "gateway_killed"),
        stress=("reader_slow", "gateway_killed"),
        is_rare=True,
    ),
    "replay": Breakage(
        "with 20902=Y what was said since the last Logout is told again",
        SessionReplays,
        "_since_logout",
        _nothing_to_replay,
        5,
        ("numbers_reset",),
    ),
    "gathered": Breakage(
        "a shard's answer that waits for another's outlives the gateway",
        SavedGathering,
        "restore",
        _nothing_gathered,
        89,
        ("gateway_killed", "leader_frozen"),
        2,
        ("gateway_killed", "leader_frozen"),
        is_rare=True,
    ),
    "shard-epochs": Breakage(
        "each shard counts its own epochs",
        gateway_intake,
        "_of_epoch",
        _one_epoch_for_all,
        4,
        ("append_lost", "numbers_reset"),
        2,
    ),
}


@contextmanager
def broken(name: str) -> Iterator[None]:
    """Takes the rule out; "" = none."""
    if not name:
        yield
        return
    breakage = BREAKAGES[name]
    real = getattr(breakage.owner, breakage.name)
    setattr(breakage.owner, breakage.name, breakage.broken(real))
    try:
        yield
    finally:
        setattr(breakage.owner, breakage.name, real)
