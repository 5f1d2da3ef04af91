"""Store servers on loopback, as an operator would run them beside the exchange."""

import signal
import subprocess
from pathlib import Path

from free_ports import free_port
from waiting import wait_until

from kalshi_fix.adapters.bus import BusError
from kalshi_fix.adapters.redis_url import parse
from kalshi_fix.adapters.settings import StoreSettings
from kalshi_fix.adapters.store import Store
from kalshi_fix.adapters.store_server import server_binary

SETTINGS = StoreSettings(connect_timeout_ms=500, socket_timeout_ms=1_000)
CLUSTERED = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000")
DURABLE = ("--appendonly", "yes", "--appendfsync", "no", "--repl-diskless-sync-delay", "0")


def ask(port: int, *request: str) -> object:
    """One request to one server."""
    connection = Store(SETTINGS, parse(f"redis://127.0.0.1:{port}")).connect("s0")
    try:
        return connection.call(*request)
    finally:
        connection.close()


def says(port: int, text: bytes, *request: str) -> bool:
    """Whether a server's answer contains something."""
    try:
        answer = ask(port, *request)
    except BusError:
        return False
    return isinstance(answer, bytes) and text in answer


class Nodes:
    """Servers by port. ``close`` at the end."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._commands: dict[int, list[str]] = {}
        self._bus_ports: dict[int, int] = {}

    def start(self, *options: str, sentinel: str = "") -> int:
        """Starts a server on a free port, waits until it answers."""
        port = free_port()
        directory = self._directory / f"node-{port}"
        directory.mkdir(parents=True)
        head = []
        if sentinel:
            (directory / "sentinel.conf").write_text(sentinel)
            head = [str(directory / "sentinel.conf"), "--sentinel"]
        command = [str(server_binary()), *head, "--port", str(port), "--dir", str(directory)]
        self._commands[port] = [*command, "--bind", "127.0.0.1", "--save", "", *options]
        self.start_again(port)
        return port

    def start_again(self, port: int) -> None:
        """One that was killed, with what it had on disk."""
        self._running[port] = subprocess.Popen(self._commands[port], stdout=subprocess.DEVNULL)
        wait_until(lambda: says(port, b"PONG", "PING"), f"server {port}")

    def kill(self, port: int) -> None:
        """kill -9."""
        server = self._running.pop(port)
        server.kill()
        server.wait()

    def stall(self, port: int) -> None:
        """SIGSTOP: its connections stay."""
        self._running[port].send_signal(signal.SIGSTOP)

    def go_on(self, port: int) -> None:
        """SIGCONT."""
        self._running[port].send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Ends all."""
        for port in list(self._running):
            self.kill(port)

    def cluster(self, count: int) -> list[int]:
        """A Cluster of primaries that share the slots; needs two or more."""
        ports = [self._member() for _ in range(count)]
        share = 16_384 // count
        for place, port in enumerate(ports):
            last = 16_383 if place == count - 1 else (place + 1) * share - 1
            ask(port, "CLUSTER", "ADDSLOTSRANGE", str(place * share), str(last))
            ask(port, "CLUSTER", "SET-CONFIG-EPOCH", str(place + 1))
        for port in ports[1:]:
            self._meet(ports[0], port)
        for port in ports:
            wait_until(
                lambda p=port: says(p, b"cluster_state:ok", "CLUSTER", "INFO"), "the cluster"
            )
        return ports

    def cluster_replica(self, primary: int) -> int:
        """Another member of the Cluster, which copies a primary."""
        port = self._member()
        self._meet(primary, port)
        name = ask(primary, "CLUSTER", "MYID")
        assert isinstance(name, bytes)
        wait_until(lambda: says(port, name, "CLUSTER", "NODES"), "the replica to know its primary")
        ask(port, "CLUSTER", "REPLICATE", name.decode())
        self.wait_for_link(port)
        return port

    def _member(self) -> int:
        """A server that may join a Cluster.

        Members talk to each other on a port chosen here: by itself it is 10,000 above the other,
        where a client's connection may be.
        """
        bus_port = free_port()
        port = self.start(*DURABLE, *CLUSTERED, "--cluster-port", str(bus_port))
        self._bus_ports[port] = bus_port
        return port

    def _meet(self, member: int, port: int) -> None:
        ask(member, "CLUSTER", "MEET", "127.0.0.1", str(port), str(self._bus_ports[port]))

    def wait_for_link(self, replica: int) -> None:
        """Until a replica has all that its primary has."""
        wait_until(
            lambda: says(replica, b"master_link_status:up", "INFO", "replication"), "the replica"
        )

    def sentinel(self) -> tuple[int, int]:
        """A primary with two replicas under one Sentinel; returns primary and Sentinel."""
        primary = self.start(*DURABLE)
        replicas = [
            self.start(*DURABLE, "--replicaof", "127.0.0.1", str(primary)) for _ in range(2)
        ]
        for port in replicas:
            self.wait_for_link(port)
        sentinel = self.start(
            sentinel=f"sentinel monitor main 127.0.0.1 {primary} 1\n"
            "sentinel down-after-milliseconds main 800\n"
            "sentinel failover-timeout main 4000\n"
        )
        wait_until(lambda: says(sentinel, b"slaves=2", "INFO", "sentinel"), "Sentinel to know all")
        return primary, sentinel
