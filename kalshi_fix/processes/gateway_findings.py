"""What a lane finds when it starts: flags at a position, and what was sent and refused.

Reads the lane's state and the engine's session stores; changes nothing there.
"""

from collections.abc import Mapping
from pathlib import Path

from kalshi_fix.adapters.fix_store import Sent, refused_ids, refused_numbers, reported_ids, tail
from kalshi_fix.adapters.settings import GatewaySettings
from kalshi_fix.fix.time_text import utc_text
from kalshi_fix.model import NANOS
from kalshi_fix.processes.gateway_link import Link
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
    resets = {name: state.last_reset(shard, name) for name in links}
    return AlreadySent.of(sent, resets, shards)
