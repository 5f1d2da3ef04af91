"""A tape that makes numbered events, the way to the service, and a strict client of W and X."""

from collections.abc import Sequence

from attrs import define, field

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.messages import events as e
from kalshi_fix.messages.batch import EventEntry
from kalshi_fix.services.depth import Depth
from kalshi_fix.services.market_data import MarketData, MarketDataLimits
from kalshi_fix.services.market_data_publication import Publication
from kalshi_fix.services.policy import Policy
from kalshi_fix.services.service import SessionView
from kalshi_fix.services.throttle import Throttle

AT = 1_795_343_400_123_456_789  # 2026-11-22 10:30:00.123
SYMBOL = "KXTEST-A"
BUY, SELL = 1, 2


@define
class Tape:
    """Makes events with the numbers the core would give them."""

    number: int = 0
    changes: dict[str, int] = field(factory=dict)
    volume: int = 0
    open_interest: int = 0
    pending: list[e.Event] = field(factory=list)

    def head(self, symbol: str) -> tuple[int, int, str, int]:
        self.number += 1
        self.changes[symbol] = self.changes.get(symbol, 0) + 1
        return self.number, AT + self.number, symbol, self.changes[symbol]

    def market(self, symbol: str = SYMBOL, status: str = "active", **more: object) -> None:
        values: dict[str, object] = {
            "event_ticker": "KXTEST", "series": "KX", "title": "A test market",
            "price_ranges": ((100, 9900, 100),), "open_at": 0, "close_at": 0,
            "expected_expiry_at": 0, "value": -1, "source": "", "why": "",
            "jurisdictions_excluded": (),
        }  # fmt: skip
        values.update(more)
        self.pending.append(e.MarketChanged(*self.head(symbol), status, **values))  # type: ignore[arg-type]

    def level(self, side: int, price: int, quantity: int, symbol: str = SYMBOL) -> None:
        orders = -(-quantity // 1000)
        head = self.head(symbol)
        self.pending.append(e.LevelChanged(*head, side, price, quantity, orders))

    def trade(self, price: int, quantity: int, symbol: str = SYMBOL) -> None:
        self.volume += quantity
        self.open_interest += quantity
        head = self.head(symbol)
        self.pending.append(
            e.Traded(*head, head[0] + 7000, price, quantity, BUY, self.volume, self.open_interest)
        )

    def published(self, depth: Depth) -> None:
        self.number += 1
        sides = [
            tuple((level.price, level.quantity, level.orders) for level in ladder)
            for ladder in (depth.bids, depth.offers)
        ]
        self.pending.append(
            e.DepthPublished(
                self.number,
                AT + self.number,
                depth.symbol,
                self.changes[depth.symbol],
                depth.status,
                sides[0],
                sides[1],
                depth.volume,
                depth.open_interest,
                depth.last_trade.price if depth.last_trade else 0,
            )
        )

    def entry(self) -> bytes:
        """What happened since the last entry, as the core commits it."""
        events, self.pending = self.pending, []
        return EventEntry.from_events(b"hash", events).pack()


@define
class System:
    """Tape to publication to service, without a store."""

    limits: MarketDataLimits = field(factory=MarketDataLimits)
    tape: Tape = field(factory=Tape)
    publication: Publication = field(factory=Publication)
    queued: dict[str, int] = field(factory=dict)
    service: MarketData = field(init=False)
    sent: list[tuple[str, FixMessage]] = field(factory=list)
    entries: int = 0

    def __attrs_post_init__(self) -> None:
        policy = Policy(Throttle({}))
        self.service = MarketData(policy, lambda name: self.queued.get(name, 0), self.limits)

    def publish(self) -> bytes | None:
        """Events so far become an ``md`` entry; returns it."""
        self.publication.take(self.tape.entry())
        payload = self.publication.changes()
        if payload is not None:
            self.entries += 1
            self.publication.changes_written(f"{self.entries}-0")
        return payload

    def flow(self) -> list[FixMessage]:
        """Publishes and feeds; returns what sessions were sent for it."""
        payload = self.publish()
        assert payload is not None
        sent = self.service.on_feed("s0", payload)
        self.sent += sent
        return [message for _, message in sent]

    def ask(self, text: str, session: SessionView | str = "ALPHA-MD") -> list[FixMessage]:
        """Sends ``35=V|262=...`` and returns the answers."""
        fields = [part.partition("=") for part in text.split("|")]
        message = FixMessage(fields[0][2], [(int(tag), value) for tag, _, value in fields[1:]])
        asking = view(session) if isinstance(session, str) else session
        reaction = self.service.on_message(asking, message, AT)
        assert reaction.commands == []
        return reaction.replies


def view(name: str) -> SessionView:
    return SessionView(name, name, "KalshiMD", "MD", "ALPHA", ())


def request(
    request_id: str = "R1",
    *,
    kind: str = "1",
    depth: int = 0,
    update: str = "1",
    types: str = "01",
    symbols: Sequence[str] = (SYMBOL,),
) -> str:
    wanted = "".join(f"|269={entry_type}" for entry_type in types)
    named = "".join(f"|55={symbol}" for symbol in symbols)
    head = f"35=V|262={request_id}|263={kind}|264={depth}|265={update}"
    return f"{head}|267={len(types)}{wanted}|146={len(symbols)}{named}"


def text(message: FixMessage) -> str:
    """Readable form: ``X 262=R1 268=1 279=0 ...``."""
    return " ".join([message.msg_type, *(f"{tag}={value}" for tag, value in message.fields)])


@define
class BookClient:
    """Applies W and X as a careful client would, and trips over anything impossible."""

    levels: dict[str, dict[str, dict[str, tuple[str, str]]]] = field(factory=dict)
    trades: list[str] = field(factory=list)
    totals: dict[tuple[str, str], str] = field(factory=dict)

    def take(self, message: FixMessage) -> None:
        entries: list[dict[int, str]] = []
        symbol = message.get(55)
        first = 269 if message.msg_type == "W" else 279
        if message.msg_type == "W":
            self.levels[symbol] = {"0": {}, "1": {}}
        for tag, value in message.fields:
            if tag == first:
                entries.append({279: "0", 55: symbol} if first == 269 else {})
            if entries:
                entries[-1][tag] = value
        assert len(entries) == int(message.get(268)), "268 counts the entries"
        for entry in entries:
            self._take_entry(entry)

    def _take_entry(self, entry: dict[int, str]) -> None:
        kind = entry[269]
        if kind in "BC":
            self.totals[entry[55], kind] = entry[271]
            return
        if kind == "2":
            self.trades.append(f"{entry[279]} {entry[270]} {entry.get(271)}")
            return
        side, price = self.levels[entry[55]][kind], entry[270]
        assert (price in side) == (entry[279] != "0"), f"impossible action: {entry}"
        if entry[279] == "2":
            del side[price]
        else:
            side[price] = entry[271], entry[346]

    def best(self, symbol: str, kind: str) -> list[tuple[str, str, str]]:
        """Levels best first."""
        found = sorted(self.levels[symbol][kind].items(), reverse=kind == "0")
        return [(price, *size) for price, size in found]
