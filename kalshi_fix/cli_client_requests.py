"""What a person types, as FIX messages; and the orders seen, so that they can be named briefly.

The rule: numbers go out as typed and the exchange says what is wrong with them; only what makes no
sentence is refused here. Pure: time is an argument. Must not know sockets or screens.
"""

from collections.abc import Sequence
from typing import Final

from attrs import define, field

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.time_text import utc_text
from kalshi_fix.model import NANOS

SIDES: Final = {"buy": "1", "sell": "2"}
TIMES_IN_FORCE: Final = {"day": "0", "gtc": "1", "ioc": "3", "fok": "4"}
INSTRUCTIONS: Final = {"post": "6", "reduce": "E"}
SIDE_NAMES: Final = {"1": "buy", "2": "sell"}
_SECONDS_MAX_DIGITS: Final = 7


class UsageError(Exception):
    """What was typed makes no sense; the message says what would."""


@define(slots=True)
class KnownOrder:
    """An order as its last report left it. ``number`` is what a person calls it by."""

    number: int
    cl_ord_id: str
    order_id: str = ""
    symbol: str = ""
    side: str = ""
    quantity: str = ""
    price: str = ""
    status: str = ""
    filled: str = ""
    open: str = ""
    average: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it can still trade."""
        return self.status in {"0", "1"}


@define(slots=True)
class Requests:
    """Builds requests and follows reports. ``prefix`` makes ids unique over starts."""

    prefix: str
    orders: dict[str, KnownOrder] = field(factory=dict, init=False)  # by every ClOrdID it had
    _counter: int = field(default=0, init=False)
    _numbers: int = field(default=0, init=False)

    def new_id(self) -> str:
        """An id for ClOrdID and its like."""
        self._counter += 1
        return f"{self.prefix}-{self._counter}"

    def order(self, verb: str, words: list[str], at: int) -> FixMessage:
        """``buy SYMBOL QUANTITY PRICE|market [day|gtc|ioc|fok|gtd=...] [post|reduce] [...]``."""
        if len(words) < 3:
            raise UsageError(f"{verb} SYMBOL QUANTITY PRICE|market [ioc|fok|post|day|gtd=60s]")
        symbol, quantity, price, *options = words
        is_market = price.lower() == "market"
        fields = {
            11: self.new_id(),
            55: symbol,
            54: SIDES[verb],
            60: utc_text(at),
            38: quantity,
            40: "1" if is_market else "2",
        }
        if not is_market:
            fields[44] = price
        for option in options:
            _add_option(fields, option, at)
        return FixMessage("D", list(fields.items()))

    def cancel(self, order: KnownOrder, at: int) -> FixMessage:
        """Cancels an order."""
        fields = [(41, order.cl_ord_id), (11, self.new_id()), *_same(order), (60, utc_text(at))]
        return FixMessage("F", fields)

    def cancel_all(self, symbol: str, at: int) -> FixMessage:
        """Cancels everything of the session, or of one symbol."""
        scope = [(530, "1"), (55, symbol)] if symbol else [(530, "7")]
        return FixMessage("q", [(11, self.new_id()), *scope, (60, utc_text(at))])

    def replace(self, order: KnownOrder, quantity: str, price: str, at: int) -> FixMessage:
        """New total quantity and price of an order."""
        fields = [(41, order.cl_ord_id), (11, self.new_id()), *_same(order)]
        fields += [(60, utc_text(at)), (38, quantity), (40, "2"), (44, price)]
        return FixMessage("G", fields)

    def status(self, order: KnownOrder) -> FixMessage:
        """Asks how an order stands."""
        return FixMessage("H", [(11, order.cl_ord_id), *_same(order)])

    def all_orders(self) -> FixMessage:
        """Asks for every open order of the session."""
        return FixMessage("AF", [(584, self.new_id()), (585, "7")])

    def positions(self, account: str, at: int) -> FixMessage:
        """Asks for an account's positions; 581 and 715 are required by FIX and not judged."""
        head = [(710, self.new_id()), (724, "0"), (1, account), (581, "1")]
        now = utc_text(at)
        return FixMessage("AN", [*head, (715, now.partition("-")[0]), (60, now)])

    def collateral(self, account: str) -> FixMessage:
        """Asks for the cash of one account, or of all the session may use."""
        named = [(1, account)] if account else []
        return FixMessage("BB", [(909, self.new_id()), *named])

    def snapshot(self, symbol: str, levels: str) -> FixMessage:
        """Asks for a book, last trade and totals."""
        return self._market_data("0", symbol, levels)

    def _market_data(self, kind: str, symbol: str, levels: str) -> FixMessage:
        types = [(269, entry_type) for entry_type in "012BC"]
        head = [(262, self.new_id()), (263, kind), (264, levels), (265, "1"), (267, "5")]
        return FixMessage("V", [*head, *types, (146, "1"), (55, symbol)])

    def watch(self, symbol: str) -> FixMessage:
        """Asks for a book and every change of it."""
        return self._market_data("1", symbol, "0")

    def unwatch(self, asked: FixMessage) -> FixMessage:
        """Takes a ``watch`` back."""
        changes = {263: "2"}
        return FixMessage("V", [(tag, changes.get(tag, value)) for tag, value in asked.fields])

    def markets(self) -> FixMessage:
        """Asks for the list of all markets."""
        return FixMessage("x", [(320, self.new_id()), (559, "4")])

    # --- orders

    def find(self, name: str) -> KnownOrder:
        """An order by its number, its ClOrdID, or "last".

        Raises:
            UsageError: there is none by this name.
        """
        known = list({id(order): order for order in self.orders.values()}.values())
        if name == "last" and known:
            return known[-1]
        for order in known:
            if name == str(order.number):
                return order
        if name not in self.orders:
            raise UsageError(f"no order {name} is known here; 'orders' asks for the open ones")
        return self.orders[name]

    def take(self, report: FixMessage) -> KnownOrder | None:
        """Follows an ExecutionReport; the order it is about, if it is about one."""
        cl_ord_id, order_id = report.get(11), report.get(37)
        if order_id in {"", "NONE"}:
            return None
        order = self.orders.get(cl_ord_id) or self.orders.get(report.get(41))
        if order is None:
            self._numbers += 1
            order = KnownOrder(self._numbers, cl_ord_id)
        if report.get(150) != "4" or not report.get(41):
            order.cl_ord_id = cl_ord_id  # the answer to a cancel names the cancel
        self.orders[cl_ord_id] = order
        order.order_id = order_id
        order.symbol, order.side = report.get(55), report.get(54)
        order.quantity, order.price = report.get(38), report.get(44)
        order.status, order.average = report.get(39), report.get(6)
        order.filled, order.open = report.get(14), report.get(151)
        return order


