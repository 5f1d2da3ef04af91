"""The HAProxy example of ops/haproxy as it stands, in front of an edge, where haproxy exists."""

import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from free_ports import free_port
from waiting import wait_until

sys.path.insert(0, str(Path(__file__).parents[1] / "edge"))

from certificates import Authority
from edge_rig import Client, edge_settings, logon, order, rig, run, session, until

HAPROXY = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
EXAMPLE = Path(__file__).parents[2] / "ops" / "haproxy" / "haproxy.cfg"
pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(HAPROXY is None, reason="the package haproxy is not installed"),
]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path)


@pytest.fixture
def edge_port() -> int:
    return free_port()


@pytest.fixture
def proxy(authority: Authority, edge_port: int) -> Iterator[int]:
    """The port of a running HAProxy with the example's configuration."""
    assert HAPROXY is not None
    pair = authority.issue("proxy", "proxy")
    bundle = pair.with_suffix(".bundle")
    bundle.write_bytes(
        pair.with_suffix(".pem").read_bytes() + pair.with_suffix(".key").read_bytes()
    )
    port = free_port()
    environment = os.environ | {
        "FIX_BIND": f"127.0.0.1:{port}",
        "FIX_CERTIFICATE": str(bundle),
        "FIX_EDGE": f"127.0.0.1:{edge_port}",
    }
    process = subprocess.Popen([HAPROXY, "-db", "-f", str(EXAMPLE)], env=environment)
    try:
        wait_until(lambda: process.poll() is not None or _listens(port), "haproxy")
        assert process.poll() is None
        yield port
    finally:
        process.kill()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_session_works_behind_the_example_and_keeps_its_address(
    authority: Authority, proxy: int, edge_port: int
) -> None:
    context = authority.client()

    async def connected() -> Client:
        return await Client.connect(proxy, ssl=context, server_hostname="127.0.0.1")

    async def test() -> None:
        listed = session("A-RT", "RT", addresses=("127.0.0.1",))
        settings = edge_settings(listed, proxies=("127.0.0.1",))
        settings.edge.ports["RT"] = edge_port
        async with rig(settings) as found:
            client = await connected()
            found.clients.append(client)
            client.send(logon())
            assert (await client.receive())[35] == "A"
            client.send(order(2))
            await until(lambda: found.engine.of("D"))
            stranger = await connected()
            stranger.send(b"GET / HTTP/1.1\r\n\r\n")
            assert await stranger.end(8) == b""
            assert not found.count('edge_rejected_connections_total{reason="not_fix44"}')
            with pytest.raises(ssl.SSLError):
                await Client.connect(proxy, ssl=ssl.create_default_context(), server_hostname="x")

    run(test)
