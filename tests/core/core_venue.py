"""A small venue for tests of the core: three firms, one market, and stories told in one line each.

Every command is followed by the exchange's full self-check; `story` turns events into short text,
so that a test reads as commands in, events out.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from kalshi_fix.core.exchange import Exchange
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.model import NANOS, ExecInst, OrdType, TimeInForce

START: Final = 1_800_000_000 * NANOS
DATE: Final = 20270115
DAY_END: Final = START + 3_600 * NANOS
DOLLAR: Final = 1_000_000
POST_ONLY: Final = int(ExecInst.POST_ONLY)
REDUCE_ONLY: Final = int(ExecInst.REDUCE_ONLY)
DAY, GTC, IOC, FOK, GTD = (int(TimeInForce[name]) for name in ("DAY", "GTC", "IOC", "FOK", "GTD"))
MARKET: Final = int(OrdType.MARKET)
SIDES: Final = {"buy": 1, "sell": 2}

WORDS: Final = {
    "0": "new", "4": "canceled", "5": "replaced", "C": "expired", "F": "trade", "H": "busted",
}  # fmt: skip


Amount = int | str | Decimal  # of contracts or cents; "0.5" is exact


def hundredths(amount: Amount) -> int:
    number = Decimal(amount) * 100
    assert number == int(number), "what is finer is a fault of the test"
    return int(number)


qty = px = hundredths


class Venue:
    """ALPHA, BRAVO and CHARLIE, with a session and an account of the same name; ALPHA also has a
    second session ALPHA-B and a second account ALPHA-2. Market M, cents, the default fees."""

    def __init__(self, cash: int = 1_000, **market: Any) -> None:
        self.exchange = Exchange()
        self.now = START
        self.commands: list[c.Command] = []
        self.events: list[e.Event] = []
        self._requests = 0
        self._counter = 0
        self._seq: dict[str, int] = {}
        self.apply(c.AdvanceTime(START))
        self.admin(c.StartTradingDay, DATE, DAY_END)
        self.admin(c.DefineSeries, "S", market.pop("taker", 70_000), market.pop("maker", 0))
        for firm in ("ALPHA", "BRAVO", "CHARLIE"):
            self.admin(c.DefineFirm, firm)
        for account in ("ALPHA", "ALPHA-2", "BRAVO", "CHARLIE"):
            self.admin(c.DefineAccount, account, account[: 7 if account == "CHARLIE" else 5])
            if cash:
                self.admin(c.Deposit, account, cash * DOLLAR)
        for session, accounts in (
            ("ALPHA", ("ALPHA", "ALPHA-2")),
            ("ALPHA-B", ("ALPHA",)),
            ("BRAVO", ("BRAVO",)),
            ("CHARLIE", ("CHARLIE",)),
        ):
            self.session(session, accounts)
        self.market("M", **market)

    # --- commands

    def apply(self, command: c.Command) -> list[e.Event]:
        self.commands.append(command)
        events = self.exchange.apply(command)
        self.exchange.check()
        self.events.extend(events)
        return events

    def admin(self, kind: Any, *values: Any, operator: str = "op1", **named: Any) -> list[e.Event]:
        self._requests += 1
        return self.apply(kind(f"r{self._requests}", operator, "", self.now, *values, **named))

    def refused(self, kind: Any, *values: Any, **named: Any) -> str:
        """The reason an operator's command is refused, "" if it is carried out."""
        answer = self.admin(kind, *values, **named)[-1]
        assert isinstance(answer, e.AdminAnswered)
        return answer.reason

    def session(self, name: str, accounts: tuple[str, ...], **named: Any) -> list[e.Event]:
        firm = name[: 7 if name == "CHARLIE" else 5]
        return self.admin(c.DefineSession, name, name, "KalshiRT", "RT", firm, accounts, **named)

    def market(self, symbol: str, **terms: Any) -> list[e.Event]:
        return self.admin(c.DefineMarket, symbol, "E", "S", symbol, **terms)

    def advance(self, seconds: float) -> list[e.Event]:
        """Moves the clock in steps of at most a second, as the leading core does."""
        events: list[e.Event] = []
        end = self.now + round(seconds * NANOS)
        while self.now < end:
            self.now = min(end, self.now + NANOS)
            events += self.apply(c.AdvanceTime(self.now))
        return events

    def open(self, session: str, process: str = "gw", boot: int = 1, **how: Any) -> list[e.Event]:
        self._counter += 1
        return self.apply(
            c.SessionOpened(
                process, boot, how.get("counter", self._counter), self.now, session,
                how.get("connection", f"c{self._counter}"), how.get("reset", False),
                how.get("cancel_on_disconnect", -1), how.get("listener", False), False, False,
                how.get("signed_at", 0),
            )
        )  # fmt: skip

    def lose(self, session: str, connection: str, process: str = "gw") -> list[e.Event]:
        self._counter += 1
        return self.apply(
            c.SessionLost(process, 1, self._counter, self.now, session, connection, "socket")
        )

    def alive(self, process: str = "gw", boot: int = 1) -> list[e.Event]:
        self._counter += 1
        return self.apply(c.GatewayAlive(process, boot, self._counter, self.now))

    def head(self, session: str, how: dict[str, Any]) -> tuple[Any, ...]:
        known = self.exchange.state.sessions.get(session)
        epoch = how.get("epoch", known.epoch if known else 0)
        self._seq[session] = how.get("seq", self._seq.get(session, 0) + 1)
        return session, epoch, self._seq[session], how.get("at", self.now)

    def order(
        self, side: str, session: str, cl: str, q: Amount, p: Amount, **how: Any
    ) -> c.NewOrder:
        return c.NewOrder(
            *self.head(session, how), how.get("sent_at", self.now), how.get("repeat", 0), cl,
            how.get("symbol", "M"), how.get("side", SIDES[side]), qty(q), how.get("ord_type", 2),
            px(p), how.get("tif", GTC), how.get("expire_at", 0), how.get("account", ""),
            how.get("inst", 0), how.get("group", ""), how.get("stp", 1),
            how.get("on_pause", False), how.get("max_cost", 0), how.get("faults", ()),
        )  # fmt: skip

    def buy(self, session: str, cl: str, q: Amount, p: Amount, **how: Any) -> list[e.Event]:
        return self.apply(self.order("buy", session, cl, q, p, **how))

    def sell(self, session: str, cl: str, q: Amount, p: Amount, **how: Any) -> list[e.Event]:
        return self.apply(self.order("sell", session, cl, q, p, **how))

    def cancel(self, session: str, cl: str, orig: str, side: str, **how: Any) -> list[e.Event]:
        return self.apply(
            c.CancelOrder(
                *self.head(session, how), self.now, how.get("repeat", 0), cl, orig,
                how.get("order_id", 0), how.get("symbol", "M"), SIDES[side],
                how.get("account", ""), how.get("firm_scope", False), how.get("faults", ()),
            )
        )  # fmt: skip

    def replace(  # noqa: PLR0917 - what a G names
        self, session: str, cl: str, orig: str, side: str, q: Amount, p: Amount, **how: Any
    ) -> list[e.Event]:
        return self.apply(
            c.ReplaceOrder(
                *self.head(session, how), how.get("sent_at", self.now), how.get("repeat", 0), cl,
                orig, how.get("order_id", 0), how.get("symbol", "M"), SIDES[side],
                how.get("account", ""), how.get("firm_scope", False), qty(q),
                how.get("ord_type", 2), px(p), how.get("tif", -1), how.get("expire_at", 0),
                how.get("faults", ()),
            )
        )  # fmt: skip

    def mass_cancel(self, session: str, cl: str, kind: str = "7", **how: Any) -> list[e.Event]:
        return self.apply(
            c.MassCancel(
                *self.head(session, how), cl, kind, how.get("symbol", ""), how.get("side", 0),
                how.get("account", ""), how.get("firm_scope", False), how.get("lock", False),
            )
        )  # fmt: skip

    def group(self, session: str, action: int, group_id: str = "", limit: Amount = 0) -> e.Event:
        """The answer to an order group request; a trigger's cancels are in ``events``."""
        return self.apply(
            c.ManageOrderGroup(*self.head(session, {}), action, group_id, qty(limit), "")
        )[0]

    # --- what came of it

    def cash(self, account: str) -> int:
        return self.exchange.state.accounts[account].cash

    def held(self, account: str) -> int:
        return self.exchange.state.accounts[account].held

    def position(self, account: str, symbol: str = "M") -> int:
        position = self.exchange.state.accounts[account].positions.get(symbol)
        return position.quantity if position else 0

    def book(self, symbol: str = "M") -> str:
        """The book in one line: bids best first | offers best first, as price x quantity."""
        market = self.exchange.state.markets[symbol]
        sides = [
            " ".join(f"{level.price / 100:g}x{level.quantity / 100:g}" for level in s.occupied())
            for s in (market.bids, market.offers)
        ]
        return " | ".join(sides).strip()

    def queue(self, side: str, p: Amount, symbol: str = "M") -> list[str]:
        """ClOrdIDs resting at a price, in time priority."""
        market = self.exchange.state.markets[symbol]
        level = (market.bids if side == "buy" else market.offers).level(px(p))
        return [order.cl_ord_id for order in level.queue()]


