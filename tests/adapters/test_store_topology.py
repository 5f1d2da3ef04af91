"""Finding the right server: replica, Sentinel, Cluster, with real servers on loopback."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from free_ports import free_port

from kalshi_fix.adapters.bus import BusDownError, BusError, Entry, Offset, OutcomeUnknownError
from kalshi_fix.adapters.redis_bus import RedisBus
from kalshi_fix.adapters.redis_url import parse
from kalshi_fix.adapters.settings import StoreSettings
from kalshi_fix.adapters.store import Store
from kalshi_fix.adapters.store_server import server_binary

SETTINGS = StoreSettings(connect_timeout_ms=500, socket_timeout_ms=1_000)
Start = Callable[..., int]


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.02)


def ask(port: int, *request: str) -> object:
    connection = Store(SETTINGS, parse(f"redis://127.0.0.1:{port}")).connect("s0")
    try:
        return connection.call(*request)
    finally:
        connection.close()


def answers(port: int) -> bool:
    try:
        return ask(port, "PING") == b"PONG"
    except BusError:
        return False


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers on free ports."""
    running: list[subprocess.Popen[bytes]] = []

    def started(*options: str, config: str = "") -> int:
        port = free_port()
        directory = tmp_path / str(port)
        directory.mkdir()
        head = []
        if config:
            (directory / "server.conf").write_text(config)
            head = [str(directory / "server.conf"), "--sentinel"]
        command = [str(server_binary()), *head, "--port", str(port), "--dir", str(directory)]
        running.append(
            subprocess.Popen(
                [*command, "--bind", "127.0.0.1", "--save", "", *options],
                stdout=subprocess.DEVNULL,
            )
        )
        wait_for(lambda: answers(port), f"server {port}")
        return port

    yield started
    for server in running:
        server.kill()
        server.wait()


def test_with_a_replica_acknowledged_means_replicated(start: Start) -> None:
    primary = start("--appendonly", "yes", "--appendfsync", "no", "--repl-diskless-sync-delay", "0")
    settings = StoreSettings(replicas=1, socket_timeout_ms=2_000)
    bus = Store(settings, parse(f"redis://127.0.0.1:{primary}/0")).bus("s0")
    with pytest.raises(OutcomeUnknownError, match="0 of 1 replicas"):
        bus.append_commands(b"nobody copies")
    replica = start("--replicaof", "127.0.0.1", str(primary))
    wait_for(lambda: b"link_status:up" in ask(replica, "INFO", "replication"), "the replica")
    bus.append_commands(b"copied")
    copy = Store(SETTINGS, parse(f"redis://127.0.0.1:{replica}/0")).bus("s0")
    assert [entry.payload for entry in copy.read_commands("0-0", 9, 0)][-1] == b"copied"
    with pytest.raises(BusDownError, match="READONLY"):
        copy.append_commands(b"to the replica")
    bus.close()
    copy.close()


def test_with_a_replica_nothing_is_acted_on_that_a_failover_would_take_back(start: Start) -> None:
    """The replica stands still: what only the primary has is not shown to a core or gateway."""
    primary = start("--appendonly", "yes", "--appendfsync", "no", "--repl-diskless-sync-delay", "0")
    replica = start("--replicaof", "127.0.0.1", str(primary))
    wait_for(lambda: b"link_status:up" in ask(replica, "INFO", "replication"), "the replica")
    url = parse(f"redis://127.0.0.1:{primary}/0")
    careless = Store(SETTINGS, url).bus("s0")
    careful = Store(StoreSettings(replicas=1, socket_timeout_ms=600), url).bus("s0")
    replica_pid = pid_of(replica)
    os.kill(replica_pid, signal.SIGSTOP)
    try:
        careless.append_commands(b"order")
        state = careless.acquire("core", 10_000)
        assert state is not None
        careless.commit(state.token, Offset(), Offset("1-0"), [Entry("1-0", b"report")], 10_000)
        with pytest.raises(BusDownError, match="0 of 1 replicas"):
            careful.read_commands("0-0", 9, 0)
        with pytest.raises(BusDownError, match="0 of 1 replicas"):
            careful.read_events(0, 9, 0)
    finally:
        os.kill(replica_pid, signal.SIGCONT)
    wait_for(lambda: shows(careful, [b"order"], [b"report"]), "the replica to have both")
    careless.close()
    careful.close()


