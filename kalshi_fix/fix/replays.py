"""Replay of reports by ExecID: U1 to a range of events, its outcome to U2 or U3.

An ExecID says where its event stands, so any report ever made can be asked for. Pure; whether an
event is there, and whose it is, is for whoever reads the events.
"""

import re
from typing import Final

from attrs import frozen

from kalshi_fix.fix import tables
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.model import Reason

_EXEC_ID: Final = re.compile(r"([0-9]{1,15});([0-9]{1,18})(?:;([0-9]{1,3}))?")
_FROM_THE_FIRST: Final = "0"  # of shard 0; "0;0;2" of shard 2


@frozen(slots=True)
class ReplayRange:
    """Events of one shard, both ends included."""

    shard: int
    begin: int  # number of an event; 0 = from the first
    begin_at_ms: int  # its time, as its ExecID says
    end: int  # 0 = up to the newest


def read_request(message: FixMessage, shards: int) -> ReplayRange | Reason:
    """What an EventResendRequest (U1) of good form asks for, or why that cannot be."""
    begin = _parsed(message.get(21001), shards)
    if begin is None:
        return Reason.UNKNOWN_BEGIN_EXEC_ID
    at_ms, number, shard = begin
    end = (0, 0, shard)
    if 21002 in message:
        found = _parsed(message.get(21002), shards)
        if found is None or found[2] != shard or found[1] < max(1, number):
            return Reason.UNKNOWN_END_EXEC_ID
        end = found
    return ReplayRange(shard, number, at_ms, end[1])


def _parsed(exec_id: str, shards: int) -> tuple[int, int, int] | None:
    """(time in ms, event number, shard) of an ExecID the exchange may have made."""
    if exec_id == _FROM_THE_FIRST:
        return 0, 0, 0
    found = _EXEC_ID.fullmatch(exec_id)
    if found is None:
        return None
    shard = int(found[3] or 0)
    if shard >= shards or found[3] == "0":
        return None
    return int(found[1]), int(found[2]), shard


def complete(request: FixMessage, count: int) -> FixMessage:
    """EventResendComplete (U2): everything asked for has been sent before this message."""
    return FixMessage("U2", [(45, request.get(34)), (21003, str(count))])


def rejected(request: FixMessage, reason: Reason) -> FixMessage:
    """EventResendReject (U3): nothing (more) of it will be sent."""
    code = tables.REPLAY_REJECT_CODES[reason]
    return FixMessage("U3", [(45, request.get(34)), (21004, code), (58, reason)])
