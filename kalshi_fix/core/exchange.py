"""The exchange: a deterministic state machine. Commands in, events out, nothing else.

This module only dispatches: it decides whether a command is new, moves the effective time, hands
the command to the module whose business it is, and asserts the ledger afterwards. It knows no
clock but the commands' own, no store, no process and no FIX.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kalshi_fix.core import (
    admin,
    cancels,
    check,
    clock,
    depth,
    groups,
    orders,
    queries,
    replaces,
    restore,
    sessions,
    snapshot,
)
from kalshi_fix.core.config import DEFAULT, ExchangeConfig
from kalshi_fix.core.state import State
from kalshi_fix.messages import commands as c

if TYPE_CHECKING:
    from collections.abc import Callable

    from kalshi_fix.messages.events import Event

# from a FIX client: (state, session, command)
_CLIENT: Final[dict[type[Any], Callable[..., None]]] = {
    c.NewOrder: orders.new_order,
    c.CancelOrder: cancels.cancel_order,
    c.ReplaceOrder: replaces.replace_order,
    c.MassCancel: cancels.mass_cancel,
    c.QueryOrder: queries.query_order,
    c.QueryOrders: queries.query_orders,
    c.ManageOrderGroup: groups.manage,
    c.QueryPositions: queries.query_positions,
    c.QueryCollateral: queries.query_collateral,
}

# made by a process of ours, or by the leading core: (state, command)
_PROCESS: Final[dict[type[Any], Callable[..., None]]] = {
    c.AdvanceTime: clock.advance,
    c.SessionOpened: sessions.opened,
    c.SessionLost: sessions.lost,
    c.GatewayAlive: sessions.alive,
    c.PublishDepth: depth.publish,
}


class Exchange:
    """One shard of the exchange.

    Example:
        >>> exchange = Exchange()
        >>> events = exchange.apply(c.AdvanceTime(1_000))
    """

    __slots__ = ("state",)

    def __init__(self, shard_index: int = 0, config: ExchangeConfig = DEFAULT) -> None:
        self.state = State(shard_index, config)

    def apply(self, command: c.Command) -> list[Event]:
        """Carries out one command.

        A repeat, a command of an unknown session and one of a past epoch change nothing and yield
        no events: whoever wrote it was answered, or is none of this exchange's clients.

        Raises:
            AssertionError: an invariant is broken; the state must not be used any more.
        """
        state = self.state
        out: list[Event] = []
        state.out = out
        kind = type(command)
        handler = _CLIENT.get(kind)
        if handler is not None:
            request: Any = command  # one of the nine, which have a session and a number
            session = state.sessions.get(request.session)
            if (
                session is None
                or request.epoch != session.epoch
                or request.seq <= session.high_water
            ):
                return out
            session.high_water = request.seq
            if request.at > state.at:
                clock.take_time(state, request.at)
            handler(state, session, request)
        else:
            self._carry_out(command)
        if state.touched:
            state.publish_levels()
        ledger = state.ledger
        if ledger.moved:
            ledger.assert_balanced()
        return out

    def _carry_out(self, command: Any) -> None:
        """A command of a process of ours, or an operator's."""
        state = self.state
        handler = _PROCESS.get(type(command))
        if handler is None:
            admin.carry_out(state, command)
            return
        if type(command) is not c.AdvanceTime:
            clock.take_time(state, command.at)
        handler(state, command)

    def confirm(self, session: str, epoch: int, seq: int) -> None:
        """Takes a batch's ``confirmed`` value; part of the input, before the batch's commands."""
        sessions.confirm(self.state, session, epoch, seq)

    @property
    def clock(self) -> int:
        """The exchange clock, ns."""
        return self.state.clock

    @property
    def event_number(self) -> int:
        """The number of the last event."""
        return self.state.number

    def snapshot(self) -> list[Any]:
        """The whole state as plain lists, numbers and strings, ready for msgpack."""
        return snapshot.take(self.state)

    @classmethod
    def restore(cls, plain: Any, config: ExchangeConfig = DEFAULT) -> Exchange:
        """An exchange in the state a snapshot holds.

        Raises:
            ValueError: the snapshot is of a version this one cannot read.
        """
        exchange = cls(config=config)
        exchange.state = restore.restore(plain, config)
        return exchange

    def state_hash(self) -> bytes:
        """Hash over the whole snapshot: equal states have equal hashes. Costs a snapshot."""
        return snapshot.state_hash(self.state)

    def fingerprint(self) -> bytes:
        """Hash over counters, clocks and ledger totals: cheap enough for every batch."""
        return snapshot.fingerprint(self.state)

    def check(self) -> None:
        """Asserts every invariant from scratch: for snapshots and tests, not for every command."""
        check.check(self.state)
