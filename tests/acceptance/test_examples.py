"""The examples the README shows are files, and they work as they stand."""

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from clients.quickfix_engine import DICTIONARY
from running_system import ROOT, RunningSystem

EXAMPLES = ROOT / "docs" / "examples"
EXAMPLE_SECONDS = 60


def example(name: str, *arguments: str, cwd: Path) -> str:
    finished = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        capture_output=True,
        text=True,
        timeout=EXAMPLE_SECONDS,
        check=False,
        cwd=cwd,
    )
    assert finished.returncode == 0, finished
    return finished.stdout


@pytest.mark.acceptance
def test_the_quickfix_example_trades(system: RunningSystem, tmp_path: Path) -> None:
    shutil.copy(DICTIONARY, tmp_path / "FIX44.xml")
    text = (EXAMPLES / "quickfix_client.cfg").read_text()
    assert "SocketConnectPort=8230\n" in text
    config = tmp_path / "client.cfg"
    config.write_text(text.replace("8230", str(system.port("RT"))))
    printed = example("quickfix_client.py", str(config), cwd=tmp_path)
    assert "status 0, 10.00 open" in printed
    assert "status 4, 0.00 filled" in printed
    assert "rejected" not in printed


@pytest.mark.acceptance
def test_the_simplefix_example_trades(system: RunningSystem, tmp_path: Path) -> None:
    printed = example("simplefix_client.py", str(system.port("NR")), cwd=tmp_path)
    assert "status 0, 10.00 open" in printed
    assert "status 4, 0.00 filled" in printed


def settings(name: str) -> dict[str, str]:
    parser = configparser.ConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read(EXAMPLES / name)
    return dict(parser["DEFAULT"])


# What QuickFIX/J calls differently, or needs beside what QuickFIX has.
QUICKFIXJ_ONLY = {"NonStopSession": "Y", "TimeStampPrecision": "MILLIS"}
QUICKFIX_ONLY = {"StartTime", "EndTime", "Username", "Password"}


def test_the_quickfixj_settings_say_what_the_tested_ones_say() -> None:
    tested, shown = settings("quickfix_client.cfg"), settings("quickfixj.cfg")
    for key, value in shown.items():
        assert value == (tested | QUICKFIXJ_ONLY)[key], key
    assert set(tested) - set(shown) == QUICKFIX_ONLY
