"""Token buckets: costs, refill, the cancels' own reserve, mass requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalshi_fix.model import NANOS
from kalshi_fix.services.throttle import Bucket, Throttle, ThrottleLimits

AT = 1_000 * NANOS


def throttle(**limits: int) -> Throttle:
    return Throttle({"S": ThrottleLimits(**limits)})


def admitted(control: Throttle, msg_type: str, count: int, at: int = AT) -> int:
    return sum(not control.take("S", msg_type, at).retry_after_ms for _ in range(count))


@pytest.mark.parametrize(
    ("msg_type", "admitted_of_1000"),
    [("D", 10), ("G", 10), ("H", 10), ("UOG", 10), ("AN", 100), ("BB", 100), ("V", 100),
     ("x", 100), ("e", 100), ("S", 100)],
)  # fmt: skip
def test_what_a_message_costs(msg_type: str, admitted_of_1000: int) -> None:
    control = throttle(tokens_per_second=1, burst_tokens=100)
    assert admitted(control, msg_type, 1_000) == admitted_of_1000


def test_a_mass_status_costs_fifty() -> None:
    control = throttle(tokens_per_second=1, burst_tokens=100)
    for _ in range(2):
        assert admitted(control, "AF", 1) == 1
        control.answered("S")
    assert admitted(control, "AF", 1) == 0


def test_orders_never_starve_cancels() -> None:
    control = throttle(tokens_per_second=10, burst_tokens=10, cancel_tokens_per_second=200)
    assert admitted(control, "D", 50) == 1
    assert admitted(control, "F", 200) == 100


def test_a_mass_cancel_comes_once_a_second() -> None:
    control = throttle()
    assert admitted(control, "q", 5) == 1
    assert admitted(control, "q", 5, AT + NANOS - 1) == 0
    assert admitted(control, "q", 5, AT + NANOS) == 1


def test_an_af_that_is_never_answered_is_given_up() -> None:
    control = throttle(mass_status_seconds=10)
    assert admitted(control, "AF", 1) == 1
    assert control.take("S", "AF", AT + 9 * NANOS).retry_after_ms == 1_000
    assert admitted(control, "AF", 1, AT + 10 * NANOS) == 1


def test_a_refused_af_is_not_in_progress() -> None:
    control = throttle()
    assert admitted(control, "AF", 1) == 1
    control.abandoned("S", "AF")
    assert admitted(control, "AF", 1) == 1


def test_coming_back_when_told_is_early_enough() -> None:
    control = throttle(tokens_per_second=3, burst_tokens=10)
    assert admitted(control, "D", 1) == 1
    wait = control.take("S", "D", AT).retry_after_ms
    assert wait == 3_334
    assert admitted(control, "D", 1, AT + wait * 1_000_000) == 1


def test_violations_are_forgiven_once_the_bucket_is_full_again() -> None:
    control = throttle(tokens_per_second=10, burst_tokens=10, violations_before_logout=3)
    for second in range(10):
        at = AT + second * NANOS
        verdicts = [control.take("S", "D", at) for _ in range(3)]
        assert not any(verdict.ends_session for verdict in verdicts)


def test_other_limits_count_from_the_next_message_and_what_was_used_stays_used() -> None:
    control = throttle(tokens_per_second=1, burst_tokens=100)
    assert admitted(control, "D", 8) == 8
    control.change("S", ThrottleLimits(tokens_per_second=1, burst_tokens=50))
    assert admitted(control, "D", 10) == 2  # 20 of the 100 were left
    control.change("S", ThrottleLimits(tokens_per_second=1_000, burst_tokens=1_000))
    assert admitted(control, "D", 1, AT + NANOS // 100) == 1
    control.change("S", ThrottleLimits(tokens_per_second=0))
    assert admitted(control, "D", 1_000) == 1_000
    control.change("S", ThrottleLimits(tokens_per_second=1, burst_tokens=10))
    assert admitted(control, "D", 10) == 1


def test_no_throttle_where_none_is_set() -> None:
    control = Throttle({"S": ThrottleLimits(tokens_per_second=0)})
    assert admitted(control, "D", 10_000) == 10_000
    assert admitted(control, "q", 10) == 10


@given(st.lists(st.tuples(st.integers(0, NANOS), st.integers(1, 50)), max_size=60))
def test_a_bucket_never_gives_more_than_burst_and_rate(steps: list[tuple[int, int]]) -> None:
    bucket, at, taken = Bucket(20, 50, AT), AT, 0
    for pause, cost in steps:
        at += pause
        taken += 0 if bucket.take(cost, at) else cost
    assert taken * NANOS <= 50 * NANOS + 20 * (at - AT)


def test_a_clock_set_back_neither_gives_nor_starves() -> None:
    bucket = Bucket(10, 10)
    assert bucket.take(10, AT) == 0
    assert bucket.take(10, AT - 5 * NANOS) == 1_000
    assert bucket.take(10, AT - 4 * NANOS) == 0
