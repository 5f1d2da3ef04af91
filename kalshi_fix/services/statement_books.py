"""One firm's books in one shard, folded from its events, a trading day at a time.

The rule: nothing is taken over from the ledger; balances and positions are summed up from what
happened, and wherever an event says what they are, it must be the same. So the books prove the
reports, and the reports the books. Pure; integers only.
"""

from typing import Any, Final

from attrs import define, field
from msgspec.structs import replace

from kalshi_fix.messages import codec
from kalshi_fix.messages.events import BalanceChanged, Event, Execution, OrderRejected
from kalshi_fix.messages.events import PositionSettled as Settled
from kalshi_fix.model import ExecType

Key = tuple[str, str]  # account, symbol
_FILLS: Final = frozenset({ExecType.TRADE, ExecType.TRADE_CANCEL})


class BooksError(Exception):
    """An event says something else than the events before it add up to."""


@define
class Balance:
    """An account's money: ``cash`` includes what is held for open orders."""

    cash: int = 0
    held: int = 0


@define
class Standing:
    """How a firm stands at one moment."""

    balances: dict[str, Balance] = field(factory=dict)  # by account
    positions: dict[Key, int] = field(factory=dict)  # signed; none that are 0
    orders: dict[int, Execution] = field(factory=dict)  # open ones: each one's latest report


@define
class Movement:
    """Money that moved without a trade: ``kind`` DEPOSIT, WITHDRAWAL, SETTLEMENT or CORRECTION."""

    kind: str
    account: str
    amount: int
    event: BalanceChanged | Settled


@define
class Day:
    """What happened in one trading day, and how the firm stood before and after it."""

    date: int
    opening: Standing
    closing: Standing = field(factory=Standing)
    fills: list[Execution] = field(factory=list)  # trades and busts, in order
    movements: list[Movement] = field(factory=list)
    reports: dict[str, int] = field(factory=dict)  # ExecType -> how many drop copy carried
    first_report: Execution | OrderRejected | None = None
    last_report: Execution | OrderRejected | None = None


class Books:
    """See the module. Feed `take` with the firm's events in order; `turn` at each midnight."""

    def __init__(self, firm: str, date: int = 0) -> None:
        self.firm = firm
        self._standing = Standing()
        self._payouts: dict[int, int] = {}  # of settlements, by event number
        self.day = Day(date, Standing())

    def open_account(self, account: str) -> None:
        """An account of the firm's, though nothing may have happened in it."""
        self._standing.balances.setdefault(account, Balance())

    def turn(self, date: int) -> Day:
        """Midnight: returns the day that is over and begins the next.

        Raises:
            BooksError: held cash is not what the open orders hold.
        """
        for account, balance in self._standing.balances.items():
            held = sum(o.hold for o in self._standing.orders.values() if o.terms.account == account)
            if held != balance.held:
                raise BooksError(f"account {account}: {balance.held} held, its orders hold {held}")
        day = self.day
        day.closing = self._copy()
        self.day = Day(date, self._copy())
        return day

    def take(self, event: Event) -> None:
        """One event of the firm.

        Raises:
            BooksError: it contradicts the events before it.
        """
        if isinstance(event, Execution):
            self._executed(event)
        elif isinstance(event, OrderRejected):
            self._count(event, ExecType.REJECTED)
        elif isinstance(event, BalanceChanged):
            self._balance_changed(event)
        elif isinstance(event, Settled):
            self._settled(event)

    # --- kept over midnight, so that the next day need not begin with the first event

    def dump(self) -> list[Any]:
        """The books as plain values; only right after `turn`."""
        now = self._standing
        return [
            self.firm,
            self.day.date,
            [[name, balance.cash, balance.held] for name, balance in now.balances.items()],
            [[*key, position] for key, position in now.positions.items()],
            codec.pack_rows(now.orders.values()),
            list(self._payouts.items()),
        ]

    @classmethod
    def load(cls, dumped: list[Any]) -> "Books":
        """What `dump` made."""
        firm, date, balances, positions, orders, payouts = dumped
        books = cls(firm, date)
        now = books._standing
        now.balances = {name: Balance(cash, held) for name, cash, held in balances}
        now.positions = {(account, symbol): held for account, symbol, held in positions}
        open_orders: list[Any] = codec.unpack_rows(orders)
        now.orders = {order.terms.order_id: order for order in open_orders}
        books._payouts = dict(payouts)
        books.day.opening = books._copy()
        return books

    def _copy(self) -> Standing:
        now = self._standing
        balances = {name: Balance(b.cash, b.held) for name, b in now.balances.items()}
        return Standing(balances, dict(now.positions), dict(now.orders))

    def _count(self, event: Execution | OrderRejected, exec_type: str) -> None:
        day = self.day
        day.reports[exec_type] = day.reports.get(exec_type, 0) + 1
        day.first_report = day.first_report or event
        day.last_report = event

    # --- events

    def _executed(self, event: Execution) -> None:
        self._count(event, event.exec_type)
        terms = event.terms
        self._hold(event)
        if event.exec_type not in _FILLS:
            return
        self.day.fills.append(event)
        self._balance(terms.account).cash += event.cash_change
        signed = event.last_qty if terms.side == 1 else -event.last_qty
        if event.exec_type == ExecType.TRADE_CANCEL:
            signed = -signed
        self._move((terms.account, terms.symbol), signed, event.position)

    def _hold(self, event: Execution) -> None:
        """What the order holds from now on: nothing, once it is done."""
        orders, terms = self._standing.orders, event.terms
        before = orders.pop(terms.order_id, None)
        hold = 0
        if event.leaves_qty:
            orders[terms.order_id] = event
            hold = event.hold
        self._balance(terms.account).held += hold - (before.hold if before is not None else 0)

    def _balance_changed(self, event: BalanceChanged) -> None:
        balance = self._balance(event.account)
        order = self._standing.orders.get(event.order_id)
        if order is not None:
            balance.held += event.hold - order.hold
            self._standing.orders[event.order_id] = replace(order, hold=event.hold)
        elif event.amount:
            kind = "DEPOSIT" if event.amount > 0 else "WITHDRAWAL"
            self._add(Movement(kind, event.account, event.amount, event))
        self._check_cash(event)

    def _settled(self, event: Settled) -> None:
        kind, amount = "SETTLEMENT", event.payout
        if event.corrects:
            kind, amount = "CORRECTION", event.payout - self._payouts.pop(event.corrects)
        else:
            self._move((event.account, event.symbol), -event.position, 0)
        self._payouts[event.number] = event.payout
        self._add(Movement(kind, event.account, amount, event))
        self._check_cash(event)

    # --- sums

    def _balance(self, account: str) -> Balance:
        return self._standing.balances.setdefault(account, Balance())

    def _add(self, movement: Movement) -> None:
        self._balance(movement.account).cash += movement.amount
        self.day.movements.append(movement)

    def _move(self, key: Key, signed: int, told: int) -> None:
        position = self._standing.positions.pop(key, 0) + signed
        if position != told:
            raise BooksError(f"position of {key}: {position} by its trades, {told} as told")
        if position:
            self._standing.positions[key] = position

    def _check_cash(self, event: BalanceChanged | Settled) -> None:
        balance = self._balance(event.account)
        if balance.cash - balance.held != event.cash:
            raise BooksError(
                f"account {event.account} at event {event.number}: {balance.cash - balance.held} "
                f"free by what happened, {event.cash} as told"
            )
