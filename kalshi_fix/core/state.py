"""Everything the exchange knows, and the events of the command under way.

All state hangs on one object, so that snapshot, hash and restore see the whole of it. The handlers
in the other modules are functions of this state and a command; none keeps anything of its own.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from attrs import Factory, define

from kalshi_fix.core import risk
from kalshi_fix.core.config import DEFAULT, ExchangeConfig
from kalshi_fix.core.ledger import Ledger
from kalshi_fix.messages.market_events import LevelChanged
from kalshi_fix.model import IDS_PER_SHARD, Reason

if TYPE_CHECKING:
    from kalshi_fix.core.book import Ladder, Level
    from kalshi_fix.core.groups import Group
    from kalshi_fix.core.limits import Limits
    from kalshi_fix.core.market import Market, Series
    from kalshi_fix.core.order import Order
    from kalshi_fix.core.parties import Account, Desk, Firm, Gateway, Segment, Session
    from kalshi_fix.messages.events import Event


@define(slots=True, eq=False)
class TradeRecord:
    """One trade, kept as long as its orders are visible: enough to bust it."""

    trade_id: int
    market: Market
    price: int
    quantity: int
    price_before: int  # the last trade price before it
    maker: Order
    taker: Order
    maker_exact: int
    maker_fee: int
    taker_exact: int
    taker_fee: int
    maker_number: int  # event numbers of the two reports, and their time
    taker_number: int
    at: int


@define(slots=True, eq=False)
class State:
    """The exchange's state. Times in ns; counters never go back.

    ``clock`` is the exchange clock, ``at`` the effective time of the command under way (or the
    last one). ``day_count`` counts trading days, ``date`` is the current one as yyyymmdd.
    """

    shard_index: int = 0
    config: ExchangeConfig = DEFAULT
    # time
    clock: int = 0
    at: int = 0
    date: int = 0
    day_ends_at: int = 0
    day_count: int = 0
    # counters
    number: int = 0
    order_count: int = Factory(lambda self: self.shard_index * IDS_PER_SHARD, takes_self=True)
    trade_count: int = Factory(lambda self: self.shard_index * IDS_PER_SHARD, takes_self=True)
    group_count: int = 0
    # exchange-wide switches
    paused: bool = False
    killed: bool = False
    maintenance_from: int = 0
    maintenance_until: int = 0  # 0 = none announced
    maintenance_text: str = ""
    maintenance_begun: bool = False
    draining: bool = False  # for a planned restart: nothing new is taken any more
    # who and what
    firms: dict[str, Firm] = Factory(dict)
    accounts: dict[str, Account] = Factory(dict)
    segments: dict[str, Segment] = Factory(dict)
    sessions: dict[str, Session] = Factory(dict)
    gateways: dict[str, Gateway] = Factory(dict)
    series: dict[str, Series] = Factory(dict)
    markets: dict[str, Market] = Factory(dict)
    groups: dict[str, Group] = Factory(dict)
    ledger: Ledger = Factory(Ledger)
    # operators' requests: id -> answer, content; those not kept for good by time too, oldest first
    requests: dict[str, tuple[str, str, str]] = Factory(dict)
    recent_requests: deque[tuple[int, str]] = Factory(deque)
    # what AdvanceTime has to look at
    expiring: dict[int, Order] = Factory(dict)
    deadlines: list[tuple[int, int]] = Factory(list)  # heap of (deadline, order id)
    timers: list[tuple[int, str]] = Factory(list)  # heap of (deadline, symbol)
    expiring_limits: dict[tuple[str, str], Limits] = Factory(dict)
    # trades of this trading day and of the one before
    trades: dict[int, TradeRecord] = Factory(dict)
    trades_before: dict[int, TradeRecord] = Factory(dict)
    # derived: not part of a snapshot
    ladders: dict[tuple[tuple[int, int, int], ...], Ladder] = Factory(dict)
    garbage: list[dict[int, Order]] = Factory(list)
    latest: int = Factory(lambda self: self.clock + self.config.clock_lead, takes_self=True)
    touched: list[Level] = Factory(list)
    out: list[Event] = Factory(list)

    @property
    def standstill(self) -> str:
        """Why no market takes new orders, "" if active ones do."""
        if self.paused:
            return Reason.EXCHANGE_PAUSED.value
        return Reason.MAINTENANCE.value if self.draining else ""

    def set_clock(self, at: int) -> None:
        """Moves the exchange clock, and how far a command's own time may run ahead of it."""
        self.clock = at
        self.latest = at + self.config.clock_lead

    def next_number(self) -> int:
        """The number of the next event."""
        number = self.number = self.number + 1
        return number

    def touch(self, level: Level) -> None:
        """Remembers that a level changed; it is published once, at the end of the command."""
        if not level.touched:
            level.touched = True
            self.touched.append(level)

    def publish_levels(self) -> None:
        """One LevelChanged per touched level, in the order of the first touch."""
        at = self.at
        number = self.number
        out = self.out
        for level in self.touched:
            level.touched = False
            market = level.market
            number += 1
            change = market.change = market.change + 1
            out.append(
                LevelChanged(
                    number,
                    at,
                    market.symbol,
                    change,
                    level.sign,
                    level.price,
                    level.quantity,
                    level.orders,
                )
            )
        self.number = number
        self.touched.clear()

    def desk(self, session: Session, account: str) -> Desk:
        """What a session may do for an account ("" = its default), worked out once."""
        found = session.desks.get(account)
        if found is None:
            found = session.desks[account] = risk.open_desk(self, session, account)
        return found

    def forget_desks(self) -> None:
        """A definition or a limit changed: every desk is worked out again."""
        for session in self.sessions.values():
            session.desks.clear()
