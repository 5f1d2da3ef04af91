"""Counting that is put off comes out as if it had been done at once."""

import threading

import pytest

from kalshi_fix.adapters import rates
from kalshi_fix.adapters.metrics import Metrics, read_samples
from kalshi_fix.adapters.rates import MessageRate
from kalshi_fix.adapters.tallies import OTHER, VALUES_MAX, CountTally


def value(metrics: Metrics, name: str, **labels: str) -> float:
    found = read_samples(metrics.render().decode())
    return next(number for values, number in found[name] if values == labels)


def test_what_many_threads_add_is_counted_once_each() -> None:
    metrics = Metrics("test")
    tally = metrics.count_tally("a_total", "A [0]", ["way"])

    def work() -> None:
        for _ in range(5_000):
            tally.add(("in",))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        metrics.turn()
    assert value(metrics, "a_total", way="in") == 20_000
    metrics.turn()
    assert value(metrics, "a_total", way="in") == 20_000


def test_label_values_beyond_the_bound_are_counted_together() -> None:
    tally = CountTally(1)
    for number in range(VALUES_MAX + 10):
        tally.add((str(number),))
    totals = tally.drain()
    assert len(totals) == VALUES_MAX + 1
    assert totals[OTHER,] == 10


def test_sizes_stand_in_the_bucket_they_are_at_most() -> None:
    metrics = Metrics("test")
    tally = metrics.size_tally("a_seconds", "A [0]", ["of"], buckets=(0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 7.0):
        tally.observe(("x",), seconds)
    bounds = {"0.1": 2, "1.0": 3, "+Inf": 4}
    for bound, count in bounds.items():
        assert value(metrics, "a_seconds_bucket", of="x", le=bound) == count
    assert value(metrics, "a_seconds_count", of="x") == 4
    assert value(metrics, "a_seconds_sum", of="x") == pytest.approx(7.65)


def test_what_is_kept_for_later_is_handed_over_in_order_before_it_is_counted() -> None:
    metrics = Metrics("test")
    tally = metrics.count_tally("a_total", "A [0]", ["of"])
    seen: list[str] = []

    def count(things: list[str]) -> None:
        seen.extend(things)
        for thing in things:
            tally.add((thing,))

    keep = metrics.later(count)
    keep("x")
    keep("y")
    assert value(metrics, "a_total", of="y") == 1
    assert seen == ["x", "y"]


def test_the_rate_is_of_the_last_second_and_its_peak_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(rates.time, "monotonic", lambda: now[0])
    metrics = Metrics("test")
    rate = MessageRate(metrics, "gateway", 1_000)
    for seconds, total in ((1.0, 500), (0.5, 600), (1.0, 650)):
        now[0] += seconds
        rate.turn(total)
    assert value(metrics, "fixgw_message_rate", element="gateway") == 100
    assert value(metrics, "fixgw_message_rate_peak", element="gateway") == 500
    assert value(metrics, "fixgw_capacity_used_ratio", element="gateway") == 0.1
