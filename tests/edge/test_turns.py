"""Who waits for a password to be worked out: no sockets, no hashes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from attrs import define, field
from edge_rig import run

from kalshi_fix.adapters.edge.rates import Rate
from kalshi_fix.adapters.edge.turns import Turns


@define
class Passwords:
    """Turns, and what was worked out in which order; a password is right or wrong as it says."""

    turns: Turns
    done: list[str] = field(factory=list)
    at_once: int = 0
    most_at_once: int = 0
    may_go_on: asyncio.Event = field(factory=asyncio.Event)

    def of(self, who: str, *, right: bool) -> Awaitable[bool | None]:
        async def work() -> bool:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            await self.may_go_on.wait()
            self.at_once -= 1
            self.done.append(who)
            return right

        return self.turns.take(who, work)


def passwords(*, per_minute: int, burst: int, **settings: Any) -> Passwords:
    wrong = Rate(per_minute / 60, burst, 100)
    held: Callable[[], None] = settings.pop("held", lambda: None)
    with_defaults = {"at_once": 1, "waiting_max": 10, "patience_seconds": 5.0} | settings
    made = Passwords(Turns(wrong, held=held, **with_defaults))
    made.may_go_on.set()
    return made


def test_right_passwords_never_use_the_ration_up() -> None:
    async def test() -> None:
        found = passwords(per_minute=1, burst=1)
        engines = [str(number) for number in range(30)]
        assert [await found.of(engine, right=True) for engine in engines] == [True] * 30

    run(test)


def test_beyond_the_burst_strangers_are_told_to_come_back_and_who_is_known_goes_at_once() -> None:
    async def test() -> None:
        found = passwords(per_minute=1, burst=2)
        assert await found.of("engine", right=True)
        assert [await found.of(f"guess-{n}", right=False) for n in range(2)] == [False, False]
        assert await found.of("guess-3", right=False) is None
        assert await found.of("engine", right=True)
        assert found.done == ["engine", "guess-0", "guess-1", "engine"]

    run(test)


def test_a_wrong_password_costs_the_good_name_of_its_address() -> None:
    async def test() -> None:
        found = passwords(per_minute=1, burst=1)
        assert await found.of("engine", right=True)
        assert await found.of("engine", right=False) is False
        assert await found.of("engine", right=True) is None

    run(test)


def test_strangers_wait_for_the_ration_one_after_the_other() -> None:
    async def test() -> None:
        held: list[int] = []
        found = passwords(per_minute=600, burst=1, held=lambda: held.append(1))
        strangers = [found.of(str(number), right=False) for number in range(4)]
        assert await asyncio.gather(*strangers) == [False] * 4
        assert found.done == ["0", "1", "2", "3"]
        assert (found.most_at_once, len(held)) == (1, 3)

    run(test)


def test_as_many_wait_as_may_and_strangers_take_no_place_of_who_is_known() -> None:
    async def test() -> None:
        found = passwords(per_minute=1, burst=10, waiting_max=2)
        assert await found.of("engine", right=True)
        found.may_go_on.clear()
        waiting = [asyncio.ensure_future(found.of(who, right=True)) for who in ("a", "b")]
        await asyncio.sleep(0)
        assert await found.of("c", right=True) is None
        known = [asyncio.ensure_future(found.of("engine", right=True)) for _ in range(2)]
        await asyncio.sleep(0)
        assert await found.of("engine", right=True) is None
        found.may_go_on.set()
        assert await asyncio.gather(*waiting, *known) == [True] * 4

    run(test)
