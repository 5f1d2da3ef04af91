"""`kalshi-fix run` with real processes: start, restart, stop, start again."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from running_system import free_offset, readyz

from kalshi_fix.adapters.paths import DataDir
from kalshi_fix.adapters.settings import StoreSettings
from kalshi_fix.adapters.store import Store
from kalshi_fix.adapters.store_server import DataLock, StoreServer
from kalshi_fix.messages.batch import EventEntry

PROGRAM = [sys.executable, str(Path(sys.executable).with_name("kalshi-fix"))]
START_SECONDS = 60

pytestmark = pytest.mark.acceptance


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)


class System:
    """A running ``kalshi-fix run``."""

    def __init__(self, data: Path, offset: int, *options: str, **environ: str) -> None:
        self.data, self.offset = data, offset
        self.output = data.with_suffix(f".{time.monotonic_ns()}.out")
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                [*PROGRAM, "run", "--data", str(data), "--port-offset", str(offset), *options],
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | environ,
            )

    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_ready(self) -> "System":
        def ready_or_dead() -> bool:
            return (
                bool(re.search(r"^READY", self.text(), re.MULTILINE))
                or self.process.poll() is not None
            )

        try:
            wait_for(ready_or_dead, "READY", START_SECONDS)
            assert self.process.poll() is None, self.text()
        except AssertionError:
            self.kill()
            raise
        return self

    def kill(self) -> None:
        """Leaves nothing behind, whatever the test found."""
        self.process.kill()
        self.process.wait()

    def end(self, by: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(by)
        return self.process.wait(60)

    def children(self) -> dict[str, int]:
        """Role -> process id, from the command lines."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if int(parent) == self.process.pid:
                role = re.search(r"kalshi-fix (\S+)(?: --name (\S+))?|(valkey-server)", line)
                if role:  # else it has ended and waits to be noticed
                    found["-".join(part for part in role.groups() if part)] = int(entry.name)
        return found

    def readyz(self) -> str:
        return readyz(9305 + self.offset)

    def append(self, payload: bytes) -> str:
        with closing(Store.of(StoreSettings(), DataDir.find(self.data)).bus("s0")) as bus:
            return bus.append_commands(payload)

    def last_event(self) -> int:
        with closing(Store.of(StoreSettings(), DataDir.find(self.data)).bus("s0")) as bus:
            entry = bus.last_event()
        return EventEntry.unpack(entry.payload).last if entry else 0


@pytest.fixture(scope="module")
def offset() -> int:
    return free_offset()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, offset: int) -> Iterator[System]:
    running = System(tmp_path_factory.mktemp("run") / "var", offset, "--no-demo-flow")
    yield running.wait_ready()
    running.end()
    running.kill()


def refused(data: Path, offset: int, *options: str, **environ: str) -> str:
    """The one line of a system that cannot start."""
    system = System(data, offset, "--no-demo-flow", *options, **environ)
    try:
        assert system.process.wait(START_SECONDS) == 2, system.text()
    finally:
        system.kill()
    lines = [line for line in system.text().splitlines() if line.startswith("kalshi-fix:")]
    assert len(lines) == 1, system.text()
    assert "Traceback" not in system.text()
    return lines[0]


def test_every_process_is_a_child_that_shows_its_role(system: System) -> None:
    assert set(system.children()) == {
        "valkey-server",
        "core",
        "gateway-gw1",
        "gateway-md1",
        "gateway-gw2",
        "marketdata",
        "edge",
    }


def test_the_table_names_sessions_and_ports(system: System) -> None:
    text = system.text()
    assert re.search(rf"ALPHA-RT .*KalshiRT .*{8230 + system.offset}", text)
    assert "LOAD01-RT .. LOAD16-RT" in text
    assert f"RT {8230 + system.offset}" in text.splitlines()[-1]


@pytest.mark.parametrize("role", ["core", "gateway-gw1", "marketdata", "edge", "valkey-server"])
def test_whatever_is_killed_is_restarted_and_everything_is_ready_again(
    system: System, role: str
) -> None:
    wait_for(lambda: system.readyz().startswith("ok"), "all to be ready")
    before = system.last_event()
    victim = system.children()[role]
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: system.children().get(role, victim) != victim, f"a new {role}")
    wait_for(lambda: system.readyz().startswith("ok"), "all to be ready")
    assert system.last_event() >= before
    assert system.process.poll() is None


def test_a_second_system_on_the_same_data_is_refused(system: System) -> None:
    line = refused(system.data, free_offset())
    assert f"data directory {system.data} is locked by process {system.process.pid}" in line


