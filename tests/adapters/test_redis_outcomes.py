"""What an error of the store means: certainly nothing written, or nobody knows."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from kalshi_fix.adapters.bus import (
    BusDownError,
    BusError,
    FencedError,
    Offset,
    OutcomeUnknownError,
    StaleOffsetError,
)
from kalshi_fix.adapters.redis_bus import RedisBus
from kalshi_fix.adapters.redis_connection import Connection
from kalshi_fix.adapters.redis_scripts import ALL
from kalshi_fix.adapters.redis_url import Address, StoreUrl, Topology

SOCKET_MS = 150
LOADED = b"$4\r\nsha1\r\n" * len(ALL)
Serve = Callable[[socket.socket], None]


@contextmanager
def scripted(*connections: Serve) -> Iterator[RedisBus]:
    """A bus on a server that loads scripts and then behaves as told, per connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    address = Address(host="127.0.0.1", port=listener.getsockname()[1])
    url = StoreUrl(topology=Topology.SINGLE, addresses=(address,))

    def run() -> None:
        for serve in connections:
            client, _ = listener.accept()
            with client:
                client.recv(65_536)
                client.sendall(LOADED)
                serve(client)

    server = threading.Thread(target=run)
    server.start()
    bus = RedisBus(lambda _shard: Connection(address, url, SOCKET_MS, SOCKET_MS), "s0")
    try:
        yield bus
    finally:
        bus.close()
        server.join(2)
        listener.close()


def answers(reply: bytes) -> Serve:
    def serve(client: socket.socket) -> None:
        client.recv(65_536)
        client.sendall(reply)
        client.recv(65_536)

    return serve


def hangs_up(client: socket.socket) -> None:
    client.recv(65_536)


def says_nothing(client: socket.socket) -> None:
    while client.recv(65_536):
        pass


def append(bus: RedisBus) -> None:
    bus.append_commands(b"x")


def commit(bus: RedisBus) -> None:
    bus.commit("1:me", Offset(), Offset("1-0"), [], 1_000)


def read(bus: RedisBus) -> None:
    bus.read_commands("0-0", 1, 0)


@pytest.mark.parametrize("serve", [hangs_up, says_nothing])
@pytest.mark.parametrize("write", [append, commit])
def test_a_write_without_an_answer_may_have_happened(
    serve: Serve, write: Callable[[RedisBus], None]
) -> None:
    with scripted(serve) as bus, pytest.raises(OutcomeUnknownError):
        write(bus)


def test_a_write_that_broke_in_the_middle_may_have_happened() -> None:
    with scripted(hangs_up) as bus, pytest.raises(OutcomeUnknownError):
        bus.append_commands(b"x" * 20_000_000)  # more than the sockets hold


@pytest.mark.parametrize("serve", [hangs_up, says_nothing])
def test_a_read_without_an_answer_wrote_nothing(serve: Serve) -> None:
    with scripted(serve) as bus, pytest.raises(BusDownError):
        read(bus)


@pytest.mark.parametrize(
    "reply",
    [
        b"-LOADING the dataset\r\n",
        b"-READONLY replica\r\n",
        b"-MISCONF disk\r\n",
        b"-OOM command not allowed\r\n",
        b"-NOREPLICAS\r\n",
        b"-MOVED 1 1.2.3.4:5\r\n",
        b"-NOSCRIPT\r\n",
    ],
)
@pytest.mark.parametrize("call", [append, commit, read])
def test_a_refusing_server_wrote_nothing(reply: bytes, call: Callable[[RedisBus], None]) -> None:
    with scripted(answers(reply)) as bus, pytest.raises(BusDownError):
        call(bus)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (b"-FENCED by 2:other\r\n", FencedError),
        (b"-STALEOFF 7-0 0\r\n", StaleOffsetError),
        (b"-ERR half of a script failed\r\n", OutcomeUnknownError),
    ],
)
def test_a_commit_s_refusals_are_told_apart(reply: bytes, error: type[BusError]) -> None:
    with scripted(answers(reply)) as bus, pytest.raises(error):
        commit(bus)


def test_nobody_there_means_nothing_written() -> None:
    address = Address(path="/nonexistent/store.sock")
    url = StoreUrl(topology=Topology.SINGLE, addresses=(address,))
    bus = RedisBus(lambda _shard: Connection(address, url, SOCKET_MS, SOCKET_MS), "s0")
    with pytest.raises(BusDownError, match="/nonexistent/store"):
        append(bus)


def test_the_call_after_an_error_connects_anew_and_repeats_nothing() -> None:
    seen: list[bytes] = []

    def records(client: socket.socket) -> None:
        seen.append(client.recv(65_536))
        client.sendall(b"$3\r\n1-0\r\n")
        client.recv(65_536)

    with scripted(hangs_up, records) as bus:
        with pytest.raises(OutcomeUnknownError):
            bus.append_commands(b"first")
        assert bus.append_commands(b"second") == "1-0"
    assert len(seen) == 1
    assert b"second" in seen[0]
    assert b"first" not in seen[0]


def test_too_few_replicas_leave_the_outcome_unknown() -> None:
    with scripted(answers(b"$3\r\n1-0\r\n:0\r\n")) as one:
        bus = RedisBus(one._connect, "s0", replicas=1)
        with pytest.raises(OutcomeUnknownError, match="0 of 1 replicas"):
            append(bus)
        bus.close()


@pytest.mark.parametrize("fault", [b"-UNBLOCKED master -> replica", b"-ERR WAIT on a replica"])
@pytest.mark.parametrize("write", [append, commit])
def test_a_primary_demoted_behind_a_write_leaves_the_outcome_unknown(
    fault: bytes, write: Callable[[RedisBus], None]
) -> None:
    with scripted(answers(b"$3\r\n1-0\r\n" + fault + b"\r\n")) as one:
        bus = RedisBus(one._connect, "s0", replicas=1)
        with pytest.raises(OutcomeUnknownError):
            write(bus)
        assert bus._connection is None, "it is not the server to ask any more"
        bus.close()
