import os
import sys
import time
from collections.abc import Callable

import pytest

from kalshi_fix.adapters import children
from kalshi_fix.adapters.logs import open_log
from kalshi_fix.adapters.metrics import Metrics
from kalshi_fix.adapters.settings import LogSettings
from kalshi_fix.processes import minder as module
from kalshi_fix.processes.exit_codes import CONFIGURATION
from kalshi_fix.processes.minder import Minder, ask_readyz, ready_when_running

LOG = open_log("test", LogSettings(stderr_level="critical"))


def minding(program: str, ask: Callable[[int], str] = ready_when_running) -> Minder:
    minder = Minder("x", LOG, lambda: children.spawn([sys.executable, "-c", program]), ask)
    minder.start()
    return minder


def turn_until(minder: Minder, condition: Callable[[], bool]) -> bool:
    """Turns until the condition holds; False as soon as the process refused its configuration."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        if not minder.turn():
            return False
        time.sleep(0.005)
    return True


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF_SECONDS", (0.0, 0.02, 0.3))


def test_what_ends_is_started_again_and_again() -> None:
    minder = minding("")
    assert turn_until(minder, lambda: minder.restarts == 2)
    minder.stop(5)


def test_each_restart_waits_longer_up_to_a_limit() -> None:
    minder = minding("raise SystemExit(1)")
    seen: list[str] = []

    def saw_the_limit() -> bool:
        if "restart in" in minder.status and minder.status not in seen:
            seen.append(minder.status)
        return len(seen) == 3

    assert turn_until(minder, saw_the_limit)
    assert [status.split()[-2] for status in seen] == ["0", "0.02", "0.3"]
    minder.stop(5)


def test_a_refused_configuration_is_told() -> None:
    minder = minding(f"raise SystemExit({CONFIGURATION})")
    assert turn_until(minder, lambda: False) is False
    assert "exit code 2" in minder.status
    minder.stop(5)


def test_it_is_ready_when_it_says_so_and_no_more_after_it_ended() -> None:
    says = ["starting", "replaying", ""]
    minder = minding("import time; time.sleep(60)", lambda _pid: says.pop(0) if says else "")
    assert turn_until(minder, lambda: minder.is_ready)
    assert minder.child is not None
    minder.child.kill()
    assert turn_until(minder, lambda: not minder.is_ready)
    assert "killed by SIGKILL" in minder.status
    minder.stop(5)


def test_a_stopped_process_stays_stopped() -> None:
    minder = minding("import time; time.sleep(60)")
    minder.stop(5)
    for _ in range(20):
        minder.turn()
    assert minder.child is None
    assert minder.status == "stopped"


def test_a_process_whose_port_a_standby_took_is_asked_on_a_spare_one() -> None:
    servers = {name: Metrics(name) for name in ("standby", "core")}
    first, second = servers["standby"], servers["core"]
    port = first.serve("127.0.0.1", [0], lambda: "", lambda: "following")
    spare = second.serve("127.0.0.1", [0], lambda: "", lambda: "")
    try:
        assert ask_readyz("127.0.0.1", [port, spare])(os.getpid()).startswith("following")
        assert ask_readyz("127.0.0.1", [spare, port])(os.getpid()) == ""
        assert "another process" in ask_readyz("127.0.0.1", [port, spare])(1)
        assert ask_readyz("127.0.0.1", [1])(os.getpid()) == "starting"
    finally:
        for server in servers.values():
            server.close()
