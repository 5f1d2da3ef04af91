import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kalshi_fix.adapters.bus import BusDownError
from kalshi_fix.adapters.children import spawn, stop
from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.settings import StoreSettings
from kalshi_fix.adapters.store import Store, StoreUnsafeError, external_url
from kalshi_fix.adapters.store_server import (
    DataLock,
    StoreServer,
    StoreServerError,
    server_binary,
)

SETTINGS = StoreSettings()


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    return DataDir.create(tmp_path)


@pytest.fixture
def server(data: DataDir) -> Iterator[StoreServer]:
    lock = DataLock(data)
    lock.acquire(0)
    server = StoreServer(data, SETTINGS, lock)
    server.start()
    server.wait_ready()
    yield server
    server.stop(10)
    lock.release()


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.01)


def _ignores_sigterm(pid: int) -> bool:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigIgn:"):
            return bool(int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return False


def test_what_is_acknowledged_survives_a_kill(data: DataDir, server: StoreServer) -> None:
    bus = Store.of(SETTINGS, data).bus("s0")
    ids = [bus.append_commands(b"%d" % n) for n in range(50)]
    child = server._child
    assert child is not None
    child.kill()
    child.wait()
    with pytest.raises(BusDownError):
        bus.read_commands("0-0", 1, 0)
    server.start()
    server.wait_ready()
    assert [entry.id for entry in bus.read_commands("0-0", 100, 0)] == ids
    bus.close()


@pytest.mark.usefixtures("server")
def test_the_embedded_server_passes_its_own_check_and_has_no_port(data: DataDir) -> None:
    store = Store.of(SETTINGS, data)
    assert "Valkey 9" in store.check("s0")
    connection = store.connect("s0")
    assert connection.call("CONFIG", "GET", "port") == [b"port", b"0"]
    connection.close()
    assert data.store_socket.stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("appendfsync", "everysec", "appendfsync everysec loses acknowledged orders"),
        ("appendonly", "no", "appendonly no loses acknowledged orders"),
        ("maxmemory-policy", "allkeys-lru", "maxmemory-policy allkeys-lru evicts"),
    ],
)
def test_a_server_that_would_lose_orders_is_refused(
    data: DataDir, setting: str, value: str, says: str
) -> None:
    store = Store.of(SETTINGS, data)
    connection = store.connect("s0")
    connection.call("CONFIG", "SET", setting, value)
    connection.close()
    with pytest.raises(StoreUnsafeError, match=says):
        store.check("s0")


@pytest.mark.usefixtures("server")
def test_a_second_system_on_the_same_data_is_refused(data: DataDir) -> None:
    with pytest.raises(StoreServerError, match=f"locked by process {os.getpid()}"):
        DataLock(data).acquire(0.05)


def test_the_lock_outlives_its_owner_as_long_as_the_server_writes(data: DataDir) -> None:
    lock = DataLock(data)
    lock.acquire(0)
    server = StoreServer(data, SETTINGS, lock)
    child = server.start()
    server.wait_ready()
    lock.release()
    with pytest.raises(StoreServerError, match="locked"):
        DataLock(data).acquire(0)
    assert stop(child, 10)
    lock.acquire(5)
    lock.release()


def test_a_server_that_cannot_start_says_why(data: DataDir) -> None:
    lock = DataLock(data)
    lock.acquire(0)
    (data.store / "appendonlydir").write_text("a file where a directory belongs")
    server = StoreServer(data, SETTINGS, lock)
    server.start()
    with pytest.raises(StoreServerError, match="appendonlydir"):
        server.wait_ready()
    lock.release()


def test_damaged_files_are_refused_and_left_as_they_are(data: DataDir) -> None:
    lock = DataLock(data)
    lock.acquire(0)
    server = StoreServer(data, SETTINGS, lock)
    server.start()
    server.wait_ready()
    bus = Store.of(SETTINGS, data).bus("s0")
    for number in range(200):
        bus.append_commands(b"%d" % number)
    bus.close()
    assert server.stop(10)
    (journal,) = (data.store / "appendonlydir").glob("*.incr.aof")
    content = bytearray(journal.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 9] = b"#" * 9
    journal.write_bytes(content)
    server.start()
    with pytest.raises(StoreServerError, match=r"Bad file format .*nothing was changed"):
        server.wait_ready()
    assert journal.read_bytes() == content
    lock.release()


def test_children_die_with_a_parent_that_is_killed() -> None:
    program = (
        "import sys, time\n"
        "from kalshi_fix.adapters.children import spawn\n"
        "print(spawn(['sleep', '60']).pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not is_running(child))


def test_a_child_that_ignores_sigterm_is_killed() -> None:
    program = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
    child = spawn([sys.executable, "-c", program])
    wait_until(lambda: _ignores_sigterm(child.pid))
    assert stop(child, 0.1) is False
    assert child.returncode == -signal.SIGKILL


def test_the_order_is_environment_then_configuration_then_embedded() -> None:
    configured = StoreSettings(url="redis://configured")
    assert external_url(configured, {"REDIS_URL": "redis://environment"}) == "redis://environment"
    assert external_url(configured, {}) == "redis://configured"
    assert external_url(StoreSettings(), {}) == ""


def test_the_binary_is_the_wheel_s() -> None:
    assert server_binary().name == "valkey-server"
