"""How often somebody may do something: token buckets, one per key, in bounded memory.

A bucket that is full again is as good as none, so forgetting the oldest ones costs little; a key
that is forgotten starts full. Knows no clock: the time is an argument.
"""

from collections import OrderedDict

from attrs import define, field


@define(slots=True)
class Rate:
    """``per_second`` tokens, at most ``burst`` of them, for each key."""

    per_second: float
    burst: int
    kept_max: int
    _buckets: OrderedDict[str, tuple[float, float]] = field(factory=OrderedDict)  # tokens, when

    def _tokens(self, key: str, now: float) -> float:
        tokens, at = self._buckets.get(key, (float(self.burst), now))
        return min(float(self.burst), tokens + (now - at) * self.per_second)

    def wait_seconds(self, key: str, now: float) -> float:
        """How long until one more is allowed; 0 = it is. Takes nothing."""
        return max(0.0, (1 - self._tokens(key, now)) / self.per_second)

    def spend(self, key: str, now: float) -> None:
        """Takes a token, if there is one."""
        tokens = max(0.0, self._tokens(key, now) - 1)
        self._buckets[key] = (tokens, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self.kept_max:
            self._buckets.popitem(last=False)

    def allows(self, key: str, now: float) -> bool:
        """Takes a token; False if there is none."""
        if self.wait_seconds(key, now) > 0:
            return False
        self.spend(key, now)
        return True
