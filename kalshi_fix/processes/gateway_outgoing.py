"""A message on its way to a session: where it came from, and what hangs on its being handed over.

Plain data; the outbox moves it within its limits, routers and the intake make it.
"""

from typing import Final

from attrs import define, frozen

from kalshi_fix.adapters.settings import GatewaySettings
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.processes.gateway_acks import Request
from kalshi_fix.processes.gateway_progress import Progress

NO_SHARD: Final = -1  # a reply made here, not read from a shard


@define(slots=True)
class Outgoing:
    """One message on its way: where it came from, and what is settled once it is handed over."""

    message: FixMessage
    shard: int = NO_SHARD
    number: int = 0  # of the event
    progress: Progress | None = None
    settles: int = 0  # MsgSeqNum it answers
    request: Request | None = None  # that it is the first answer to
    then_log_out: str = ""  # != "" ends the session with this text

    def may_be_repeat(self) -> None:
        """Says that the client may have been told before (97=Y)."""
        self.message = possible_repeat(self.message)


def possible_repeat(message: FixMessage) -> FixMessage:
    """The same with PossResend."""
    return FixMessage(message.msg_type, [(97, "Y"), *message.fields])


WAKE: Final = Outgoing(FixMessage("", ()))  # only has the writer look round


@define(slots=True)
class Places:
    """By shard: reports queued so far, those of them dealt with, number of the last one begun.

    ``told``: the event up to which all was with the engine when the present epoch began.
    """

    _queued: list[int]
    _dealt: list[int]
    _current: list[int]
    told: list[int]

    @classmethod
    def of(cls, shards: int) -> "Places":
        """Nothing yet."""
        return cls([0] * shards, [0] * shards, [0] * shards, [0] * shards)

    def queued(self, item: Outgoing) -> None:
        """It waits."""
        if item.shard >= 0:
            self._queued[item.shard] += 1

    def sending(self, item: Outgoing) -> None:
        """It is being handed to the engine."""
        if item.shard >= 0:
            self._current[item.shard] = item.number

    def dealt_with(self, item: Outgoing) -> None:
        """It waits no more."""
        if item.shard >= 0:
            self._dealt[item.shard] += 1

    def bound(self, shard: int) -> int | None:
        """All events up to this number were handed over; None: nothing of the shard waits."""
        if self._queued[shard] == self._dealt[shard]:
            return None
        return max(0, self._current[shard] - 1)

    def epoch_began(self, shard: int, opening: int, held: list[Outgoing]) -> None:
        """At the event ``opening``, with these reports of the shard held back."""
        bound = self.bound(shard)
        self.told[shard] = opening if bound is None else bound
        if held:
            self.told[shard] = held[0].number - 1


class StoreWriteError(Exception):
    """The engine could not store a report: without that nothing may be sent."""


@frozen(kw_only=True)
class OutboxLimits:
    """See ``GatewaySettings``."""

    queue_max: int
    stall_seconds: float
    unsent_bytes_max: int  # with more than this in the kernel a report goes through the queue

    @classmethod
    def of(cls, settings: GatewaySettings) -> "OutboxLimits":
        """The configured ones."""
        return cls(
            queue_max=settings.outbound_queue_max,
            stall_seconds=settings.outbound_stall_seconds,
            unsent_bytes_max=settings.outbound_unsent_bytes_max,
        )
