"""The edge as a process: ready, a clean stop, and the clear line when it cannot start."""

import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_rig import logon

OFFSET = 21_700  # away from every other test's ports
WAIT_SECONDS = 10
COMMAND = [sys.executable, "-c", "from kalshi_fix.cli import main; main()", "edge"]


@contextmanager
def edge(*options: str, offset: int = OFFSET) -> Iterator[subprocess.Popen[str]]:
    with tempfile.TemporaryDirectory(prefix="edge-") as data:
        process = subprocess.Popen(
            [*COMMAND, "--port-offset", str(offset), "--data", data, *options],
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate(timeout=WAIT_SECONDS)


def wait_until_ready(offset: int = OFFSET) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{9304 + offset}/readyz", timeout=1):
                return
        except OSError:
            assert time.monotonic() < until, "the edge did not become ready"
            time.sleep(0.05)


def test_a_ready_edge_decides_logons_and_stops_cleanly_when_told() -> None:
    with edge() as process:
        wait_until_ready()
        with socket.create_connection(("127.0.0.1", 8230 + OFFSET), timeout=WAIT_SECONDS) as client:
            # no gateway runs: with 141=Y the edge says so itself
            client.sendall(logon("ALPHA-RT", t554="demo-alpha", t141="Y"))
            assert b"\x0158=EXCHANGE_UNAVAILABLE\x01" in client.recv(4_096)
            assert client.recv(4_096) == b""
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_SECONDS) == 0


def test_a_port_in_use_is_one_line_and_exit_code_2() -> None:
    with socket.create_server(("127.0.0.1", 8230 + OFFSET)), edge() as process:
        _, errors = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 2
    assert errors.count("\n") == 1
    assert f"127.0.0.1 port {8230 + OFFSET}" in errors


def test_an_open_session_on_a_public_address_is_refused_at_start(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "config" / "conformance.toml").read_text()
    config = tmp_path / "open.toml"
    config.write_text(text.replace('host = "127.0.0.1"', 'host = "0.0.0.0"'))
    with edge("--config", str(config)) as process:
        _, errors = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 2
    assert "open_on_loopback" in errors
