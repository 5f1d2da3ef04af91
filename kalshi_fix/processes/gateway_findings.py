"""What a lane finds when it starts: flags at a position, and what was sent and refused.

Reads the lane's state and the engine's session stores, and finishes replays that were begun.
"""

from collections.abc import Mapping
from pathlib import Path

from kalshi_fix.adapters.fix_store import Sent, refused_ids, refused_numbers, reported_ids, tail
from kalshi_fix.adapters.logs import Log
from kalshi_fix.adapters.settings import GatewaySettings
from kalshi_fix.fix.time_text import utc_text
from kalshi_fix.model import NANOS
from kalshi_fix.processes.gateway_link import Link
from kalshi_fix.processes.gateway_outgoing import Outgoing
from kalshi_fix.processes.gateway_recovery import AlreadySent
from kalshi_fix.processes.gateway_state import LaneState


def take_up(links: Mapping[str, Link], state: LaneState, shard: str, position: int) -> None:
    """Gives the sessions the flags they had at an event number: reports depend on them."""
    for link in links.values():
        opening = state.at(shard, link.name, position)
        if opening is not None:
            link.view.epoch = opening.epoch
            link.view.listener = opening.listener
            link.view.venue_tags = opening.venue_tags
            link.view.settlement_reports = opening.settlement_reports


def already_sent(
    links: Mapping[str, Link],
    state: LaneState,
    shard: str,
    store: Path,
    *,
    recorded_at: int,
    limits: GatewaySettings,
    shards: int,
) -> AlreadySent:
    """What the session stores show as sent; what they show as refused goes to the links.

    Args:
        links: The lane's sessions.
        state: Its openings.
        shard: Whose reports are compared.
        store: Directory of the session stores.
        recorded_at: When the position was recorded, ns UTC; 0 where there is none.
        limits: How far back to read.
        shards: How many there are.
    """
    since_at = max(0, recorded_at - limits.store_tail_seconds * NANOS)
    since = utc_text(since_at, microseconds=False)
    sent: dict[str, list[Sent]] = {}
    for link in links.values():
        if link.engine.keeps_sequence:
            rows = tail(store, link.engine.store_name, since, limits.store_tail_messages)
            sent[link.name] = rows
            link.refused_numbers |= refused_numbers(rows)
            link.refused_ids |= refused_ids(rows)
            link.reported_ids |= reported_ids(rows)
    due = {name: _due(link, state, shard) for name, link in links.items()}
    resets = {name: begin for name, (begin, _) in due.items()}
    again = {name: below for name, (_, below) in due.items()}
    return AlreadySent.of(sent, resets, shards, again)


def _due(link: Link, state: LaneState, shard: str) -> tuple[int, int]:
    """From which event on a session has to be told, and below which it is told again.

    A new epoch ends what went before, unless its Logon asked for a replay: then it begins where
    that replay ends, and where the engine never saw that Logon the epoch before it goes on.
    """
    below = 0
    for opening in state.resets(shard, link.name):
        if not opening.replays or link.replays is None:
            return opening.number, below
        bound = link.replays.bound(shard, opening.number)
        if bound is not None:
            return bound + 1, max(below, opening.number)
    return 0, below


def replay_the_rest(links: Mapping[str, Link], log: Log) -> None:
    """Hands over what the process before this one left of its replays."""
    for link in links.values():
        left = link.replays.unfinished() if link.replays is not None else None
        if left is not None:
            replay, handed_over = left
            log.info("replay_goes_on", session=link.name, handed_over=handed_over)
            for message in replay.messages(handed_over):
                link.outbox.put(Outgoing(message))
            replay.finish()
