"""A log that cannot be written ends nothing, and says afterwards what is missing."""

import contextlib
import json
import os
from pathlib import Path

import pytest

from kalshi_fix.adapters.logs import open_log
from kalshi_fix.adapters.settings import LogSettings


def events(path: Path) -> list[str]:
    return [json.loads(line)["event"] for line in path.read_text().splitlines()]


def test_lines_a_full_disk_did_not_take_are_counted_in_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.log"
    log = open_log("test", LogSettings(stderr_level="critical"), path)
    log.info("before")

    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        log.info("lost")
        log.info("lost_too")
    log.info("after")
    assert events(path) == ["before", "log_lines_lost", "after"]
    assert json.loads(path.read_text().splitlines()[1])["count"] == 2


def test_a_terminal_that_has_gone_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    path = tmp_path / "b.log"
    gone = os.fdopen(writer, "w", buffering=1)
    log = open_log("test", LogSettings(stderr_level="info"), path, gone)
    log.error("first")
    log.error("second")
    assert events(path) == ["first", "second"]
    with contextlib.suppress(BrokenPipeError):
        gone.close()


def test_a_file_that_is_full_goes_on_in_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "c.log"
    log = open_log("test", LogSettings(stderr_level="critical", file_max_bytes=4_096), path)
    for number in range(60):
        log.info("line", number=number)
    numbers = [
        json.loads(line)["number"]
        for name in ("c.log.2", "c.log.1", "c.log")
        if (tmp_path / name).exists()
        for line in (tmp_path / name).read_text().splitlines()
    ]
    assert numbers == list(range(60))