def _same(order: KnownOrder) -> list[tuple[int, str]]:
    fields = [(37, order.order_id)] if order.order_id else []
    return [*fields, (55, order.symbol), (54, order.side)]


def _add_option(fields: dict[int, str], option: str, at: int) -> None:
    name, _, value = option.lower().partition("=")
    if option.lower() in TIMES_IN_FORCE:
        fields[59] = TIMES_IN_FORCE[option.lower()]
    elif option.lower() in INSTRUCTIONS:
        fields[18] = INSTRUCTIONS[option.lower()]
    elif name == "gtd" and value:
        fields[59], fields[126] = "6", _instant(option.partition("=")[2], at)
    elif name == "account" and value:
        fields[1] = option.partition("=")[2]
    elif name == "id" and value:
        fields[11] = option.partition("=")[2]
    elif name.isdigit() and value:
        fields[int(name)] = option.partition("=")[2]
    else:
        known = ", ".join([*TIMES_IN_FORCE, *INSTRUCTIONS])
        raise UsageError(f"{option!r} is none of {known}, gtd=60s, account=..., id=..., TAG=VALUE")


def _instant(text: str, at: int) -> str:
    """``60s`` from now, or a FIX timestamp as typed."""
    seconds = text.removesuffix("s")
    if seconds != text and seconds.isdigit() and len(seconds) <= _SECONDS_MAX_DIGITS:
        return utc_text(at + int(seconds) * NANOS)
    return text


def are_all_positions(answers: Sequence[FixMessage]) -> bool:
    """Whether as many position reports have come as the acknowledgement says."""
    return int(answers[0].get(727) or "0") < len(answers)


def are_all_reports(answers: Sequence[FixMessage]) -> bool:
    """Whether the last collateral report has come, or none will."""
    return answers[-1].get(912) == "Y" or answers[0].get(911) in {"", "0"}


def parse_raw(text: str) -> FixMessage:
    """``35=D|11=...`` as a message, whatever it says.

    Raises:
        UsageError: not of this form.
    """
    fields = []
    for part in text.strip("|").split("|"):
        tag, _, value = part.partition("=")
        if not tag.isascii() or not tag.isdigit() or not value:
            raise UsageError(f"{part!r} is not TAG=VALUE; write send 35=D|11=...|55=...")
        fields.append((int(tag), value))
    if fields[0][0] != 35:
        raise UsageError("the message starts with its type: 35=...")
    return FixMessage(fields[0][1], fields[1:])
