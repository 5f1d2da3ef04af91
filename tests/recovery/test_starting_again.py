"""Start = recover: what a killed run left is gone on with; what is damaged or newer is refused."""

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import msgpack
import pytest
from recovery.recovery_parts import accepted, client, configuration, open_orders, system_of
from running_system import RunningSystem
from waiting import wait_until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]
ORDERS = 5


def shard(data: Path) -> Path:
    return data / "shards" / "s0"


def snapshots(data: Path) -> list[Path]:
    return sorted((shard(data) / "snapshots").glob("*.snapshot"))


def segments(data: Path, stream: str) -> list[Path]:
    return sorted((shard(data) / "archive").glob(f"{stream}-*.segment"))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, set[str]]]:
    """Data of a run that traded, made snapshots, archived and trimmed, and was killed."""
    system = system_of(tmp_path_factory.mktemp("killed"), configuration())
    try:
        system.start()
        session = client(system, "ONE-RT")
        orders = {accepted(session).get(37) for _ in range(ORDERS)}
        log = system.data / "logs" / "core-s0.log"

        def is_trimmed() -> bool:
            orders.add(accepted(session).get(37))
            return log.read_text().count('"trimmed"') > 1

        wait_until(is_trimmed, "the streams to be trimmed", 60)
        session.close()
        system.kill()
        yield system.data, orders
    finally:
        system.kill()


@pytest.fixture
def again(killed: tuple[Path, set[str]], tmp_path: Path) -> Iterator[RunningSystem]:
    """A system on a copy of that data, not started."""
    system = system_of(tmp_path, configuration())
    shutil.copytree(killed[0], system.data, ignore=shutil.ignore_patterns("*.sock", "logs"))
    yield system
    system.kill()


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 9] = b"#" * 9
    path.write_bytes(content)


def test_a_killed_run_is_gone_on_with(again: RunningSystem, killed: tuple[Path, set[str]]) -> None:
    again.start()
    session = client(again, "ONE-RT")
    assert killed[1] == set(open_orders(session))
    assert accepted(session)
    assert again.stop(signal.SIGTERM) == 0, again.story()


def test_a_damaged_snapshot_costs_nothing_but_time(
    again: RunningSystem, killed: tuple[Path, set[str]]
) -> None:
    damage(snapshots(again.data)[-1])
    again.start()
    session = client(again, "ONE-RT")
    assert killed[1] == set(open_orders(session))
    session.close()


def test_without_any_snapshot_the_archive_is_replayed(
    again: RunningSystem, killed: tuple[Path, set[str]]
) -> None:
    for path in snapshots(again.data):
        path.unlink()
    again.start()
    assert "replaying" in (again.data / "logs" / "core-s0.log").read_text()
    session = client(again, "ONE-RT")
    assert killed[1] == set(open_orders(session))
    session.close()


def newer_snapshot(data: Path) -> Path:
    path = snapshots(data)[-1]
    _, checksum, body = msgpack.unpackb(path.read_bytes())
    path.write_bytes(msgpack.packb([2, checksum, body]))
    return path


def newer_archive(data: Path) -> Path:
    path = segments(data, "evt")[-1]
    content = bytearray(path.read_bytes())
    content[8] = 9
    path.write_bytes(content)
    return path


def damaged_archive(data: Path) -> Path:
    path = segments(data, "cmd")[-1]
    damage(path)
    return path


def damaged_journal(data: Path) -> Path:
    (path,) = (data / "store" / "appendonlydir").glob("*.incr.aof")
    content = bytearray(path.read_bytes())
    start = content.index(b"\r\n*", len(content) // 2) + 2  # a command starts here
    content[start : start + 4] = b"####"
    path.write_bytes(content)
    return path


def damaged_lane(data: Path) -> Path:
    path = data / "lanes" / "gw1" / "sessions.json"
    path.write_text(path.read_text()[:-7])
    return path


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (newer_snapshot, "version 2, this program reads 1"),
        (newer_archive, "version 9, this program reads 1"),
        (damaged_archive, "damaged at byte"),
        (damaged_journal, "nothing was changed"),
        (damaged_lane, "is damaged"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line_and_left_as_it_is(
    again: RunningSystem, spoil: Callable[[Path], Path], says: str
) -> None:
    path = spoil(again.data)
    before = path.read_bytes()
    again.launch()
    assert again.wait_exit(60) == 2, again.story()
    lines = [line for line in again.lines if line.startswith("kalshi-fix:")]
    assert len(lines) == 1, lines
    assert says in lines[0]
    assert not any("Traceback" in line for line in again.lines)
    assert path.read_bytes() == before
