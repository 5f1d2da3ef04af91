"""How fast history is read: replays by ExecID (U1) and statements, from an archive on disk.

Makes an archive of a busy day with the real exchange, then reads it as a gateway's replayer and as
`kalshi-fix statements` do. Prints reports and events per second of processor time. Nothing is
sent: what sending costs is the gateway's bench.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from core_flow import core_v1

from kalshi_fix.adapters.archive import StreamArchive
from kalshi_fix.adapters.bus import Entry
from kalshi_fix.adapters.memory_bus import MemoryStore
from kalshi_fix.core.exchange import Exchange
from kalshi_fix.messages.batch import EventEntry
from kalshi_fix.messages.commands import StartTradingDay
from kalshi_fix.messages.events import Event
from kalshi_fix.model import NANOS, Role
from kalshi_fix.processes.event_history import ShardHistory
from kalshi_fix.processes.statements import Publisher
from kalshi_fix.services.drop_copy import DropCopy
from kalshi_fix.services.policy import Policy
from kalshi_fix.services.service import SessionView
from kalshi_fix.services.throttle import Throttle

COMMANDS_PER_ENTRY = 10
SEGMENT_BYTES = 67_108_864
ACCOUNTS_PER_FIRM = 50


def write(directory: Path, commands: int, markets: int, firms: int) -> int:
    """An archive of so many commands and a midnight; returns the number of its last event."""
    archive = StreamArchive(directory, "evt", SEGMENT_BYTES)
    archive.open()
    exchange = Exchange(0)
    flow = core_v1(commands, markets, firms * ACCOUNTS_PER_FIRM)
    events: list[Event] = []
    last = 0
    for place, command in enumerate([*flow.setup, *flow.warm_up, *(c for _, c in flow.timed)]):
        events += exchange.apply(command)
        if place % COMMANDS_PER_ENTRY == 0 and events:
            last = _append(archive, events)
    day = StartTradingDay("next", "", "", exchange.state.at, 99991231, exchange.state.at + NANOS)
    last = _append(archive, events + exchange.apply(day))
    archive.close()
    return last


def _append(archive: StreamArchive, events: list[Event]) -> int:
    last = events[-1].number
    archive.append([Entry(f"{last}-0", EventEntry.from_events(b"", events).pack())])
    events.clear()
    return last


def history(directory: Path) -> ShardHistory:
    """The archive behind an empty stream."""
    bus = MemoryStore().connect("s0")
    return ShardHistory(bus, StreamArchive(directory, "evt", SEGMENT_BYTES))


def replay(directory: Path, firm: str, last: int) -> int:
    """Everything of a firm, rendered as its drop copy gets it; returns how many reports."""
    view = SessionView("DC", "DC", "KalshiDC", Role.DC, firm, ())
    copies = DropCopy({"DC": view}, Policy(Throttle({})))
    return sum(1 for _ in _copies(copies, view, history(directory), last))


def _copies(copies: DropCopy, view: SessionView, past: ShardHistory, last: int) -> Iterator[object]:
    firm = frozenset({view.firm})
    for entry in past.entries(0, last):
        if any(name == view.firm for name, _ in entry.firms):
            for event in entry.events(firm):
                copy = copies.copy(event, view, 0)
                if copy is not None:
                    yield copy


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=200_000)
    parser.add_argument("--markets", type=int, default=100)
    parser.add_argument("--firms", type=int, default=200)
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="bench-history-"))
    try:
        last = write(directory, options.commands, options.markets, options.firms)
        size = sum(path.stat().st_size for path in directory.iterdir())
        print(f"archive: {last} events, {size / 1e6:.0f} MB")
        names = {n for e in history(directory).entries(0, last) for n, _ in e.firms if n}
        for firm in (min(names), "none of them"):
            began = time.process_time()
            count = replay(directory, firm, last)
            took = time.process_time() - began
            print(
                f"replay of {firm}: {count} reports, {took:.2f} s, {last / took:,.0f} events/s read"
            )
        began = time.process_time()
        publisher = Publisher(directory / "out", [history(directory)])
        publisher.run()
        took = time.process_time() - began
        print(f"statements of {len(names)} firms: {took:.1f} s, {last / took:,.0f} events/s")
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
