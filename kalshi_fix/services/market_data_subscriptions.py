"""Who wants what of which market: subscriptions of the MD sessions, and what each is still owed.

Subscribers of a market with the same interest share a channel, so an entry is rendered once.
A subscription that is held back remembers what its client had of a market when that began.
This module must not know events or which messages entries go out in.
"""

from collections.abc import Iterable, Iterator

from attrs import define, field, frozen

from kalshi_fix.services.depth import Depth
from kalshi_fix.services.market_data_messages import Fields, incremental_fields
from kalshi_fix.services.market_data_view import Entry, Interest, View


@define(slots=True, eq=False)
class Subscription:
    """One MDReqID (262) of one session. ``held``: symbol -> what the client had of it."""

    session: str
    request_id: str
    interest: Interest
    incremental: bool
    microseconds: bool
    symbols: tuple[str, ...]
    held: dict[str, View] = field(factory=dict)

    def hold(self, depth: Depth) -> None:
        """Remembers what the client has of a market, unless it is behind already."""
        if depth.symbol not in self.held:
            self.held[depth.symbol] = View.of(depth, self.interest)


@frozen(slots=True)
class ChannelKey:
    """What makes two subscribers of a market get the same bytes."""

    interest: Interest
    microseconds: bool


@define(slots=True, eq=False)
class Channel:
    """Subscribers of one market that get the same, and the entries they get next."""

    symbol: str
    key: ChannelKey
    subscriptions: list[Subscription] = field(factory=list)
    entries: list[Fields] = field(factory=list)

    def add(self, entries: list[Entry]) -> None:
        """Renders entries for all subscribers."""
        microseconds = self.key.microseconds
        self.entries += [
            incremental_fields(self.symbol, entry, microseconds=microseconds) for entry in entries
        ]


@define(slots=True)
class Subscriptions:
    """All subscriptions of a gateway's MD sessions."""

    _by_session: dict[str, dict[str, Subscription]] = field(factory=dict, init=False)
    _channels: dict[str, dict[ChannelKey, Channel]] = field(factory=dict, init=False)
    _count: int = field(default=0, init=False)

    def add(self, subscription: Subscription) -> None:
        """Adds one; its id must be free."""
        own = self._by_session.setdefault(subscription.session, {})
        assert subscription.request_id not in own, "the service checks for duplicates"
        own[subscription.request_id] = subscription
        self._count += 1
        key = ChannelKey(subscription.interest, subscription.microseconds)
        for symbol in subscription.symbols:
            channels = self._channels.setdefault(symbol, {})
            channel = channels.setdefault(key, Channel(symbol, key))
            channel.subscriptions.append(subscription)

    def find(self, session: str, request_id: str) -> Subscription | None:
        """The subscription with this id, if there is one."""
        return self._by_session.get(session, {}).get(request_id)

    def of(self, session: str) -> Iterable[Subscription]:
        """A session's subscriptions, oldest first."""
        return self._by_session.get(session, {}).values()

    def remove(self, session: str, request_id: str) -> None:
        """Removes one that exists."""
        own = self._by_session[session]
        subscription = own.pop(request_id)
        self._count -= 1
        if not own:
            del self._by_session[session]
        key = ChannelKey(subscription.interest, subscription.microseconds)
        for symbol in subscription.symbols:
            channels = self._channels[symbol]
            channel = channels[key]
            channel.subscriptions.remove(subscription)
            if not channel.subscriptions:
                del channels[key]
            if not channels:
                del self._channels[symbol]

    def remove_session(self, session: str) -> None:
        """Forgets everything a session asked for."""
        for request_id in list(self._by_session.get(session, {})):
            self.remove(session, request_id)

    def sessions(self) -> Iterator[str]:
        """Sessions with at least one subscription."""
        return iter(self._by_session)

    def channels(self, symbol: str) -> Iterable[Channel]:
        """The channels of a market."""
        channels = self._channels.get(symbol)
        return channels.values() if channels is not None else ()

    def __len__(self) -> int:
        return self._count
