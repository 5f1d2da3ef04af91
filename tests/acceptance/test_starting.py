"""Starting where one cannot start: one clear line and exit code 2."""

import socket
import subprocess
from pathlib import Path

import pytest
from acceptance.conftest import Start
from running_system import DEMO_CONFIG, KALSHI_FIX, RunningSystem

pytestmark = pytest.mark.acceptance
EXIT_SECONDS = 90


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(KALSHI_FIX), "run", *arguments],
        capture_output=True,
        text=True,
        timeout=EXIT_SECONDS,
        check=False,
        env={"PATH": "/usr/bin:/bin", **environment},
    )


def only_line(finished: "subprocess.CompletedProcess[str]") -> str:
    assert finished.returncode == 2, finished
    lines = finished.stderr.strip().splitlines()
    assert len(lines) == 1, finished.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("[core]\nspeed = 3\n", ["speed"]),
        ('[core]\nlease_ms = "soon"\n', ["lease_ms"]),
        ("[core\n", ["TOML"]),
        ("[edge]\nports = { NR = 8228, RT = 8228 }\n", ["8228"]),
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_one_line_that_names_file_and_key(
    tmp_path: Path, change: str, words: list[str]
) -> None:
    config = tmp_path / "wrong.toml"
    config.write_text(change)
    line = only_line(run("--config", str(config), "--data", str(tmp_path / "data")))
    assert "wrong.toml" in line
    for word in words:
        assert word in line


def test_a_missing_configuration_is_one_line(tmp_path: Path) -> None:
    line = only_line(run("--config", str(tmp_path / "no.toml"), "--data", str(tmp_path / "data")))
    assert "no.toml" in line


@pytest.mark.parametrize("role", ["RT", "MD"])
def test_a_port_in_use_is_one_line_that_names_it(tmp_path: Path, role: str) -> None:
    system = RunningSystem(tmp_path / "data")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # ended connections may linger
        taken.bind(("127.0.0.1", system.port(role)))
        taken.listen()
        line = only_line(run(*system.options))
    assert str(system.port(role)) in line


def test_a_data_directory_in_use_is_one_line(fresh_system: Start, tmp_path: Path) -> None:
    first = fresh_system(tmp_path / "data")
    first.start()
    second = RunningSystem(tmp_path / "data", offset=first.offset + 100)
    line = only_line(run(*second.options))
    assert str(tmp_path / "data") in line
    assert first.stop() == 0


def test_an_unreachable_store_is_one_line(tmp_path: Path) -> None:
    system = RunningSystem(tmp_path / "data", DEMO_CONFIG)
    nowhere = f"unix://{tmp_path}/nobody.sock"
    line = only_line(run(*system.options, REDIS_URL=nowhere))
    assert "nobody.sock" in line