def test_a_port_in_use_is_refused(system: System, tmp_path: Path) -> None:
    line = refused(tmp_path / "var", system.offset)
    assert f"port {8228 + system.offset} on 127.0.0.1: address already in use" in line


def test_an_unreachable_store_is_refused(tmp_path: Path) -> None:
    line = refused(tmp_path / "var", free_offset(), REDIS_URL="redis://127.0.0.1:1/0")
    assert "127.0.0.1:1: Connection refused" in line


def test_a_store_url_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "allowed are unix:///" in refused(tmp_path / "var", free_offset(), REDIS_URL="http://x")


def test_a_wrong_configuration_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "kx.toml"
    config.write_text("[edge]\nprots = {}\n")
    line = refused(tmp_path / "var", free_offset(), "--config", str(config))
    assert f"{config}: edge.prots: unknown key; allowed are " in line


def test_a_standby_takes_over_within_a_second(system: System) -> None:
    wait_for(lambda: system.readyz().startswith("ok"), "all to be ready")
    standby = subprocess.Popen(
        [*PROGRAM, "core", "--data", str(system.data), "--port-offset", str(system.offset)],
        stderr=subprocess.DEVNULL,
    )
    port = 9311 + system.offset  # the first after the configured ones
    wait_for(lambda: "standby" in readyz(port), "the standby to follow")
    leader = system.children()["core"]
    os.kill(leader, signal.SIGSTOP)  # a stall: nobody restarts it
    began = time.monotonic()
    wait_for(lambda: readyz(port).startswith("ok"), "the standby to lead")
    took = time.monotonic() - began
    os.kill(leader, signal.SIGCONT)
    wait_for(lambda: system.children().get("core", leader) != leader, "the old leader to give way")
    standby.terminate()
    assert standby.wait(10) == 0
    wait_for(lambda: system.readyz().startswith("ok"), "the restarted core to lead")
    assert took < 5, took  # a second, and generously more for a busy machine


def test_a_shard_that_fails_on_a_command_stops_until_it_is_quarantined(system: System) -> None:
    wait_for(lambda: system.readyz().startswith("ok"), "all to be ready")
    entry_id = system.append(b"\xc1 this is no batch of commands")
    port = 9301 + system.offset
    wait_for(lambda: "quarantine" in readyz(port), "the shard to stop")
    told = re.search(r"kalshi-fix (admin --as) OPERATOR (quarantine \S+)", readyz(port))
    assert told is not None, readyz(port)
    assert told[2] == f"quarantine {entry_id}:-1"
    wait_for(lambda: "core-s0: stopped" in system.readyz(), "the system to say so")
    words = [*told[1].split(), "op1", "--data", str(system.data), *told[2].split()]
    done = subprocess.run(
        [*PROGRAM, *words], capture_output=True, check=False, text=True, timeout=30
    )
    assert done.returncode == 0, done.stdout + done.stderr
    wait_for(lambda: system.readyz().startswith("ok"), "the shard to go on")


def test_an_external_store_is_used_where_one_is_named(tmp_path: Path) -> None:
    elsewhere = DataDir.create(tmp_path / "elsewhere")
    lock = DataLock(elsewhere)
    lock.acquire(0)
    store = StoreServer(elsewhere, StoreSettings(appendfsync="no"), lock)
    store.start()
    store.wait_ready()
    url = f"unix://{elsewhere.store_socket}"
    system = System(tmp_path / "var", free_offset(), "--no-demo-flow", REDIS_URL=url).wait_ready()
    assert "valkey-server" not in system.children()
    assert system.end() == 0
    with closing(Store.of(StoreSettings(), elsewhere).bus("s0")) as bus:
        assert bus.last_event() is not None
    assert store.stop(10)
    lock.release()


def test_a_killed_system_leaves_nothing_behind_and_continues(tmp_path: Path) -> None:
    offset = free_offset()
    data = tmp_path / "var"
    first = System(data, offset, "--no-demo-flow").wait_ready()
    children, events = first.children(), first.last_event()
    assert events > 0
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    wait_for(lambda: not any(is_alive(pid) for pid in children.values()), "children to be gone")
    second = System(data, offset, "--no-demo-flow").wait_ready()
    assert second.last_event() == events, "a start on the same data tells the core nothing new"
    assert second.end(signal.SIGINT) == 0
    third = System(data, offset, "--no-demo-flow").wait_ready()
    assert third.last_event() == events
    assert third.end() == 0


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
