"""Whose password is worked out when: a hash takes 60 ms of a processor that trading needs as well.

An engine that logged on from its address before goes at once. Among strangers wrong passwords are
rationed, wherever they come from: a burst, then so many a minute, one after the other; a right one
costs nothing. Whoever would wait longer than a Logon may take is told to try again.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable

from kalshi_fix.adapters.edge.rates import Rate

_EVERYBODY = ""  # the ration's one key


class Turns:
    """See the module. Use from one event loop."""

    def __init__(
        self,
        wrong: Rate,
        *,
        at_once: int,
        waiting_max: int,
        patience_seconds: float,
        held: Callable[[], None],
    ) -> None:
        """Makes the ration's door.

        Args:
            wrong: The ration of wrong passwords; as many are remembered as it keeps.
            at_once: Strangers' passwords that are worked out at a time.
            waiting_max: Of strangers, and of who is known.
            patience_seconds: Nobody waits longer for the ration.
            held: Told of each one that waits for it.
        """
        self._wrong = wrong
        self._door = asyncio.Semaphore(at_once)
        self._waiting_max = waiting_max
        self._patience_seconds = patience_seconds
        self._held = held
        self._known: OrderedDict[str, None] = OrderedDict()
        self._waiting: Counter[bool] = Counter()  # by whether they are known

    async def take(self, who: str, is_right: Callable[[], Awaitable[bool]]) -> bool | None:
        """The answer of ``is_right``, in its turn; None: too many wait.

        ``who`` names an address and a session.
        """
        known = who in self._known
        if self._waiting[known] >= self._places(known=known):
            return None
        self._waiting[known] += 1
        try:
            right = await (is_right() if known else self._after_the_others(is_right))
        finally:
            self._waiting[known] -= 1
        self._learn(who, right=right)
        return right

    def _places(self, *, known: bool) -> int:
        if known or not self._ration_seconds():
            return self._waiting_max
        return min(self._waiting_max, int(self._patience_seconds * self._wrong.per_second))

    async def _after_the_others(self, is_right: Callable[[], Awaitable[bool]]) -> bool:
        async with self._door:
            wait = self._ration_seconds()
            if wait:
                self._held()
                await asyncio.sleep(wait)
            return await is_right()

    def _ration_seconds(self) -> float:
        return self._wrong.wait_seconds(_EVERYBODY, _now())

    def _learn(self, who: str, *, right: bool) -> None:
        if right:
            self._known[who] = None
            self._known.move_to_end(who)
            if len(self._known) > self._wrong.kept_max:
                self._known.popitem(last=False)
        else:
            self._known.pop(who, None)
            self._wrong.spend(_EVERYBODY, _now())


def _now() -> float:
    return asyncio.get_running_loop().time()
