"""`kalshi-fix admin-service`: the service as a process of its own, for production."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_system import KALSHI_FIX, free_offset
from waiting import wait_until

from kalshi_fix.adapters.paths import DataDir

pytestmark = pytest.mark.acceptance
SECONDS = 20


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    options = ["--data", str(tmp_path), "--port-offset", str(free_offset())]
    return [str(KALSHI_FIX), "admin-service", *options]


@pytest.fixture
def service(command: list[str], tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """The service without any store: it must come up and say what is missing."""
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        wait_until(DataDir.create(tmp_path).admin_socket.exists, "the admin socket", SECONDS)
        yield process
        process.kill()


def admin(data: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(KALSHI_FIX), "admin", "--as", "op1", "--data", str(data), "--json", *args],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_it_serves_without_a_store_and_says_so(
    service: "subprocess.Popen[bytes]", tmp_path: Path
) -> None:
    (row,) = json.loads(admin(tmp_path, "status").stdout)
    assert "store unreachable" in row["core"]
    listing = admin(tmp_path, "markets", "list")
    assert (listing.returncode, json.loads(listing.stdout)["status"]) == (2, "unreachable")
    service.send_signal(signal.SIGTERM)
    assert service.wait(SECONDS) == 0


def test_a_second_one_on_the_same_data_is_one_line_and_exit_code_2(
    service: "subprocess.Popen[bytes]", command: list[str]
) -> None:
    second = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert second.returncode == 2
    assert "another admin service answers on" in second.stderr.splitlines()[-1]
    assert service.poll() is None
