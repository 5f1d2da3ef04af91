"""The services of a lane, one per role it has sessions of, as the shell and the routers call them.

The only place that knows which service serves which role.
"""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from kalshi_fix.adapters.settings import SessionSettings, Settings
from kalshi_fix.fix.outbound import Reports
from kalshi_fix.messages.events import Event, PositionSettled
from kalshi_fix.model import Role
from kalshi_fix.processes.gateway_gathering import SavedGathering
from kalshi_fix.processes.gateway_router import Desk, Rendered
from kalshi_fix.processes.market_data_feed import limits_of
from kalshi_fix.services.drop_copy import COPIED_KINDS, DropCopy
from kalshi_fix.services.gather import Gather
from kalshi_fix.services.market_data import MarketData
from kalshi_fix.services.order_entry import OrderEntry
from kalshi_fix.services.policy import Policy
from kalshi_fix.services.post_trade import PostTrade
from kalshi_fix.services.service import SessionView
from kalshi_fix.services.throttle import Throttle

_REJECTS_PER_START = 1_000_000_000  # ExecIDs of rejects made here never repeat over starts


def build_desks(
    settings: Settings,
    sessions: list[SessionSettings],
    views: Mapping[str, SessionView],
    throttle: Throttle,
    *,
    gateway: str,
    boot: int,
    backlog: Callable[[str], int],
    is_told: Callable[[str, str], bool],
) -> dict[str, Desk]:
    """Role -> its service; roles that share one share the object.

    ``is_told``: whether a session was told of its request of a ClOrdID before this start.
    """
    policy = Policy(throttle)
    reports = [Reports(shard) for shard in range(len(settings.core.shards))]
    roles = {session.role for session in sessions}
    desks: dict[str, Desk] = {}
    if roles & {Role.NR, Role.RT}:
        gather = Gather(len(reports), is_told=is_told)
        first_reject = boot * _REJECTS_PER_START + 1
        orders = OrderEntry(views, policy, gateway, reports, first_reject, gather)
        desks[Role.NR] = desks[Role.RT] = Desk(orders, orders.on_event, kinds=orders.kinds)
    if Role.DC in roles:
        copies = DropCopy(views, policy, reports)
        desks[Role.DC] = Desk(copies, copies.on_event, kinds=COPIED_KINDS)
    if Role.PT in roles:
        settlements = PostTrade(views, policy)
        desks[Role.PT] = Desk(settlements, settlements.on_event, kinds=frozenset({PositionSettled}))
    if Role.MD in roles:
        desks[Role.MD] = _market_data(settings, policy, backlog)
    return desks


def gathering_of(desks: Mapping[str, Desk], path: Path, shards: int) -> SavedGathering | None:
    """What the order entry desk gathers of several shards, and keeps; None if nothing is."""
    desk = desks.get(Role.RT)
    if desk is None or shards == 1:
        return None
    assert isinstance(desk.service, OrderEntry)
    saved = SavedGathering(desk.service, path)
    desk.on_event = saved.on_event
    return saved


def _market_data(settings: Settings, policy: Policy, backlog: Callable[[str], int]) -> Desk:
    service = MarketData(policy, backlog, limits_of(settings.market_data))

    def on_event(event: Event, _shard: int) -> Rendered:
        return service.on_event(event)

    return Desk(service, on_event, threading.Lock())
