"""What a reader of the events alone can know: every account's money, every market's depth."""

from kalshi_fix.messages import events as e


class RebuiltLedger:
    """Cash and holds per account, from events alone."""

    def __init__(self) -> None:
        self._total: dict[str, int] = {}  # free and held
        self._hold: dict[str, dict[int, int]] = {}  # account -> order id -> hold
        self._settled: dict[int, int] = {}  # number of a settlement -> payout

    def follow(self, event: e.Event) -> None:
        match event:
            case e.Execution():
                account = event.terms.account
                self._add(account, event.cash_change)
                self._hold.setdefault(account, {})[event.terms.order_id] = event.hold
            case e.BalanceChanged():
                self._add(event.account, event.amount)
                if event.order_id:
                    self._hold[event.account][event.order_id] = event.hold
                assert event.order_id or event.cash == self.cash(event.account)
            case e.PositionSettled():
                self._settled[event.number] = event.payout
                self._add(event.account, event.payout - self._settled.get(event.corrects, 0))

    def _add(self, account: str, amount: int) -> None:
        self._total[account] = self._total.get(account, 0) + amount

    def held(self, account: str) -> int:
        return sum(self._hold.get(account, {}).values())

    def cash(self, account: str) -> int:
        return self._total.get(account, 0) - self.held(account)


class RebuiltDepth:
    """Aggregated levels per market, from public events alone; change numbers have no gap."""

    def __init__(self) -> None:
        self._levels: dict[str, dict[tuple[int, int], int]] = {}
        self._change: dict[str, int] = {}

    def follow(self, event: e.Event) -> None:
        change = getattr(event, "change", 0)
        if change:
            symbol = event.symbol  # type: ignore[union-attr]
            assert change == self._change.get(symbol, 0) + 1
            self._change[symbol] = change
        if isinstance(event, e.LevelChanged):
            levels = self._levels.setdefault(event.symbol, {})
            assert (event.quantity == 0) == (event.orders == 0)
            levels.pop((event.side, event.price), None)
            if event.quantity:
                levels[event.side, event.price] = event.quantity

    def book(self, symbol: str) -> str:
        """The book in one line, as `Venue.book` writes it."""
        levels = self._levels.get(symbol, {})
        bids = sorted(((p, q) for (s, p), q in levels.items() if s == 1), reverse=True)
        offers = sorted((p, q) for (s, p), q in levels.items() if s == 2)
        sides = (" ".join(f"{p / 100:g}x{q / 100:g}" for p, q in side) for side in (bids, offers))
        return " | ".join(sides).strip()