def pid_of(port: int) -> int:
    information = ask(port, "INFO", "server")
    assert isinstance(information, bytes)
    return int(information.partition(b"process_id:")[2].split()[0])


def shows(bus: RedisBus, commands: list[bytes], events: list[bytes]) -> bool:
    try:
        found = [entry.payload for entry in bus.read_commands("0-0", 9, 0)]
        return (found, [e.payload for e in bus.read_events(0, 9, 0)]) == (commands, events)
    except BusDownError:
        return False


def test_sentinel_names_the_master(start: Start) -> None:
    primary = start()
    sentinel = start(config=f"sentinel monitor main 127.0.0.1 {primary} 1\n")
    nobody = free_port()
    url = parse(f"redis+sentinel://127.0.0.1:{nobody},127.0.0.1:{sentinel}/main")
    connection = Store(SETTINGS, url).connect("s0")
    assert connection.address.port == primary
    connection.close()
    with pytest.raises(BusDownError, match="knows no other"):
        Store(SETTINGS, parse(f"redis+sentinel://127.0.0.1:{sentinel}/other")).connect("s0")


def test_sentinel_s_answer_is_checked_with_the_server_itself(start: Start) -> None:
    primary = start()
    replica = start("--replicaof", "127.0.0.1", str(primary))
    sentinel = start(config=f"sentinel monitor main 127.0.0.1 {primary} 1\n")
    connection = Store(SETTINGS, parse(f"redis://127.0.0.1:{primary}")).connect("s0")
    connection.call("REPLICAOF", "127.0.0.1", str(replica))
    connection.close()
    with pytest.raises(BusDownError, match="is a slave, not the master"):
        Store(SETTINGS, parse(f"redis+sentinel://127.0.0.1:{sentinel}/main")).connect("s0")


def test_cluster_sends_each_shard_to_the_owner_of_its_slot(start: Start) -> None:
    clustered = ("--cluster-enabled", "yes", "--appendonly", "yes", "--appendfsync", "no")
    bus_ports = free_port(), free_port()  # by itself 10,000 above, where a connection may be
    first, second = (start(*clustered, "--cluster-port", str(port)) for port in bus_ports)
    ask(first, "CLUSTER", "ADDSLOTSRANGE", "0", "8191")
    ask(second, "CLUSTER", "ADDSLOTSRANGE", "8192", "16383")
    ask(first, "CLUSTER", "MEET", "127.0.0.1", str(second), str(bus_ports[1]))
    ask(second, "CLUSTER", "SET-CONFIG-EPOCH", "2")
    for port in (first, second):
        wait_for(lambda p=port: b"cluster_state:ok" in ask(p, "CLUSTER", "INFO"), "the cluster")
    store = Store(SETTINGS, parse(f"redis+cluster://127.0.0.1:{first}"))
    owners = {}
    for shard in ("s0", "s1", "s2", "s3"):
        bus = store.bus(shard)
        bus.append_commands(shard.encode())  # a wrong node would answer MOVED
        state = bus.acquire("core", 1_000)
        assert state is not None
        assert [entry.payload for entry in bus.read_commands("0-0", 9, 0)] == [shard.encode()]
        connection = store.connect(shard)
        owners[shard] = connection.address.port
        connection.close()
        bus.close()
    assert set(owners.values()) == {first, second}
    ask(first, "CONFIG", "SET", "cluster-preferred-endpoint-type", "unknown-endpoint")
    for shard, owner in owners.items():  # its answer names ports alone
        connection = store.connect(shard)
        assert connection.address.port == owner
        connection.close()
