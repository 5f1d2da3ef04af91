import threading
import time
from collections.abc import Callable

from kalshi_fix.adapters.engine_numbers import Arrivals


def ended(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join(0.1)
    return thread


def test_one_comes_at_a_time() -> None:
    arrivals = Arrivals(5, 5)
    arrivals.come("a")
    second = ended(lambda: arrivals.come("b"))
    assert second.is_alive()
    arrivals.came("a")
    second.join(2)
    assert not second.is_alive()


def test_who_goes_waits_for_the_one_that_comes_and_the_next_waits_for_who_goes() -> None:
    arrivals = Arrivals(5, 5)
    arrivals.come("a")
    going = ended(lambda: arrivals.go("S"))
    assert going.is_alive()
    arrivals.came("a")
    going.join(2)
    assert not going.is_alive()
    coming = ended(lambda: arrivals.come("b"))
    assert coming.is_alive()
    arrivals.gone("S")
    coming.join(2)
    assert not coming.is_alive()


def test_several_may_go_at_once() -> None:
    arrivals = Arrivals(5, 5)
    arrivals.go("S")
    assert not ended(lambda: arrivals.go("T")).is_alive()


def test_nobody_waits_for_ever() -> None:
    arrivals = Arrivals(0.05, 0.05)
    started = time.monotonic()
    arrivals.come("never comes")
    arrivals.come("b")
    arrivals.go("never goes")
    arrivals.come("c")
    assert time.monotonic() - started < 4
