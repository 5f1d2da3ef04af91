"""The list of markets (x -> y) and their states (e -> f), once or for as long as a client wants.

The rule: who subscribed to the list hears of every new market, who subscribed to a state of every
change of it, and an exchange-wide pause halts what would be ready to trade. This module must not
know books or prices.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from attrs import define, field

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.fix.refusal import Refusal, malformed, tag_needed
from kalshi_fix.fix.tables import REQUIRED_TAG_MISSING, VALUE_IS_INCORRECT
from kalshi_fix.messages.entitlement import covered_by_all
from kalshi_fix.model import NANOS_PER_MS, MarketStatus, Reason
from kalshi_fix.services.depth import Depth
from kalshi_fix.services.market_data_messages import (
    INVALID_REQUEST,
    NO_INSTRUMENTS,
    NOT_AUTHORIZED,
    RESUMED,
    VALID_REQUEST,
    security_lists,
    security_status,
    trading_status,
    unknown_security_status,
)
from kalshi_fix.services.market_data_request import SNAPSHOT, SUBSCRIBE, UNSUBSCRIBE
from kalshi_fix.services.service import SessionView

Addressed = tuple[str, FixMessage]
_SUBSCRIPTIONS: Final = frozenset({SNAPSHOT, SUBSCRIBE, UNSUBSCRIBE})
_ONE_SYMBOL: Final = "0"
_ALL_SECURITIES: Final = "4"
_LIST_TYPES: Final = frozenset("01234")


@define(slots=True, eq=False)
class ReferenceData:
    """``depths`` is the live table of markets, kept by somebody else."""

    depths: Mapping[str, Depth]
    markets_per_message_max: int
    subscriptions_per_session_max: int
    exchange_paused: bool = field(default=False, init=False)
    _responses: int = field(default=0, init=False)
    # session -> SecurityReqID, and what the session may see
    _lists: dict[str, tuple[str, SessionView]] = field(factory=dict, init=False)
    # session -> (SecurityStatusReqID, symbol) -> six decimals of a second
    _states: dict[str, dict[tuple[str, str], bool]] = field(factory=dict, init=False)

    def list_request(
        self, session: SessionView, message: FixMessage, at: int
    ) -> list[FixMessage] | Refusal:
        """SecurityListRequest (x): one market, or all of them, at most so many per message."""
        fault = _judge_list_request(message)
        if fault is not None:
            return fault
        fields = message.first()
        subscription = fields.get(263, SNAPSHOT)
        if subscription == UNSUBSCRIBE:
            self._lists.pop(session.name, None)
            return []
        if fields[559] not in {_ONE_SYMBOL, _ALL_SECURITIES}:
            return self._list(fields[320], INVALID_REQUEST, [], at)
        if subscription == SUBSCRIBE:
            self._lists[session.name] = fields[320], session
        wanted = [fields[55]] if fields[559] == _ONE_SYMBOL else sorted(self.depths)
        seen = (symbol for symbol in wanted if covered_by_all(session.markets, symbol))
        found = [depth for symbol in seen if (depth := self._defined(symbol)) is not None]
        return self._list(fields[320], VALID_REQUEST if found else NO_INSTRUMENTS, found, at)

    def _defined(self, symbol: str) -> Depth | None:
        depth = self.depths.get(symbol)
        return depth if depth is not None and depth.definition is not None else None

    def _list(self, request_id: str, result: str, found: list[Depth], at: int) -> list[FixMessage]:
        self._responses += 1
        response_id = f"{at // NANOS_PER_MS}-{self._responses}"
        return security_lists(request_id, response_id, result, found, self.markets_per_message_max)

    def status_request(
        self, session: SessionView, message: FixMessage, at: int
    ) -> list[FixMessage] | Refusal:
        """SecurityStatusRequest (e)."""
        fields = message.first()
        fault = _judge_status_request(message)
        if fault is not None:
            return fault
        subscription = fields[263]
        request_id, symbol = fields[324], fields[55]
        own = self._states.setdefault(session.name, {})
        if subscription == UNSUBSCRIBE:
            own.pop((request_id, symbol), None)
            return []
        depth = self.depths.get(symbol)
        if depth is None:
            return [
                unknown_security_status(
                    request_id,
                    symbol,
                    at,
                    Reason.MARKET_NOT_FOUND,
                    microseconds=session.microseconds,
                )
            ]
        if subscription == SUBSCRIBE:
            if len(own) >= self.subscriptions_per_session_max:
                return Refusal("j", "0", f"TOO_MANY_SUBSCRIPTIONS max={len(own)}")
            own[request_id, symbol] = session.microseconds
        code = trading_status(depth, exchange_paused=self.exchange_paused)
        return [
            security_status(
                request_id,
                depth,
                at,
                code=code,
                unsolicited=False,
                microseconds=session.microseconds,
            )
        ]

    def market_defined(self, depth: Depth) -> list[Addressed]:
        """A market nobody knew: for everybody who subscribed to the list."""
        return [
            (session, message)
            for session, (request_id, view) in self._lists.items()
            if covered_by_all(view.markets, depth.symbol)
            for message in self._list(request_id, VALID_REQUEST, [depth], depth.at)
        ]

    def status_changed(self, depth: Depth, before: str) -> list[Addressed]:
        """A market has left state ``before``."""
        code = trading_status(depth, exchange_paused=self.exchange_paused)
        active_again = depth.status == MarketStatus.ACTIVE and before == MarketStatus.PAUSED
        if active_again and not self.exchange_paused:
            code = RESUMED
        return self._tell(depth, depth.at, code)

    def exchange_changed(self, *, paused: bool, at: int) -> list[Addressed]:
        """The exchange was paused or resumed; said of every market that would trade."""
        if paused == self.exchange_paused:
            return []
        self.exchange_paused = paused
        found: list[Addressed] = []
        for depth in self.depths.values():
            if depth.status == MarketStatus.ACTIVE:
                code = trading_status(depth, exchange_paused=True) if paused else RESUMED
                found += self._tell(depth, at, code)
        return found

    def _tell(self, depth: Depth, at: int, code: str) -> list[Addressed]:
        return [
            (
                session,
                security_status(
                    request_id, depth, at, code=code, unsolicited=True, microseconds=microseconds
                ),
            )
            for session, own in self._states.items()
            for (request_id, symbol), microseconds in own.items()
            if symbol == depth.symbol
        ]

    def withdraw(
        self, session: str, types: Sequence[str], markets: Sequence[Sequence[str]], at: int
    ) -> list[Addressed]:
        """Ends what a session may not ask for any more; a list goes on without what it lost."""
        found: list[Addressed] = []
        if session in self._lists and types and "x" not in types:
            request_id, _ = self._lists.pop(session)
            found += [(session, each) for each in self._list(request_id, NOT_AUTHORIZED, [], at)]
        own = self._states.get(session, {})
        for (request_id, symbol), microseconds in list(own.items()):
            if (types and "e" not in types) or not covered_by_all(markets, symbol):
                del own[request_id, symbol]
                status = unknown_security_status(
                    request_id,
                    symbol,
                    at,
                    Reason.NOT_ENTITLED,
                    unsolicited=True,
                    microseconds=microseconds,
                )
                found.append((session, status))
        return found

    def remove_session(self, session: str) -> None:
        """Forgets what a session subscribed to."""
        self._lists.pop(session, None)
        self._states.pop(session, None)


def _judge_list_request(message: FixMessage) -> Refusal | None:
    fields = message.first()
    for tag in (320, 559):
        if tag not in fields:
            return malformed(tag, REQUIRED_TAG_MISSING)
    for tag, allowed in ((263, _SUBSCRIPTIONS), (559, _LIST_TYPES)):
        if fields.get(tag, SNAPSHOT) not in allowed:
            return malformed(tag, VALUE_IS_INCORRECT)
    return tag_needed(55) if fields[559] == _ONE_SYMBOL and 55 not in fields else None


def _judge_status_request(message: FixMessage) -> Refusal | None:
    fields = message.first()
    for tag in (324, 263):
        if tag not in fields:
            return malformed(tag, REQUIRED_TAG_MISSING)
    if fields[263] not in _SUBSCRIPTIONS:
        return malformed(263, VALUE_IS_INCORRECT)
    return tag_needed(55) if 55 not in fields else None
