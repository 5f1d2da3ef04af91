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
from running_system import free_offset

from kalshi_fix.adapters.config import load
from kalshi_fix.adapters.passwords import hash_password

OFFSET = free_offset()
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


def answer_to(password: str, offset: int = OFFSET) -> bytes:
    with socket.create_connection(("127.0.0.1", 8230 + offset), timeout=WAIT_SECONDS) as client:
        client.sendall(logon("ALPHA-RT", t554=password, t141="Y"))
        return client.recv(4_096)


def wait_for(log: Path, what: str) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while what not in log.read_text():
        assert time.monotonic() < until, f"{what} never came"
        time.sleep(0.05)


def test_a_password_changed_in_the_configuration_is_taken_up_at_sighup(tmp_path: Path) -> None:
    demo = Path(__file__).parents[2] / "config" / "demo.toml"
    config, log = tmp_path / "demo.toml", tmp_path / "data" / "logs" / "edge.log"
    config.write_text(demo.read_text())
    old = load(config).sessions[1]
    assert old.name == "ALPHA-RT"
    options = ("--config", str(config), "--data", str(tmp_path / "data"))
    with edge(*options) as process:
        wait_until_ready()
        assert b"58=EXCHANGE_UNAVAILABLE" in answer_to("demo-alpha")
        text = demo.read_text().replace(old.password_scrypt, hash_password("changed", n=2**10))
        config.write_text(text)
        process.send_signal(signal.SIGHUP)
        wait_for(log, "credentials_reloaded")
        assert b"58=INVALID_CREDENTIALS" in answer_to("demo-alpha")
        assert b"58=EXCHANGE_UNAVAILABLE" in answer_to("changed")
        config.write_text(text.replace("[[firms]]", "[[firmes]]", 1))
        process.send_signal(signal.SIGHUP)
        wait_for(log, "not_reloaded")  # edited wrongly: everything stays as it was
        assert b"58=EXCHANGE_UNAVAILABLE" in answer_to("changed")
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
