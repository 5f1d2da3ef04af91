"""The people's client trades over TLS on a real system, and talks to nobody it does not trust."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from edge.certificates import Authority
from running_system import DEMO_CONFIG, RunningSystem

pytestmark = pytest.mark.acceptance
TLS = """[edge.tls]
certificate = "edge.pem"
key = "edge.key"
client_ca = "{authority}"

[gateway]
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def system(authority: Authority) -> Iterator[RunningSystem]:
    """The demo with TLS instead of plain FIX."""
    authority.issue("edge", "edge", "localhost")
    text = DEMO_CONFIG.read_text().replace("plain = true", "plain = false")
    config = authority.directory / "tls.toml"
    config.write_text(text.replace("[gateway]\n", TLS.format(authority=authority.file.name)))
    with RunningSystem(authority.directory / "data", config).running() as running:
        yield running


def client(
    system: RunningSystem, typed: str, *options: Path | str
) -> "subprocess.CompletedProcess[str]":
    program = [sys.executable, str(Path(sys.executable).with_name("kalshi-fix"))]
    words = ["client", "--as", "ALPHA-RT", "--port", str(system.port("RT")), *map(str, options)]
    return subprocess.run(
        [*program, *words], input=typed, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_person_trades_over_tls_with_a_certificate_of_ones_own(
    system: RunningSystem, authority: Authority
) -> None:
    own = authority.issue("alpha", "ALPHA-RT")
    shown = "--certificate", own.with_suffix(".pem"), "--key", own.with_suffix(".key")
    done = client(system, "buy KXTEST-T 5 0.40\n", "--ca", authority.file, *shown)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "OrdStatus=NEW" in done.stdout


def test_many_answers_in_one_tls_record_are_all_read(
    system: RunningSystem, authority: Authority
) -> None:
    orders = "".join(f"buy KXTEST-U 1 0.{price}\n" for price in range(10, 40))
    done = client(system, f"{orders}orders\nbook KXTEST-U\ncancel all\n", "--ca", authority.file)
    assert done.stdout.count("OrdStatus=CANCELED") >= 30, done.stdout
    assert "buy YES" in done.stdout, "the book, of another session"


def test_an_edge_of_a_strange_authority_is_not_talked_to(
    system: RunningSystem, tmp_path: Path
) -> None:
    done = client(system, "", "--ca", Authority.make(tmp_path).file)
    assert done.returncode == 1
    assert "certificate verify failed" in done.stdout


def test_a_file_that_holds_no_certificate_is_a_usage_error(
    system: RunningSystem, tmp_path: Path
) -> None:
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing")
    assert client(system, "", "--ca", nothing).returncode == 2
