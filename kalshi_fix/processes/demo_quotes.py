"""What the demo market maker wants to have in the book, and the next message that brings it there.

The rule: around a price that wanders by whole cents stand a few bids and offers; what is filled is
put back, what stands wrong is cancelled first. The same seed wanders the same way. Messages in,
messages out; no socket, no clock.
"""

import random
from collections.abc import Iterable
from typing import Final

from attrs import define, field, frozen

from kalshi_fix.fix.decimal_text import price_text, quantity_text
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.time_text import utc_text
from kalshi_fix.model import NANOS, PRICE_UNIT, QTY_UNIT, Side

CENT: Final = PRICE_UNIT // 100
LEVELS: Final = 4
DISTANCE_CENTS: Final = 1  # of the best level from the middle
MIDDLE_MIN_CENTS: Final = 10  # so that every level stays on every market's grid
MIDDLE_MAX_CENTS: Final = 90
STEP_EVERY: Final = 3 * NANOS  # one market's middle moves
REFUSED_PAUSE: Final = 5 * NANOS  # before a refused level is tried again
SIZES: Final = (100, 200, 300, 500)  # contracts, by level from the best
_CLOSED: Final = frozenset("248C")


@frozen(slots=True)
class Place:
    """Where one order belongs."""

    symbol: str
    side: int
    price: int


@define(slots=True)
class Quote:
    """An order of ours. ``cancelling`` is when its cancel went out, 0 = not."""

    cl_ord_id: str
    place: Place
    cancelling: int = 0


@define(slots=True)
class Quotes:
    """All quotes of the maker. ``prefix`` makes its ClOrdIDs unique over its starts."""

    symbols: tuple[str, ...]
    prefix: str
    seed: int = 1
    middles: dict[str, int] = field(factory=dict, init=False)  # cents
    live: dict[Place, Quote] = field(factory=dict, init=False)
    _by_id: dict[str, Quote] = field(factory=dict, init=False)
    _paused: dict[Place, int] = field(factory=dict, init=False)  # until
    _random: random.Random = field(init=False)
    _counter: int = field(default=0, init=False)
    _step_at: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - a repeatable walk, no secret
        self.middles = {symbol: self._random.randint(35, 65) for symbol in self.symbols}

    def wanted(self) -> Iterable[Place]:
        """Every place an order should stand at, best levels first."""
        for level in range(LEVELS):
            for symbol in self.symbols:
                distance = DISTANCE_CENTS + level
                yield Place(symbol, Side.BUY, (self.middles[symbol] - distance) * CENT)
                yield Place(symbol, Side.SELL, (self.middles[symbol] + distance) * CENT)

    def next_message(self, at: int) -> FixMessage | None:
        """One message that brings the book nearer to what is wanted; None: all is well."""
        self._wander(at)
        places = list(self.wanted())
        target = set(places)
        for place, quote in self.live.items():
            if place not in target and at - quote.cancelling > REFUSED_PAUSE:
                return self._cancel(quote, at)
        for place in places:
            if place not in self.live and self._paused.get(place, 0) <= at:
                return self._order(place, at)
        return None

    def _wander(self, at: int) -> None:
        if not self._step_at:
            self._step_at = at + STEP_EVERY
        if at < self._step_at:
            return
        self._step_at = at + STEP_EVERY
        symbol = self._random.choice(self.symbols)
        middle = self.middles[symbol] + self._random.choice((-1, 1))
        self.middles[symbol] = min(MIDDLE_MAX_CENTS, max(MIDDLE_MIN_CENTS, middle))

    def _order(self, place: Place, at: int) -> FixMessage:
        quote = Quote(self._next_id(), place)
        self.live[place] = self._by_id[quote.cl_ord_id] = quote
        middle = self.middles[place.symbol] * CENT
        level = abs(place.price - middle) // CENT - DISTANCE_CENTS
        size = SIZES[min(level, len(SIZES) - 1)] * QTY_UNIT
        fields = [
            *((11, quote.cl_ord_id), (55, place.symbol), (54, str(place.side))),
            *((60, utc_text(at)), (38, quantity_text(size)), (40, "2")),
            *((44, price_text(place.price)), (59, "1")),
        ]
        return FixMessage("D", fields)

    def _cancel(self, quote: Quote, at: int) -> FixMessage:
        quote.cancelling = at
        place = quote.place
        fields = [
            *((41, quote.cl_ord_id), (11, self._next_id())),
            *((55, place.symbol), (54, str(place.side)), (60, utc_text(at))),
        ]
        return FixMessage("F", fields)

    def _next_id(self) -> str:
        self._counter += 1
        return f"{self.prefix}-{self._counter}"

    def cancel_everything(self, at: int) -> FixMessage:
        """A mass cancel of the session's orders; forgets the quotes."""
        self.live.clear()
        self._by_id.clear()
        return FixMessage("q", [(11, self._next_id()), (530, "7"), (60, utc_text(at))])

    def on_message(self, message: FixMessage, at: int) -> None:
        """What the exchange said: an order that is closed leaves its place free."""
        if message.msg_type == "8" and message.get(39) in _CLOSED:
            cl_ord_id = message.get(41) or message.get(11)
            self._closed(cl_ord_id, at, refused=message.get(150) == "8")
        elif message.msg_type == "9" and message.get(102) in {"0", "1"}:
            self._closed(message.get(41), at, refused=False)
        elif message.msg_type == "j" and message.get(372) == "D":
            self._closed(message.get(379), at, refused=True)

    def _closed(self, cl_ord_id: str, at: int, *, refused: bool) -> None:
        quote = self._by_id.pop(cl_ord_id, None)
        if quote is None:
            return
        if self.live.get(quote.place) is quote:
            del self.live[quote.place]
        if refused:
            self._paused[quote.place] = at + REFUSED_PAUSE
