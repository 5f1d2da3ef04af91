"""How processes are told to stop."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from free_ports import free_port
from running_system import KALSHI_FIX, free_offset
from waiting import wait_for_time, wait_until

from kalshi_fix.processes.stopping import SIGNALS, StopFlag

SECONDS = 10


CHILD = """
from kalshi_fix.processes.stopping import stop_event
stop = stop_event()
print("waiting", flush=True)
stop.wait()
print("stopped", flush=True)
"""


@pytest.mark.parametrize("number", sorted(SIGNALS))
def test_a_stop_signal_sets_the_event_and_ends_nothing_by_itself(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"waiting\n"
        child.send_signal(number)
        assert child.stdout.readline() == b"stopped\n"
        assert child.wait(SECONDS) == 0


def test_a_flag_set_in_a_signal_handler_ends_the_wait_it_interrupts() -> None:
    flag = StopFlag()
    before = signal.signal(signal.SIGUSR1, lambda *_: flag.set())
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1))
    try:
        timer.start()
        assert flag.wait(SECONDS)
        assert flag.wait(SECONDS)
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)


def test_a_wait_for_a_flag_nobody_sets_ends_in_its_time() -> None:
    assert not StopFlag().wait(0.01)


@pytest.mark.parametrize(
    "role",
    [("core", "--shard", "s0"), ("gateway", "--name", "gw1"), ("marketdata",), ("edge",)],
    ids=lambda role: str(role[0]),
)
def test_stop_signals_that_interrupt_each_other_end_a_process_all_the_same(
    role: tuple[str, ...], tmp_path: Path
) -> None:
    """A supervisor asks more than once. Nothing but a store to wait for: every thread has begun."""
    places = ["--data", str(tmp_path / "data"), "--port-offset", str(free_offset())]
    environ = os.environ | {"REDIS_URL": f"redis://127.0.0.1:{free_port()}"}
    with subprocess.Popen(
        [str(KALSHI_FIX), *role, *places], env=environ, stderr=subprocess.DEVNULL
    ) as process:
        logs = tmp_path / "data" / "logs"
        try:
            wait_until(lambda: any(path.stat().st_size for path in logs.glob("*.log")), "its log")
            wait_for_time(0.5)
            for _ in range(50_000):
                os.kill(process.pid, signal.SIGTERM)
            # one that has not come to its handler on a busy machine has ended as well
            assert process.wait(60) in {0, -signal.SIGTERM}
        finally:
            process.kill()
