"""A drop copy session under torture: hears everything once, and asks for parts of it again (U1).

Every copy must say what the first report said; a replay that ends with U2 must have brought all
that was known of its range. Believes nothing else.
"""

import random
import time
from typing import Final

from attrs import define, field
from torture_client import TortureClient
from torture_session import TortureSession

from kalshi_fix.adapters.fix_store import content
from kalshi_fix.fix.message import FixMessage

REPLAY_PENDING: Final = "replay"
REPLAYS_PER_SECOND: Final = 0.3
INTERRUPTED: Final = "REPLAY_INTERRUPTED"


def place_of(exec_id: str) -> tuple[str, int]:
    """(shard, event number) of an ExecID."""
    _, number, *shard = exec_id.split(";")
    return (shard[0] if shard else "0"), int(number)


@define(eq=False)
class _Asked:
    """A replay under way."""

    number: int  # MsgSeqNum of the U1
    expected: frozenset[str]  # ExecIDs told before it was asked for, within its range
    copies: set[str] = field(factory=set)


class DropCopyClient(TortureClient):
    """A drop copy session. ``told.contents`` holds each report as it was first told."""

    def __init__(self, session: TortureSession, chance: random.Random) -> None:
        super().__init__(session, (), REPLAYS_PER_SECOND, chance)
        self.replays = 0  # answered with U2
        self.interrupted = 0
        self.copies = 0
        self._asked: _Asked | None = None
        self._wanted = ""  # a shard to be replayed from the first

    def replay_all(self, shard: str) -> None:
        """Asks for everything there ever was of a shard; call while nothing trades."""
        self._wanted = shard

    def _turn(self) -> None:
        super()._turn()
        if self._wanted and self._asked is None and self.session.is_logged_on:
            self._ask("0" if self._wanted == "0" else f"0;0;{self._wanted}", self._wanted, 0)
            self._wanted = ""

    def _request(self, now: float) -> None:  # noqa: ARG002 - as the trading client's
        if self._asked is None and self.told.contents:
            begin = self._chance.choice(list(self.told.contents))
            self._ask(begin, *place_of(begin))

    def _ask(self, begin: str, shard: str, number: int) -> None:
        known = [(exec_id, place_of(exec_id)) for exec_id in self.told.contents]
        expected = frozenset(
            exec_id for exec_id, place in known if place[0] == shard and place[1] >= number
        )
        self.told.pending[REPLAY_PENDING] = time.monotonic()
        self.sent += 1
        self._asked = _Asked(self.session.send("U1", [(21001, begin)]), expected)

    # --- what it is told

    def _take(self, message: FixMessage) -> None:
        kind = message.msg_type
        if kind == "8" and message.get(97) == "Y":
            self._copy(message)
        elif kind == "8":
            self._is_news(message.get(17), message)
        elif kind in {"U2", "U3"}:
            self._end(message)
        else:
            self._fault(f"unexpected: {message}")

    def _copy(self, message: FixMessage) -> None:
        exec_id = message.get(17)
        self.copies += 1
        if self.told.contents.get(exec_id) != content(message):
            self._fault(f"a copy differs from what was told: {message}")
        if self._asked is not None:
            self._asked.copies.add(exec_id)

    def _end(self, message: FixMessage) -> None:
        asked = self._asked
        if asked is None or message.get(45) != str(asked.number):
            self._fault(f"an end of no replay: {message}")
            return
        self._asked = None
        self._answered(REPLAY_PENDING, is_ack=False)
        if message.msg_type == "U3":
            self.interrupted += 1
            if message.get(58) != INTERRUPTED:
                self._fault(f"replay refused: {message}")
            return
        self.replays += 1
        missing = asked.expected - asked.copies
        if missing:
            self._fault(f"a replay left out {len(missing)}, such as {sorted(missing)[:3]}")
