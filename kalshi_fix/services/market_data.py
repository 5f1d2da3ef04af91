"""The MD session role: requests in; snapshots, changes, lists and states out.

The rule: a snapshot and the entries after it always give the true book. A session that does not
keep up is sent the difference to the latest state once it has caught up, and never waited for.
One thread at a time calls this object; it must not know sockets, queues or the store.
"""

from collections.abc import Callable

from attrs import define, field, frozen

from kalshi_fix.fix.inbound import text_fault
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.refusal import Refusal, business
from kalshi_fix.fix.refusals import render
from kalshi_fix.messages.entitlement import common, covered_by_all
from kalshi_fix.messages.events import Event, ExchangeChanged, SessionChanged, SessionDefined
from kalshi_fix.messages.market_events import MarketEvent
from kalshi_fix.model import Reason
from kalshi_fix.services.depth import Depth, LevelMove
from kalshi_fix.services.depth_follower import DepthFollower
from kalshi_fix.services.market_data_messages import (
    Fields,
    full_refresh,
    incremental_fields,
    incremental_refreshes,
    request_reject,
)
from kalshi_fix.services.market_data_reference import ReferenceData
from kalshi_fix.services.market_data_request import (
    BAD_SUBSCRIPTION_TYPE,
    DUPLICATE_ID,
    INSUFFICIENT_BANDWIDTH,
    INSUFFICIENT_PERMISSIONS,
    SUBSCRIBE,
    UNKNOWN_SYMBOL,
    UNSUBSCRIBE,
    MarketDataRequest,
    Rejection,
    read_request,
)
from kalshi_fix.services.market_data_subscriptions import (
    Channel,
    ChannelKey,
    Subscription,
    Subscriptions,
)
from kalshi_fix.services.market_data_view import (
    Totals,
    View,
    difference,
    event_entries,
    snapshot,
)
from kalshi_fix.services.policy import Policy
from kalshi_fix.services.service import Reaction, SessionView

Addressed = tuple[str, FixMessage]


@frozen(kw_only=True, slots=True)
class MarketDataLimits:
    """Every number that bounds an MD session; see ``MarketDataSettings``."""

    conflate_after_messages: int = 1_000
    symbols_per_request_max: int = 1_000
    subscriptions_per_session_max: int = 1_000
    entries_per_message_max: int = 200
    markets_per_message_max: int = 500
    pending_changes_max: int = 10_000


