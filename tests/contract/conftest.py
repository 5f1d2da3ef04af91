"""One suite, two stores: every test of this directory runs against both."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kalshi_fix.adapters.bus import Bus
from kalshi_fix.adapters.memory_bus import MemoryStore
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.settings import StoreSettings
from kalshi_fix.adapters.store import Store
from kalshi_fix.adapters.store_server import DataLock, StoreServer

Connect = Callable[[str], Bus]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    data = DataDir.create(tmp_path_factory.mktemp("store"))
    settings = StoreSettings(appendfsync="no")
    lock = DataLock(data)
    lock.acquire(0)
    running = StoreServer(data, settings, lock)
    running.start()
    running.wait_ready()
    yield Store.of(settings, data)
    assert running.stop(10), "the store server stops when asked"
    lock.release()


@pytest.fixture(params=["memory", "server"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    made: list[Bus] = []
    if request.param == "memory":
        make: Connect = MemoryStore().connect
    else:
        make = request.getfixturevalue("server").bus

    def connected(shard: str) -> Bus:
        made.append(make(shard))
        return made[-1]

    yield connected
    for bus in made:
        bus.close()


@pytest.fixture
def bus(connect: Connect, request: pytest.FixtureRequest) -> Bus:
    """A connection to a shard of the test's own."""
    return connect(shard_of(request))


def shard_of(request: pytest.FixtureRequest) -> str:
    return f"t-{abs(hash((request.node.nodeid, time.monotonic_ns())))}"


@pytest.fixture
def scratch(tmp_path: Path) -> DataDir:
    return DataDir.create(tmp_path)
