"""The simulated computer: what it promises to whoever runs on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty

import pytest

from kalshi_fix.model import NANOS
from kalshi_fix.simulate.machine import START, Event, Lock, Machine, Process, Queue


@contextmanager
def machine(seed: int = 1, breath: float = 0.0) -> Iterator[Machine]:
    made = Machine(seed, breath)
    yield made
    made.close()


def test_sleeping_takes_simulated_time_only() -> None:
    with machine() as computer:
        woken: list[int] = []

        def work() -> None:
            computer.sleep(3_600 * NANOS)
            woken.append(computer.now)

        computer.spawn(Process("p"), "t", work)
        computer.run(START + 7_200 * NANOS)
        assert woken == [START + 3_600 * NANOS]


def test_a_lock_is_held_by_one_task_at_a_time_and_passed_on_in_order() -> None:
    with machine() as computer:
        lock, seen = Lock(computer), []

        def work(name: str) -> None:
            with lock:
                seen.append(name)
                computer.sleep(10)
                seen.append(name)

        process = Process("p")
        for name in "abc":
            computer.spawn(process, name, lambda name=name: work(name))
        computer.run(START + NANOS)
        assert seen[::2] == seen[1::2]
        assert sorted(seen[::2]) == ["a", "b", "c"]


def test_waiting_for_an_event_ends_when_it_is_set_or_time_is_up() -> None:
    with machine() as computer:
        event, answers = Event(computer), []
        process = Process("p")
        computer.spawn(process, "short", lambda: answers.append(event.wait(0.5)))
        computer.spawn(process, "long", lambda: answers.append(event.wait(5)))
        computer.after(NANOS, event.set)
        computer.run(START + 10 * NANOS)
        assert answers == [False, True]


def test_a_queue_keeps_its_order_and_says_when_it_is_empty() -> None:
    with machine() as computer:
        queue, got = Queue(computer, Empty), []

        def take() -> None:
            got.extend([queue.get(), queue.get()])
            with pytest.raises(Empty):
                queue.get_nowait()

        computer.spawn(Process("p"), "taker", take)
        computer.after(NANOS, lambda: (queue.put(1), queue.put(2)))
        computer.run(START + 2 * NANOS)
        assert got == [1, 2]


def test_a_killed_process_does_nothing_any_more() -> None:
    with machine() as computer:
        process, done = Process("p"), []

        def work() -> None:
            while True:
                computer.sleep(NANOS)
                done.append(computer.now)

        computer.spawn(process, "t", work)
        computer.after(NANOS * 5 // 2, lambda: computer.kill(process))
        computer.run(START + 10 * NANOS)
        assert len(done) == 2
        assert process.exit_code == -9


def test_a_frozen_process_goes_on_where_it_stood() -> None:
    with machine() as computer:
        process, done = Process("p"), []

        def work() -> None:
            computer.sleep(NANOS)
            done.append(computer.now)

        computer.spawn(process, "t", work)
        computer.after(NANOS // 2, lambda: computer.freeze(process))
        computer.after(NANOS * 4, lambda: computer.thaw(process))
        computer.run(START + 10 * NANOS)
        assert done == [START + 4 * NANOS]


def test_the_seed_decides_who_goes_first() -> None:
    def order(seed: int) -> str:
        with machine(seed) as computer:
            seen: list[str] = []
            process = Process("p")
            for name in "abcdef":
                computer.spawn(process, name, lambda name=name: seen.append(name))
            computer.run(START + 1)
            return "".join(seen)

    assert order(1) == order(1)
    assert len({order(seed) for seed in range(10)}) > 5


def test_what_a_task_raises_ends_the_run() -> None:
    def fail() -> None:
        raise ValueError("as it should")

    with machine() as computer:
        computer.spawn(Process("p"), "t", fail)
        with pytest.raises(ValueError, match="as it should"):
            computer.run(START + 1)
