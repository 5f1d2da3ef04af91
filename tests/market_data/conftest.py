"""The publisher and the feed run against the bus in memory and against a real store server."""

import time
from collections.abc import Callable, Iterator

import pytest

from kalshi_fix.adapters.bus import Bus
from kalshi_fix.adapters.memory_bus import MemoryStore
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.settings import StoreSettings
from kalshi_fix.adapters.store import Store
from kalshi_fix.adapters.store_server import DataLock, StoreServer

Connect = Callable[[], Bus]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    data = DataDir.create(tmp_path_factory.mktemp("store"))
    settings = StoreSettings(appendfsync="no")
    lock = DataLock(data)
    lock.acquire(0)
    server = StoreServer(data, settings, lock)
    server.start()
    server.wait_ready()
    yield Store.of(settings, data)
    assert server.stop(10)
    lock.release()


@pytest.fixture(params=["memory", "server"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Connections to a shard of the test's own."""
    shard = f"t-{time.monotonic_ns()}"
    make = MemoryStore().connect if request.param == "memory" else _server_bus(request)
    made: list[Bus] = []

    def connected() -> Bus:
        made.append(make(shard))
        return made[-1]

    yield connected
    for bus in made:
        bus.close()


def _server_bus(request: pytest.FixtureRequest) -> Callable[[str], Bus]:
    store: Store = request.getfixturevalue("store")
    return store.bus
