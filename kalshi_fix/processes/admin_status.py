"""The state of one shard on one line: what its events say, who leads it, how far its readers are.

Always answers: of a store that cannot be reached it says so. Changes nothing.
"""

import time
from typing import Final

from kalshi_fix.adapters.bus import BusError, Offset
from kalshi_fix.processes.admin_shard import ShardLink
from kalshi_fix.services.admin_reads import Row, exchange_row

# the leading core commits its clock every 50 ms, also in a quiet market
MOVES_WITHIN_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.05


def status_row(link: ShardLink, catch_up_seconds: float) -> Row:
    """A shard's line of ``status``."""
    try:
        current = link.catch_up(catch_up_seconds)
        state, readers = link.state()
        newest = link.newest()
        store = "moving" if _moves(link, state.offset) else "standing still"
    except BusError as error:
        return {"shard": link.shard, "core": f"store unreachable: {error}", **_seen(link)}
    return {
        "shard": link.shard,
        "core": store,
        "leader": state.token.partition(":")[2].partition(":")[0],  # term:owner, owner = pid:...
        "term": state.term,
        "command": state.offset.entry_id,
        **_seen(link),
        "current": current,
        "lag": {
            name: max(0, newest - position.number) for name, position in sorted(readers.items())
        },
    }


def _seen(link: ShardLink) -> Row:
    return link.look(exchange_row)


def _moves(link: ShardLink, offset: Offset) -> bool:
    """Whether the shard commits, that is, whether a core leads it and works."""
    deadline = time.monotonic() + MOVES_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if link.state()[0].offset != offset:
            return True
        link.pause(LOOK_SECONDS)
    return False