@define(slots=True, eq=False)
class MarketData:
    """All MD sessions of a gateway. ``backlog`` tells a session's queued outbound messages."""

    policy: Policy
    backlog: Callable[[str], int]
    limits: MarketDataLimits = field(factory=MarketDataLimits)
    follower: DepthFollower = field(init=False)
    _subscriptions: Subscriptions = field(factory=Subscriptions, init=False)
    _reference: ReferenceData = field(init=False)
    _epochs: dict[str, int] = field(factory=dict, init=False)  # by session, of its subscriptions
    _conflating: set[str] = field(factory=set, init=False)
    _touched: dict[Channel, None] = field(factory=dict, init=False)
    _unsolicited: list[Addressed] = field(factory=list, init=False)
    _before: "_Before" = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.follower = DepthFollower(self, self.limits.pending_changes_max)
        self._reference = ReferenceData(
            self.follower.depths,
            self.limits.markets_per_message_max,
            self.limits.subscriptions_per_session_max,
        )

    @property
    def subscription_count(self) -> int:
        """Subscriptions of all sessions."""
        return len(self._subscriptions)

    @property
    def conflating_count(self) -> int:
        """Sessions that are held back just now."""
        return len(self._conflating)

    # --- requests

    def on_message(self, session: SessionView, message: FixMessage, at: int) -> Reaction:
        """V, x and e; ``at`` is the gateway's clock, ns UTC."""
        self._enter(session.name, session.epoch)
        judgement = self.policy.judge(session, message, at)
        if judgement.refusal is not None:
            return Reaction([judgement.refusal], logout=judgement.logout)
        notices = [judgement.notice] if judgement.notice is not None else []
        return Reaction(notices + self._answers(session, message, at))

    def _answers(self, session: SessionView, message: FixMessage, at: int) -> list[FixMessage]:
        answer: list[FixMessage] | Refusal
        fault = text_fault(message)
        if fault is not None:
            answer = fault
        elif message.msg_type == "V":
            answer = self._market_data_request(session, message)
        elif message.msg_type == "x":
            answer = self._reference.list_request(session, message, at)
        elif message.msg_type == "e":
            answer = self._reference.status_request(session, message, at)
        else:
            answer = business(Reason.MESSAGE_NOT_SUPPORTED)
        if isinstance(answer, Refusal):
            return [render(answer, message, at, microseconds=session.microseconds)]
        return answer

    def _market_data_request(
        self, session: SessionView, message: FixMessage
    ) -> list[FixMessage] | Refusal:
        request = read_request(message, self.limits.symbols_per_request_max)
        if isinstance(request, Refusal):
            return request
        if isinstance(request, MarketDataRequest):
            rejection = self._judge(session.name, request)
            if rejection is None:
                return self._carry_out(session, request)
            request = rejection
        return [request_reject(message.get(262), request.code, request.text)]

    def _judge(self, session: str, request: MarketDataRequest) -> Rejection | None:
        """What only the state can say about a request."""
        known = self._subscriptions.find(session, request.request_id) is not None
        if request.subscription == UNSUBSCRIBE:
            return None if known else Rejection(BAD_SUBSCRIPTION_TYPE, "UNKNOWN_MD_REQ_ID")
        if known:
            return Rejection(DUPLICATE_ID, "DUPLICATE_MD_REQ_ID")
        for symbol in request.symbols:
            if symbol not in self.follower.depths:
                return Rejection(UNKNOWN_SYMBOL, f"{Reason.MARKET_NOT_FOUND} 55={symbol}")
        held = sum(1 for _ in self._subscriptions.of(session))
        most = self.limits.subscriptions_per_session_max
        if request.subscription == SUBSCRIBE and held >= most:
            return Rejection(INSUFFICIENT_BANDWIDTH, f"TOO_MANY_SUBSCRIPTIONS max={most}")
        return None

    def _carry_out(self, session: SessionView, request: MarketDataRequest) -> list[FixMessage]:
        if request.subscription == UNSUBSCRIBE:
            self._subscriptions.remove(session.name, request.request_id)
            return []
        subscription = Subscription(
            session.name,
            request.request_id,
            request.interest,
            request.incremental,
            session.microseconds,
            request.symbols,
        )
        if request.subscription == SUBSCRIBE:
            self._subscriptions.add(subscription)
        return [self._full_refresh(subscription, symbol) for symbol in request.symbols]

    def _full_refresh(self, subscription: Subscription, symbol: str) -> FixMessage:
        interest = subscription.interest
        view = View.of(self.follower.depths[symbol], interest)
        return full_refresh(
            subscription.request_id,
            symbol,
            snapshot(view, interest),
            microseconds=subscription.microseconds,
        )

    # --- events of the exchange that are not market data

    def on_event(self, event: Event, _shard: int = 0) -> list[Addressed]:
        """Who is gone, or no longer entitled, loses subscriptions; a pause of all is told."""
        if isinstance(event, SessionChanged) and not event.reason:
            if event.is_open:
                self._enter(event.session, event.epoch)
            elif event.epoch >= self._epochs.get(event.session, 0):
                self._forget(event.session)
        elif isinstance(event, SessionDefined):
            return self._withdraw(event)
        elif isinstance(event, ExchangeChanged):
            return self._reference.exchange_changed(paused=event.paused, at=event.at)
        return []

    def _withdraw(self, event: SessionDefined) -> list[Addressed]:
        """Ends at once, and says so, what the session may not ask for any more."""
        types = common(event.message_types, event.segment_message_types)
        markets = tuple(each for each in (event.markets, event.segment_markets) if each)
        ended = [
            subscription.request_id
            for subscription in self._subscriptions.of(event.name)
            if (types and "V" not in types)
            or not all(covered_by_all(markets, symbol) for symbol in subscription.symbols)
        ]
        found = []
        for request_id in ended:
            self._subscriptions.remove(event.name, request_id)
            reject = request_reject(request_id, INSUFFICIENT_PERMISSIONS, Reason.NOT_ENTITLED)
            found.append((event.name, reject))
        return found + self._reference.withdraw(event.name, types, markets, event.at)

    def start_exchange(self, *, paused: bool) -> None:
        """The exchange's state before the first event this process sees."""
        self._reference.exchange_paused = paused

    def _enter(self, session: str, epoch: int) -> None:
        """An MD session starts a new epoch at every Logon, and with it without subscriptions."""
        if self._epochs.get(session) != epoch:
            self._forget(session)
            self._epochs[session] = epoch

    def _forget(self, session: str) -> None:
        self._subscriptions.remove_session(session)
        self._reference.remove_session(session)
        self._conflating.discard(session)

    # --- the feed

    def on_feed(self, shard: str, payload: bytes) -> list[Addressed]:
        """An entry of ``md``: what every session is sent for it. Raises FeedVersionError."""
        found = self._release()
        self._hold_back()
        self.follower.take(shard, payload)
        return found + self._flush()

    def on_book(self, shard: str, payload: bytes) -> list[Addressed]:
        """A book asked for, or read at the start. Raises DepthVersionError."""
        self.follower.take_book(shard, payload)
        return self._flush()

    def on_idle(self) -> list[Addressed]:
        """To be called now and then in a quiet market: sessions that have caught up go on."""
        return self._release()

    def changing(self, depth: Depth, *, whole: bool) -> None:
        """Called by the follower: remembers what the coming change is told against."""
        channels = self._subscriptions.channels(depth.symbol)
        views = {channel.key: View.of(depth, channel.key.interest) for channel in channels if whole}
        defined = depth.definition is not None
        self._before = _Before(defined, depth.status, (depth.volume, depth.open_interest), views)
        if self._conflating:
            for channel in channels:
                for subscription in channel.subscriptions:
                    if subscription.session in self._conflating:
                        subscription.hold(depth)

    def changed(self, depth: Depth, event: MarketEvent | None, move: LevelMove | None) -> None:
        """Called by the follower: renders what each channel is told."""
        before = self._before
        for channel in self._subscriptions.channels(depth.symbol):
            interest = channel.key.interest
            if before.views:
                entries = difference(before.views[channel.key], View.of(depth, interest), interest)
            else:
                assert event is not None, "without an event a depth is replaced as a whole"
                entries = event_entries(depth, event, move, before.totals, interest)
            if entries:
                channel.add(entries)
                self._touched[channel] = None
        if depth.definition is not None and not before.defined:
            self._unsolicited += self._reference.market_defined(depth)
        if depth.status != before.status:
            self._unsolicited += self._reference.status_changed(depth, before.status)

    def _flush(self) -> list[Addressed]:
        """What has gathered since the last flush, per subscription."""
        entries: dict[Subscription, list[Fields]] = {}
        full: list[tuple[Subscription, str]] = []
        for channel in self._touched:
            for subscription in channel.subscriptions:
                if channel.symbol in subscription.held:
                    continue
                if subscription.incremental:
                    entries.setdefault(subscription, []).extend(channel.entries)
                else:
                    full.append((subscription, channel.symbol))
            channel.entries = []
        self._touched.clear()
        found = [(owner.session, self._full_refresh(owner, symbol)) for owner, symbol in full]
        for subscription, rendered in entries.items():
            found += self._increments(subscription, rendered)
        found += self._unsolicited
        self._unsolicited = []
        return found

    def _increments(self, subscription: Subscription, entries: list[Fields]) -> list[Addressed]:
        most = self.limits.entries_per_message_max
        messages = incremental_refreshes(subscription.request_id, entries, most)
        return [(subscription.session, message) for message in messages]

    # --- sessions that do not keep up

    def _hold_back(self) -> None:
        """From here on, sessions with too much in their queue are only owed the latest state."""
        most = self.limits.conflate_after_messages
        for session in self._subscriptions.sessions():
            if session not in self._conflating and self.backlog(session) > most:
                self._conflating.add(session)

    def _release(self) -> list[Addressed]:
        """Sessions whose queue has drained to half get the difference, and go on."""
        found: list[Addressed] = []
        for session in sorted(self._conflating):
            if self.backlog(session) <= self.limits.conflate_after_messages // 2:
                self._conflating.discard(session)
                for subscription in self._subscriptions.of(session):
                    found += self._owed(subscription)
        return found

    def _owed(self, subscription: Subscription) -> list[Addressed]:
        held, subscription.held = subscription.held, {}
        if not subscription.incremental:
            owner = subscription.session
            return [(owner, self._full_refresh(subscription, symbol)) for symbol in held]
        interest = subscription.interest
        entries = [
            incremental_fields(symbol, entry, microseconds=subscription.microseconds)
            for symbol, before in held.items()
            for entry in difference(
                before, View.of(self.follower.depths[symbol], interest), interest
            )
        ]
        return self._increments(subscription, entries)


@define(slots=True)
class _Before:
    """A market right before a change; ``views`` only where it is replaced as a whole."""

    defined: bool
    status: str
    totals: Totals
    views: dict[ChannelKey, View]
