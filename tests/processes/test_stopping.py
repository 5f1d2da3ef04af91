"""How processes are told to stop."""

import os
import signal
import subprocess
import sys
import threading

import pytest

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
