"""How much of what was tested an element carries now: messages a second, their peak, the share.

The tested peak is a configured number, the one a load test has shown. Whoever counts calls `turn`
now and then; the rate is that of the last second or the time between two calls.
"""

import time
from typing import Final

from kalshi_fix.adapters.metrics import Metrics

SECOND: Final = 1.0


class MessageRate:
    """The rate of one element of the venue: gateway, core, edge."""

    def __init__(self, metrics: Metrics, element: str, tested_per_second: int) -> None:
        label = ["element"]
        self._rate = metrics.gauges(
            "fixgw_message_rate", "Messages or commands in, in the last second [any]", label
        )(element)
        self._peak = metrics.gauges(
            "fixgw_message_rate_peak", "Highest such rate since the start [any]", label
        )(element)
        tested = metrics.gauges(
            "fixgw_tested_message_rate", "Rate a load test has shown; configured [any]", label
        )(element)
        self._used = metrics.gauges(
            "fixgw_capacity_used_ratio", "Rate now / tested rate [< 0.5]", label
        )(element)
        tested.set(tested_per_second)
        self._tested = max(1, tested_per_second)
        self._highest = 0.0
        self._counted = 0.0
        self._at = time.monotonic()

    def turn(self, total: float) -> None:
        """Looks whether a second is over; ``total`` messages have come since the start."""
        now = time.monotonic()
        elapsed = now - self._at
        if elapsed < SECOND:
            return
        rate = (total - self._counted) / elapsed
        self._at, self._counted = now, total
        self._highest = max(self._highest, rate)
        self._rate.set(rate)
        self._peak.set(self._highest)
        self._used.set(rate / self._tested)
