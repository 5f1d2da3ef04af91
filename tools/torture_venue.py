"""The system that is tortured: its configuration, its processes by kind, and a standby core.

Sessions without passwords, in two lanes and one or two shards; a firm, an account and a drop copy
for each. Knows how to kill and stall, not whether that did any harm.
"""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from running_system import KALSHI_FIX, RunningSystem, free_offset

from kalshi_fix.adapters.config import load
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.adapters.store import Store
from kalshi_fix.processes.core_archive import Archive

LANES: Final = ("gw1", "gw2")
MARKETS_PER_SHARD: Final = 2
# kind of victim -> what its command line shows
VICTIMS: Final = {"gateway": "kalshi-fix gateway", "store": "valkey-server"} | {
    "edge": "kalshi-fix edge",
    "market data": "kalshi-fix marketdata",
}


def market_of(number: int) -> str:
    """Symbol of a market."""
    return f"KXTORTURE-{number}"


def session_of(number: int) -> str:
    """SenderCompID of a client; odd ones and even ones are in different lanes."""
    return f"TORTURE{number:02d}"


def configuration(clients: int, shards: int, fsync: str, snapshot_seconds: int) -> str:
    """The TOML of the system."""
    names = ", ".join(f'"s{n}"' for n in range(shards))
    parts = [
        f"[core]\nshards = [{names}]\nsnapshot_seconds = {snapshot_seconds}\n",
        "archive_seconds = 2.0\n",
        f'[store]\nappendfsync = "{fsync}"\n',
        "[edge]\nplain = true\n",
        *(f'[[lanes]]\nname = "{lane}"\n' for lane in LANES),
        '[[series]]\nname = "KXTORTURE"\n',
    ]
    parts += [_market(n, f"s{n % shards}") for n in range(shards * MARKETS_PER_SHARD)]
    parts += [_client(n) for n in range(clients)]
    return "\n".join(parts)


def _market(number: int, shard: str) -> str:
    return (
        f'[[markets]]\nsymbol = "{market_of(number)}"\nevent_ticker = "KXTORTURE"\n'
        f'series = "KXTORTURE"\ntitle = "Torture {number}"\nshard = "{shard}"\n'
    )


def _client(number: int) -> str:
    name = session_of(number)
    lane = LANES[number % len(LANES)]
    common = f'firm = "{name}"\nlane = "{lane}"\nopen_on_loopback = true\n'
    return (
        f'[[firms]]\nname = "{name}"\n'
        f'[[accounts]]\nname = "{name}-1"\nfirm = "{name}"\ndeposit = "100000000.00"\n'
        f'[[sessions]]\nsender_comp_id = "{name}"\nrole = "RT"\n{common}'
        f'accounts = ["{name}-1"]\nthrottle = {{ tokens_per_second = 0 }}\n'
        f'[[sessions]]\nsender_comp_id = "{name}-DC"\nrole = "DC"\n{common}'
    )


class Venue:
    """A running system with a standby core per shard. ``start``, then ``close`` at the end."""

    def __init__(self, directory: Path, config: str, shards: int) -> None:
        path = directory / "torture.toml"
        path.write_text(config)
        self.shards = [f"s{n}" for n in range(shards)]
        self.system = RunningSystem(directory / "data", path, free_offset())
        self._standbys: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Starts everything."""
        self.system.start()
        for shard in self.shards:
            self._start_standby(shard)

    def settings(self) -> Settings:
        """The configuration as the processes read it."""
        return load(self.system.config)

    def store(self) -> Store:
        """The system's store."""
        return Store.of(self.settings().store, DataDir.find(self.system.data))

    def archives(self) -> list[Archive]:
        """What each shard has archived."""
        data = DataDir.find(self.system.data)
        return [Archive(data.archive(shard)) for shard in self.shards]

    def close(self) -> None:
        """Ends everything at once."""
        for standby in self._standbys.values():
            standby.kill()
            standby.wait()
        self.system.kill()

    # --- faults

    def tend(self) -> None:
        """Starts standbys that have ended again; the system looks after its own."""
        for shard, standby in self._standbys.items():
            if standby.poll() is not None:
                self._start_standby(shard)

    def kill(self, pid: int) -> float:
        """As kill -9 does; returns when."""
        os.kill(pid, signal.SIGKILL)
        return time.monotonic()

    def victims(self, kind: str) -> list[int]:
        """Processes of a kind: one of `VICTIMS`."""
        return self.system.processes(VICTIMS[kind])

    def cores(self, shard: str) -> tuple[list[int], list[int]]:
        """The process that leads a shard, and the others."""
        bus = self.store().bus(shard)
        try:
            leader = int(bus.state().token.split(":")[1])
        finally:
            bus.close()
        running = self.system.processes(f"kalshi-fix core --shard {shard}")
        return (
            [pid for pid in running if pid == leader],
            [pid for pid in running if pid != leader],
        )

    def _start_standby(self, shard: str) -> None:
        self._standbys[shard] = subprocess.Popen(
            [str(KALSHI_FIX), "core", "--shard", shard, *self.system.options],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