def text(event: e.Event) -> str:  # noqa: C901, PLR0911 - one line per kind of event
    """One event in one line; market data is left out."""
    match event:
        case e.Execution(exec_type="F"):
            return (
                f"{event.cl_ord_id} trade {event.last_qty / 100:g}@{event.last_px / 100:g}"
                f" left {event.leaves_qty / 100:g}"
            )
        case e.Execution():
            orig = f" for {event.orig_cl_ord_id}" if event.orig_cl_ord_id else ""
            return f"{event.cl_ord_id} {WORDS[event.exec_type]}{orig} {event.reason}".rstrip()
        case e.OrderRejected():
            return f"{event.cl_ord_id} rejected {event.reason}"
        case e.CancelRejected():
            return f"{event.cl_ord_id} refused {event.reason}"
        case e.MassCanceled():
            return f"{event.cl_ord_id} canceled {event.count} {event.reason}".rstrip()
        case e.SessionChanged():
            return f"{event.session} {'open' if event.is_open else 'lost'} {event.reason}".rstrip()
        case e.OrderGroupChanged():
            return f"group {event.action} {event.reason}".rstrip()
        case e.MarketChanged():
            return f"{event.symbol} {event.status}"
        case e.StatusReported():
            return f"status {event.cl_ord_id} {event.ord_status} {event.reason}".rstrip()
        case e.PositionSettled():
            return f"{event.account} paid {event.payout / DOLLAR:g}"
        case e.AdminAnswered():
            return f"answer {event.reason}".rstrip()
    return type(event).__name__


def story(events: Iterable[e.Event]) -> list[str]:
    """Events in text, without the public market data."""
    quiet = (e.LevelChanged, e.Traded, e.OpenInterestChanged, e.TradeBusted)
    return [text(event) for event in events if not isinstance(event, quiet)]


def levels(events: Iterable[e.Event]) -> list[str]:
    """Published levels: side, price, quantity, orders."""
    return [
        f"{'bid' if x.side == 1 else 'offer'} {x.price / 100:g}x{x.quantity / 100:g}/{x.orders}"
        for x in events
        if isinstance(x, e.LevelChanged)
    ]
