"""The one place where tests and benches wait: for a condition, with a deadline, by name."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
POLL_SECONDS = 0.02


def wait_until(condition: Callable[[], T], what: str, timeout: float = 20.0) -> T:
    """Polls until ``condition()`` is true and returns what it returned.

    Raises:
        AssertionError: it did not become true in time.
    """
    deadline = time.monotonic() + timeout
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain for {what}")
        time.sleep(POLL_SECONDS)


def wait_for_time(seconds: float) -> None:
    """Waits until so much time has passed: for rules about time itself, and for nothing else."""
    passed = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= passed, "time to pass", seconds + 5)
