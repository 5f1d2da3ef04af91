"""The same flow through two matching engines from PyPI, for a ratio that no machine changes.

Both match by price and time and do nothing else: no accounts, risk, fees or events for anybody but
the caller. A replace is a cancel and a new order there, what an immediate order could not trade is
cancelled. They are no dependency of anything: without them (``make bench`` installs them) the
bench says so and goes on.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from kalshi_fix.messages import commands as c
from kalshi_fix.model import OrdType, Side, TimeInForce

Step = Callable[[Any], object]
Enter = Callable[[str, int, int, int], Any]  # symbol, side, price, quantity: the peer's order
LOWEST: Final = 1
HIGHEST: Final = 9_999


class Peer:
    """Replays a flow's commands on an engine that knows add and cancel."""

    def __init__(self, enter: Enter, leaves: Callable[[Any], int], cancel: Step) -> None:
        self._enter = enter
        self._leaves = leaves
        self._cancel = cancel
        self._orders: dict[str, Any] = {}

    def step(self, command: c.Command) -> None:
        """One command. An order that the peer has filled by now is left alone."""
        if isinstance(command, c.NewOrder):
            price = command.price or (HIGHEST if command.side == Side.BUY else LOWEST)
            order = self._enter(command.symbol, command.side, price, command.order_qty)
            rests = command.time_in_force == TimeInForce.GTC and command.ord_type == OrdType.LIMIT
            if rests:
                self._orders[command.cl_ord_id] = order
            elif self._leaves(order):
                self._cancel(order)
            return
        assert isinstance(command, c.CancelOrder | c.ReplaceOrder), command
        order = self._orders.pop(command.orig_cl_ord_id)
        left = self._leaves(order)
        if left:
            self._cancel(order)
        if isinstance(command, c.ReplaceOrder):
            quantity = left or 1
            self._orders[command.cl_ord_id] = self._enter(
                command.symbol, command.side, command.price, quantity
            )


def _light() -> Peer:
    engine = import_module("lightmatchingengine.lightmatchingengine").LightMatchingEngine()
    return Peer(
        lambda symbol, side, price, quantity: engine.add_order(symbol, price, quantity, side)[0],
        lambda order: order.leaves_qty,
        lambda order: engine.cancel_order(order.order_id, order.instmt),
    )


def _pyorderbook() -> Peer:
    library = import_module("pyorderbook")
    book, sides = library.Book(), (library.Side.BID, library.Side.ASK)

    def enter(symbol: str, side: int, price: int, quantity: int) -> object:
        order = library.Order(sides[side - 1], symbol, price, quantity)
        book.match(order)
        return order

    return Peer(enter, lambda order: order.quantity, book.cancel)


PEERS: Final[dict[str, Callable[[], Peer]]] = {
    "lightmatchingengine": _light,
    "pyorderbook": _pyorderbook,
}


def warmed_peer(make: Callable[[], Peer], warm_up: list[c.Command]) -> Step | None:
    """A peer that has seen the warm-up; None where it is not installed."""
    try:
        peer = make()
    except ImportError:
        return None
    for command in warm_up:
        peer.step(command)
    return peer.step
