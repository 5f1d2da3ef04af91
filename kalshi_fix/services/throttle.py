"""Token buckets of a session: what a message costs and when it may come.

Whole numbers throughout; time is an argument. Cancels draw on a bucket of their own, so that
orders never starve them. What to say to the client is not decided here.
"""

from collections.abc import Mapping
from typing import Final

from attrs import define, field, frozen

from kalshi_fix.fix.tables import THROTTLE_REQUEST
from kalshi_fix.model import NANOS, NANOS_PER_MS

# Tokens a message costs; whatever is not named costs one.
COSTS: Final[Mapping[str, int]] = {"D": 10, "G": 10, "F": 2, "H": 10, "AF": 50, "UOG": 10, "U1": 50}
CANCELS: Final = frozenset({"F", "q"})
_WARN_BELOW_PERCENT: Final = 20  # of the bucket left = 80 % used
_CALM_ABOVE_PERCENT: Final = 50  # the next warning only after it has filled up again to here


@frozen(kw_only=True, slots=True)
class ThrottleLimits:
    """Of one session. ``tokens_per_second`` 0 = no throttle at all."""

    tokens_per_second: int = 10_000
    burst_tokens: int = 10_000
    cancel_tokens_per_second: int = 10_000
    violations_before_logout: int = 1_000  # without a pause long enough to fill the bucket
    mass_cancels_per_second: int = 1
    inquiries_per_second: int = 5  # for its own throttle; they cost no token
    mass_status_seconds: int = 10  # an AF never answered counts as in progress for so long


@define(slots=True)
class Bucket:
    """Tokens that come back at a steady rate; ``level`` in billionths of a token."""

    tokens_per_second: int
    capacity_tokens: int
    level: int = field(init=False)
    at: int = 0

    def __attrs_post_init__(self) -> None:
        self.level = self.capacity_tokens * NANOS

    def fill(self, at: int) -> None:
        """Adds what has come back until ``at``; a clock set back adds nothing and goes on there."""
        if at > self.at:
            came_back = (at - self.at) * self.tokens_per_second
            self.level = min(self.capacity_tokens * NANOS, self.level + came_back)
        self.at = at

    def take(self, cost: int, at: int) -> int:
        """Takes tokens; returns 0, or the milliseconds until so many will be there."""
        self.fill(at)
        wait = self.wait_ms(cost)
        if not wait:
            self.level -= cost * NANOS
        return wait

    def wait_ms(self, cost: int) -> int:
        """Milliseconds until so many tokens are there, as of the last `fill`."""
        missing = cost * NANOS - self.level
        if missing <= 0:
            return 0
        nanos = -(-missing // self.tokens_per_second)
        return -(-nanos // NANOS_PER_MS)

    def is_below(self, percent: int) -> bool:
        """Whether less than this share of the bucket is left."""
        return self.level * 100 < self.capacity_tokens * NANOS * percent


@frozen(slots=True)
class Verdict:
    """``retry_after_ms`` 0 = go on. ``warns``: most of the throttle is used, say so once."""

    retry_after_ms: int = 0
    warns: bool = False
    ends_session: bool = False


_GO_ON: Final = Verdict()
_WARN: Final = Verdict(warns=True)


@frozen(slots=True)
class Usage:
    """What a session may use and has used. ``retry_after_ms`` 0 = an order would be taken now."""

    limits: ThrottleLimits
    order_tokens: int
    cancel_tokens: int
    violations: int
    retry_after_ms: int


@define(slots=True)
class _State:
    """One session's buckets and what it did to them."""

    limits: ThrottleLimits
    orders: Bucket
    cancels: Bucket
    mass_cancels: Bucket
    inquiries: Bucket
    warned: bool = False
    violations: int = 0
    mass_status_since: int | None = None


def _state(limits: ThrottleLimits) -> _State:
    return _State(
        limits,
        Bucket(limits.tokens_per_second, limits.burst_tokens),
        Bucket(limits.cancel_tokens_per_second, limits.cancel_tokens_per_second),
        Bucket(limits.mass_cancels_per_second, limits.mass_cancels_per_second),
        Bucket(limits.inquiries_per_second, limits.inquiries_per_second),
    )


class Throttle:
    """The buckets of all sessions of a gateway."""

    def __init__(self, limits: Mapping[str, ThrottleLimits]) -> None:
        """``limits`` by session name; a session not named has no throttle."""
        self._states = {
            name: _state(of_session)
            for name, of_session in limits.items()
            if of_session.tokens_per_second
        }

    def change(self, session: str, limits: ThrottleLimits) -> None:
        """Other limits from the next message on; what was used up stays used up."""
        before = self._states.get(session)
        if not limits.tokens_per_second:
            self._states.pop(session, None)
            return
        state = _state(limits)
        if before is not None:
            for name in ("orders", "cancels", "mass_cancels", "inquiries"):
                old, new = getattr(before, name), getattr(state, name)
                new.level, new.at = min(new.level, old.level), old.at
            state.violations, state.warned = before.violations, before.warned
            state.mass_status_since = before.mass_status_since
        self._states[session] = state

    def take(self, session: str, msg_type: str, at: int) -> Verdict:
        """Charges one message of a session at ``at`` (ns)."""
        state = self._states.get(session)
        if state is None:
            return _GO_ON
        if msg_type == THROTTLE_REQUEST:
            wait = state.inquiries.take(1, at)
        elif msg_type in CANCELS:
            wait = self._take_cancel(state, msg_type, at)
        else:
            wait = self._take_order(state, msg_type, at)
        if wait:
            state.violations += 1
            return Verdict(wait, False, state.violations >= state.limits.violations_before_logout)
        return self._warning(state)

    def usage(self, session: str, at: int) -> Usage | None:
        """How a session stands; None = it has no throttle."""
        state = self._states.get(session)
        if state is None:
            return None
        state.orders.fill(at)
        state.cancels.fill(at)
        return Usage(
            state.limits,
            state.orders.level // NANOS,
            state.cancels.level // NANOS,
            state.violations,
            state.orders.wait_ms(COSTS["D"]),
        )

    def answered(self, session: str) -> None:
        """An AF has been answered completely; the next one may come."""
        state = self._states.get(session)
        if state is not None:
            state.mass_status_since = None

    def abandoned(self, session: str, msg_type: str) -> None:
        """A message charged before was refused afterwards: an AF is not in progress then."""
        if msg_type == "AF":
            self.answered(session)

    @staticmethod
    def _take_cancel(state: _State, msg_type: str, at: int) -> int:
        if msg_type == "q":
            return state.mass_cancels.take(1, at)
        return state.cancels.take(COSTS[msg_type], at)

    @staticmethod
    def _take_order(state: _State, msg_type: str, at: int) -> int:
        if msg_type == "AF":
            since, patience = state.mass_status_since, state.limits.mass_status_seconds * NANOS
            if since is not None and at < since + patience:
                return -(-(since + patience - at) // NANOS_PER_MS)
        bucket = state.orders
        bucket.fill(at)
        if bucket.level == bucket.capacity_tokens * NANOS:
            state.violations = 0
        wait = bucket.take(COSTS.get(msg_type, 1), at)
        if msg_type == "AF" and not wait:
            state.mass_status_since = at
        return wait

    @staticmethod
    def _warning(state: _State) -> Verdict:
        if state.warned:
            state.warned = state.orders.is_below(_CALM_ABOVE_PERCENT)
        elif state.orders.is_below(_WARN_BELOW_PERCENT):
            state.warned = True
            return _WARN
        return _GO_ON
