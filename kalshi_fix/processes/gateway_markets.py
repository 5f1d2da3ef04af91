"""Where markets live, and so which shards a command concerns.

The configuration says it of its own markets; of those that operators define while all runs the
shard says it: its event, and for a gateway that starts later the list of its markets in the store.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from kalshi_fix.adapters.bus import Bus
from kalshi_fix.adapters.settings import Settings
from kalshi_fix.messages import commands as c
from kalshi_fix.messages import events as e
from kalshi_fix.services.market_data_format import INDEX_KEY, unpack_index

_BY_SYMBOL: Final = (c.NewOrder, c.CancelOrder, c.ReplaceOrder)


class Routes:
    """See the module. May be asked by any thread while another one learns."""

    def __init__(self, shards: Sequence[str], market_shards: Mapping[str, str]) -> None:
        self._all = tuple(range(len(shards)))
        self._of_symbol = {
            symbol: (shards.index(shard) if shard else 0,)
            for symbol, shard in market_shards.items()
        }
        self._listed = [b""] * len(shards)  # as last read, packed

    @classmethod
    def of_settings(cls, settings: Settings) -> "Routes":
        """As configured."""
        return cls(settings.core.shards, {m.symbol: m.shard for m in settings.markets})

    def of(self, command: c.Command) -> tuple[int, ...]:
        """Indexes of shards; the first for a market nobody knows, which refuses it."""
        symbol = getattr(command, "symbol", "")
        if isinstance(command, _BY_SYMBOL) or (symbol and not isinstance(command, c.QueryOrder)):
            return self._of_symbol.get(symbol, (0,))
        return self._all

    def learn(self, events: Iterable[e.MarketEvent], shard: int) -> None:
        """A shard has defined markets."""
        for event in events:
            if isinstance(event, e.MarketChanged):
                self._of_symbol[event.symbol] = (shard,)

    def read(self, buses: Iterable[Bus]) -> None:
        """What the shards list, in their order.

        Raises:
            BusError: a store cannot be read; may be called again.
        """
        if len(self._all) == 1:
            return
        for shard, bus in enumerate(buses):
            listed = bus.get_books([INDEX_KEY]).get(INDEX_KEY, b"")
            if listed != self._listed[shard]:
                self._listed[shard] = listed
                self._of_symbol.update(dict.fromkeys(unpack_index(listed or None), (shard,)))
