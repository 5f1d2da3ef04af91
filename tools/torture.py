"""`make torture`: a real system under load, killed again and again, and then held to account.

Clients that keep their own books trade all the time, through a proxy that cuts connections in the
middle of a message. Processes are killed with -9 in random order, the leading core is stopped and
let go on. At the end every client's book, the stream, its replay and the ledger must agree.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from attrs import field, frozen
from torture_client import TortureClient
from torture_copy import DropCopyClient
from torture_judge import judge
from torture_proxy import FaultProxy
from torture_session import TortureSession
from torture_table import Outcome, add_up, record, report
from torture_venue import MARKETS_PER_SHARD, Venue, configuration, market_of, session_of
from waiting import wait_for_time, wait_until

CLIENTS: Final = 4
RECOVERY_SECONDS_MAX: Final = 40.0
QUIET_SECONDS: Final = 60.0
REPLAY_SECONDS: Final = 240.0
STALL_SECONDS: Final = (0.9, 2.0)
PAUSE_SECONDS: Final = (0.05, 0.5)  # between the recovery from a fault and the next
AT_ONCE_CHANCE: Final = 0.15  # that the next fault does not wait for the recovery


@frozen(kw_only=True)
class Plan:
    """How long and how hard."""

    faults: int  # in all, unless the time is over before
    seconds: float
    each: int = 0  # at least so many of each kind
    shards: int = 1
    rate: float = 25.0  # requests per second and client
    fsync: str = "always"
    seed: int = 1
    snapshot_seconds: int = 3
    directory: Path = field(factory=lambda: Path(tempfile.mkdtemp(prefix="torture-")))


class Torture:
    """One run. `run` returns the outcome; nothing is left running."""

    def __init__(self, plan: Plan, say: Callable[[str], None] = print) -> None:
        self.plan = plan
        self.outcome = Outcome()
        self._say = say
        self._chance = random.Random(plan.seed)  # noqa: S311 - chooses faults
        config = configuration(CLIENTS, plan.shards, plan.fsync, plan.snapshot_seconds)
        self._venue = Venue(plan.directory, config, plan.shards)
        self._proxies: list[FaultProxy] = []
        self._clients: list[TortureClient] = []
        self._copies: list[DropCopyClient] = []
        # each returns when it struck, 0 where there was nothing to strike
        self._kinds: dict[str, Callable[[], float]] = {
            "kill gateway": lambda: self._kill("gateway"),
            "kill store": lambda: self._kill("store"),
            "kill edge": lambda: self._kill("edge"),
            "kill market data": lambda: self._kill("market data"),
            "kill leading core": lambda: self._kill_core(leading=True),
            "kill standby core": lambda: self._kill_core(leading=False),
            "stall leading core": self._stall,
            "cut connection": self._cut,
        }

    def run(self) -> Outcome:
        """Starts, tortures, waits until all is quiet, judges."""
        try:
            self._venue.start()
            self._start_clients()
            self._torture()
            self._calm()
            self.outcome.verdict = judge(
                self._venue.store(),
                self._venue.shards,
                self._venue.archives(),
                self._clients,
                self._copies,
            )
        finally:
            for proxy in self._proxies:
                proxy.close()
            self._venue.close()
        return self.outcome

    def _start_clients(self) -> None:
        markets = [market_of(n) for n in range(self.plan.shards * MARKETS_PER_SHARD)]
        for number in range(CLIENTS):
            chance = random.Random(f"{self.plan.seed} {number}")  # noqa: S311 - chooses orders
            for role, target in (("RT", "KalshiRT"), ("DC", "KalshiDC")):
                proxy = FaultProxy(("127.0.0.1", self._venue.system.port(role)), chance)
                self._proxies.append(proxy)
                name = session_of(number) + ("-DC" if role == "DC" else "")
                session = TortureSession(proxy.port, name, target)
                if role == "RT":
                    client = TortureClient(session, markets, self.plan.rate, chance)
                    self._clients.append(client)
                else:
                    self._copies.append(DropCopyClient(session, chance))
        for each in (*self._copies, *self._clients):
            each.start()
        self._await_acks(time.monotonic())

    # --- faults

    def _torture(self) -> None:
        began = time.monotonic()
        while not self._is_done(began):
            kind = self._next_kind()
            moment = self._kinds[kind]()
            if not moment:
                self._venue.tend()
                continue  # no such process at this moment
            self.outcome.faults[kind] += 1
            self._venue.tend()
            if self._chance.random() < AT_ONCE_CHANCE:
                wait_for_time(self._chance.uniform(*PAUSE_SECONDS))
                continue
            self._await_recovery(kind, moment)
            wait_for_time(self._chance.uniform(*PAUSE_SECONDS))
            done = sum(self.outcome.faults.values())
            if done % 50 == 0:
                self._say(f"{time.monotonic() - began:5.0f} s  {done} faults")
        self.outcome.seconds = time.monotonic() - began

    def _is_done(self, began: float) -> bool:
        counts = self.outcome.faults
        enough = all(counts[kind] >= self.plan.each for kind in self._kinds)
        over = time.monotonic() - began > self.plan.seconds
        return over or (sum(counts.values()) >= self.plan.faults and enough)

    def _next_kind(self) -> str:
        """At random, but none falls far behind."""
        least = min(self.outcome.faults[kind] for kind in self._kinds)
        return self._chance.choice(
            [kind for kind in self._kinds if self.outcome.faults[kind] <= least + 3]
        )

    def _kill(self, kind: str) -> float:
        found = self._venue.victims(kind)
        return self._venue.kill(self._chance.choice(found)) if found else 0.0

    def _core(self, *, leading: bool) -> int:
        try:
            leaders, others = self._venue.cores(self._chance.choice(self._venue.shards))
        except Exception:  # noqa: BLE001 - the store is away: no leader to be found now
            return 0
        found = leaders if leading else others
        return found[0] if found else 0

    def _kill_core(self, *, leading: bool) -> float:
        pid = self._core(leading=leading)
        return self._venue.kill(pid) if pid else 0.0

    def _stall(self) -> float:
        pid = self._core(leading=True)
        if not pid:
            return 0.0
        os.kill(pid, signal.SIGSTOP)
        moment = time.monotonic()
        try:
            wait_for_time(self._chance.uniform(*STALL_SECONDS))
        finally:
            os.kill(pid, signal.SIGCONT)
        return moment

    def _cut(self) -> float:
        proxy = self._chance.choice(self._proxies)
        before = proxy.cuts
        proxy.cut_next()
        wait_until(lambda: proxy.cuts > before, "bytes to cut off", RECOVERY_SECONDS_MAX)
        return time.monotonic()

    # --- recovery

    def _await_recovery(self, kind: str, moment: float) -> None:
        first, last = self._await_acks(moment)
        self.outcome.first_acks.append(first - moment)
        self.outcome.recoveries.setdefault(kind, []).append(last - moment)

    def _await_acks(self, moment: float) -> tuple[float, float]:
        """When the first and the last client had an order entered after a moment acknowledged."""

        def acks() -> list[float]:
            self._venue.tend()
            self._refuse_faults()
            found = [client.first_ack_after(moment) for client in self._clients]
            return [ack for ack in found if ack is not None] if None not in found else []

        try:
            found = wait_until(acks, "every client to trade again", RECOVERY_SECONDS_MAX)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._story()}") from None
        return min(found), max(found)

    def _refuse_faults(self) -> None:
        for client in (*self._clients, *self._copies):
            if client.told.faults:
                raise AssertionError("\n".join([*client.told.faults[:5], self._story()]))

    def _calm(self) -> None:
        """No more faults and no new requests; everything is answered and reported."""
        everybody = [*self._clients, *self._copies]
        for client in everybody:
            client.stop_trading()
        try:
            wait_until(lambda: all(client.is_quiet for client in everybody), "quiet", QUIET_SECONDS)
            self._settle(everybody)
            self._replay_all()
        except AssertionError:
            self._say(self._story())  # the verdict says what is missing
        for client in everybody:
            client.stop()
            self.outcome.requests += client.sent
            self.outcome.logons += client.session.logons
            self.outcome.resent += client.session.resent
        self.outcome.replays = sum(copy.replays for copy in self._copies)
        self.outcome.replayed = sum(copy.copies for copy in self._copies)

    def _replay_all(self) -> None:
        """Each drop copy has everything again, from the archive for the most part."""
        for shard in range(self.plan.shards):
            before = [copy.replays for copy in self._copies]
            for copy in self._copies:
                copy.replay_all(str(shard))
            wait_until(partial(self._have_replayed, before), "everything again", REPLAY_SECONDS)

    def _have_replayed(self, before: list[int]) -> bool:
        """Whether every drop copy has had one replay more than before, or has failed."""
        return all(
            copy.replays > done or copy.told.faults
            for copy, done in zip(self._copies, before, strict=True)
        )

    def _settle(self, everybody: list[TortureClient]) -> None:
        """Reports on resting orders may still come: until nothing has for a second."""

        def heard() -> int:
            return sum(len(client.told.exec_ids) for client in everybody)

        before = -1
        while before != (now := heard()):
            before = now
            wait_for_time(1.0)
        wait_until(lambda: all(client.is_quiet for client in everybody), "quiet", QUIET_SECONDS)

    def _story(self) -> str:
        lines = [
            f"{client.session.sender}: logged on {client.session.is_logged_on}, "
            f"{len(client.told.pending)} unanswered {list(client.told.pending)[:3]}, "
            f"{client.session.last_refusal}"
            for client in (*self._clients, *self._copies)
        ]
        return "\n".join([*lines, str(dict(self.outcome.faults)), self._venue.system.story()])


def main() -> int:
    """Runs as the options say; 1 if anything was lost, doubled or different."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=1_400)
    parser.add_argument("--seconds", type=float, default=3_600.0)
    parser.add_argument("--each", type=int, default=0, help="at least so many of each kind")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--fsync", default="always")
    parser.add_argument("--rate", type=float, default=25.0)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10_000)
    parser.add_argument(
        "--record", type=Path, help="a file of runs: adds this one and prints the sum of them all"
    )
    options = vars(parser.parse_args())
    kept: Path | None = options.pop("record")
    plan = Plan(**options)
    print(f"seed {plan.seed}, data in {plan.directory}", flush=True)
    outcome = Torture(plan, partial(print, flush=True)).run()
    print(report(outcome))
    for fault in outcome.verdict.faults[:40]:
        print(f"  {fault}")
    if kept is not None:
        record(outcome, plan.seed, kept)
        seeds, total = add_up(kept)
        print(f"\nall runs, seeds {', '.join(map(str, seeds))}\n{report(total)}")
    return 0 if outcome.verdict.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
