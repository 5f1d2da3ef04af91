"""A lane that has moved tells again what the store has trimmed, where there is an archive."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kalshi_fix.adapters.bus import Entry, Offset
from kalshi_fix.adapters.logs import open_log
from kalshi_fix.adapters.memory_bus import MemoryBus, MemoryStore
from kalshi_fix.adapters.settings import GatewaySettings, LogSettings
from kalshi_fix.messages.batch import EventEntry
from kalshi_fix.processes.core_archive import Archive
from kalshi_fix.processes.gateway_restart import Restart

LOG = open_log("test", LogSettings(stderr_level="critical"))
NAME = "ALPHA-RT"


class World:
    """Ten entries of one event each, of which the store has the last five."""

    def __init__(self, root: Path) -> None:
        self.bus = MemoryStore().connect("s0")
        self.root = root
        self.delivered: list[int] = []
        self.link: Any = SimpleNamespace(name=NAME, asked_from=17)
        entries = [Entry(f"{n}-0", EventEntry(b"", n, n, [], b"").pack()) for n in range(1, 11)]
        self.entries = entries
        commit(self.bus, entries)
        self.bus.trim("0-0", 6)

    def archive(self) -> None:
        archive = Archive(self.root, 100_000)
        assert archive.open()
        archive.events.append(self.entries[:8])
        archive.events.sync()
        archive.close()

    def tell_again(self, since: int) -> int:
        restart: Any = SimpleNamespace(
            watches=[SimpleNamespace(bus=self.bus)],
            shards=["s0"],
            routers=[SimpleNamespace(take_entry=self.take)],
            links={NAME: self.link},
            archive=lambda _shard: self.root,
            limits=GatewaySettings(),
            log=LOG,
        )
        return Restart.from_archive(restart, 0, since, {NAME: since})

    def take(self, entry: EventEntry) -> int:
        self.delivered.append(entry.last)
        return entry.last


def commit(bus: MemoryBus, entries: list[Entry]) -> None:
    state = bus.acquire("core", 10_000)
    assert state is not None
    bus.commit(state.token, Offset(), Offset("1-0"), entries, 10_000)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_what_was_trimmed_comes_from_the_archive(world: World) -> None:
    world.archive()
    assert world.tell_again(2) == 5
    assert world.delivered == [3, 4, 5]
    assert world.link.asked_from == 17


def test_what_the_store_has_is_not_looked_for(world: World) -> None:
    assert world.tell_again(5) == 5
    assert world.delivered == []
    assert world.link.asked_from == 17


def test_without_an_archive_nothing_old_is_asked_of_the_client(world: World) -> None:
    """Nobody could say which of it was taken."""
    assert world.tell_again(2) == 5
    assert world.delivered == []
    assert world.link.asked_from == 0
