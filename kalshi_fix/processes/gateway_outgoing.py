"""A message on its way to a session: where it came from, and what hangs on its being handed over.

Plain data; the outbox moves it, routers and the intake make it.
"""

from typing import Final

from attrs import define

from kalshi_fix.fix.message import FixMessage
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
    request_type: str = ""  # "" = no measured answer
    received_at: float = 0.0  # of the request, monotonic
    then_log_out: str = ""  # != "" ends the session with this text
