"""A trading client that keeps its own book of what it was told, and believes nothing else.

Enters, cancels and replaces orders at random, whatever happens to the venue. Every report is
checked as it comes: no ExecID twice, event numbers rising. What is right is `torture_judge`'s.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from attrs import define, field
from torture_session import SessionFaultError, TortureSession, utc_now

from kalshi_fix.adapters.fix_store import content
from kalshi_fix.fix.message import FixMessage

PENDING_MAX: Final = 20
OPEN_MAX: Final = 30
RECONNECT_SECONDS: Final = 0.05
SPREAD_CENTS: Final = 6
OPEN: Final = frozenset({"0", "1"})
UNAVAILABLE: Final = "4"  # BusinessRejectReason (380)


@define(eq=False)
class ToldOrder:
    """An order as its client was told. ``status`` "" = nothing yet."""

    cl_ord_id: str
    symbol: str
    side: str
    order_id: str = ""
    status: str = ""
    cum: str = ""
    leaves: str = ""
    filled: Decimal = Decimal(0)  # sum of the fills told, in contracts


@define(eq=False)
class Told:
    """Everything one client was told."""

    orders: dict[str, ToldOrder] = field(factory=dict)  # by every ClOrdID
    exec_ids: set[str] = field(factory=set)
    contents: dict[str, str] = field(factory=dict)  # ExecID -> all that its report said
    unavailable: set[str] = field(factory=set)  # ClOrdIDs answered j 380=4
    rejected: set[str] = field(factory=set)  # 150=8, 9, or another j
    pending: dict[str, float] = field(factory=dict)  # request -> when it was sent
    faults: list[str] = field(factory=list)
    possibly_resent: int = 0


class TortureClient:
    """One trading session and its thread."""

    def __init__(
        self, session: TortureSession, symbols: Sequence[str], rate: float, chance: random.Random
    ) -> None:
        self.session = session
        self.told = Told()
        self.sent = 0
        self.acks: deque[tuple[float, float]] = deque(maxlen=2_000)  # order sent, acknowledged
        self._symbols = symbols
        self._pause = 1 / rate
        self._chance = chance
        self._newest: dict[str, int] = {}  # shard -> event number
        self._open: dict[str, ToldOrder] = {}
        self._number = 0
        self._due = 0.0
        self._trading = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Logs on and trades."""
        self._trading.set()
        self._thread.start()

    def stop_trading(self) -> None:
        """No new requests; what is under way is answered."""
        self._trading.clear()

    def stop(self) -> None:
        """Ends the thread and the connection."""
        self._stopping.set()
        self._thread.join(10)
        self.session.drop()

    @property
    def is_quiet(self) -> bool:
        """Whether it is logged on and nothing is unanswered."""
        return self.session.is_logged_on and not self.told.pending

    def first_ack_after(self, moment: float) -> float | None:
        """When an order sent after ``moment`` was first acknowledged."""
        return next((acked for sent, acked in list(self.acks) if sent > moment), None)

    # --- the thread

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._turn()
        except SessionFaultError as error:
            self.told.faults.append(str(error))
        except Exception as error:  # noqa: BLE001 - a client that breaks must not go unnoticed
            self.told.faults.append(f"{self.session.sender}: {error!r}")

    def _turn(self) -> None:
        if not self.session.is_connected:
            self._stopping.wait(RECONNECT_SECONDS)
            self.session.connect()
        for message in self.session.poll(min(self._pause, 0.02)):
            self._take(message)
        now = time.monotonic()
        if (
            self._trading.is_set()
            and self.session.is_logged_on
            and now > self._due
            and len(self.told.pending) < PENDING_MAX
        ):
            self._due = now + self._pause
            self._request(now)

    # --- requests

    def _request(self, now: float) -> None:
        draw = self._chance.random()
        if self._open and (len(self._open) > OPEN_MAX or draw < 0.25):
            order = self._chance.choice(list(self._open.values()))
            if draw < 0.08:
                self._replace(order, now)
            else:
                self._cancel(order, now)
        else:
            self._enter(now)

    def _new_id(self, now: float) -> str:
        self._number += 1
        self.sent += 1
        name = f"{self.session.sender}-{self._number}"
        self.told.pending[name] = now
        return name

    def _price(self, side: str) -> str:
        cents = 50 + (-2 if side == "1" else 2) + self._chance.randint(-SPREAD_CENTS, SPREAD_CENTS)
        return f"0.{cents:02d}"

    def _enter(self, now: float) -> None:
        side, symbol = self._chance.choice("12"), self._chance.choice(self._symbols)
        name = self._new_id(now)
        self.told.orders[name] = ToldOrder(name, symbol, side)
        force = "3" if self._chance.random() < 0.1 else "1"
        quantity = str(self._chance.randint(1, 5))
        terms = [(55, symbol), (54, side), (60, utc_now()), (38, quantity), (40, "2")]
        self.session.send("D", [(11, name), *terms, (44, self._price(side)), (59, force)])

    def _cancel(self, order: ToldOrder, now: float) -> None:
        self._open.pop(order.cl_ord_id, None)
        terms = [(55, order.symbol), (54, order.side), (60, utc_now())]
        self.session.send("F", [(41, order.cl_ord_id), (11, self._new_id(now)), *terms])

    def _replace(self, order: ToldOrder, now: float) -> None:
        quantity = (38, str(self._chance.randint(1, 8)))
        terms = [(55, order.symbol), (54, order.side), (60, utc_now()), quantity, (40, "2")]
        price = (44, self._price(order.side))
        name = self._new_id(now)
        self.session.send("G", [(41, order.cl_ord_id), (11, name), *terms, price])

    # --- what it is told

    def _take(self, message: FixMessage) -> None:
        kind = message.msg_type
        if kind == "8":
            self._report(message)
        elif kind == "9":
            self._answered(message.get(11))
            self.told.rejected.add(message.get(11))
            self._exec_or_gateway(message)
        elif kind == "j":
            name = message.get(379)
            self._answered(name, is_ack=False)
            if message.get(380) == UNAVAILABLE:
                self.told.unavailable.add(name)
            else:
                self._fault(f"refused: {message}")
        else:
            self._fault(f"unexpected: {message}")

    def _exec_or_gateway(self, message: FixMessage) -> None:
        if message.get(58) == "INTERNAL_ERROR":
            self._fault(f"internal error: {message}")

    def _report(self, message: FixMessage) -> None:
        exec_id = message.get(17)
        if not self._is_news(exec_id, message):
            return
        name, exec_type = message.get(11), message.get(150)
        if exec_type == "8":
            self._answered(name)
            self.told.rejected.add(name)
            if message.get(58) not in {"STALE_ORDER", "INSUFFICIENT_BALANCE"}:
                self._fault(f"rejected: {message}")
            return
        order = self.told.orders.get(
            message.get(41) if exec_type in "45" and 41 in message else name
        )
        if order is None:
            self._fault(f"a report on an order never sent: {message}")
            return
        self._apply(order, message)

    def _apply(self, order: ToldOrder, message: FixMessage) -> None:
        name, exec_type = message.get(11), message.get(150)
        self._answered(name)
        if exec_type == "0":
            if order.status:
                self._fault(f"accepted twice: {message}")
            order.order_id = message.get(37)
        elif exec_type == "F":
            order.filled += Decimal(message.get(32))
        elif exec_type == "5":
            self._open.pop(order.cl_ord_id, None)
            order.cl_ord_id = name
            self.told.orders[name] = order
        if message.get(37) != order.order_id:
            self._fault(f"another order's id: {message}")
        order.status, order.cum, order.leaves = message.get(39), message.get(14), message.get(151)
        if order.filled != Decimal(order.cum):
            self._fault(f"fills told {order.filled}: {message}")
        if order.status in OPEN:
            self._open[order.cl_ord_id] = order
        else:
            self._open.pop(order.cl_ord_id, None)

    def _is_news(self, exec_id: str, message: FixMessage) -> bool:
        """Notes an ExecID; a repeat must say that it may be one."""
        if exec_id in self.told.exec_ids:
            if message.get(97) == "Y":
                self.told.possibly_resent += 1
            else:
                self._fault(f"told twice: {message}")
            return False
        self.told.exec_ids.add(exec_id)
        self.told.contents[exec_id] = content(message)
        if exec_id.startswith("R;"):  # made in a gateway: no event
            return True
        _, number, *shard = exec_id.split(";")
        where = shard[0] if shard else "0"
        if int(number) <= self._newest.get(where, 0):
            self._fault(f"out of order: {message}")
        self._newest[where] = max(int(number), self._newest.get(where, 0))
        return True

    def _answered(self, name: str, *, is_ack: bool = True) -> None:
        sent = self.told.pending.pop(name, None)
        if sent is not None and is_ack:
            self.acks.append((sent, time.monotonic()))

    def _fault(self, text: str) -> None:
        self.told.faults.append(f"{self.session.sender}: {text.replace(chr(1), '|')}")
