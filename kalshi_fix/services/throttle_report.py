"""ThrottleReport (UTR): what a session may use, what is left, and when an order would be taken.

Answers only who asks, about itself. A session without a throttle is told a rate of 0.
"""

from kalshi_fix.fix.message import FixMessage
from kalshi_fix.services.throttle import Usage


def throttle_report(request: FixMessage, usage: Usage | None) -> FixMessage:
    """The answer to a ThrottleRequest (UTQ)."""
    fields = [(20910, request.get(20910))]
    if usage is None:
        fields.append((20911, "0"))
    else:
        limits = usage.limits
        fields += [
            (20911, str(limits.tokens_per_second)),
            (20912, str(limits.burst_tokens)),
            (20913, str(usage.order_tokens)),
            (20914, str(limits.cancel_tokens_per_second)),
            (20915, str(usage.cancel_tokens)),
            (20916, str(usage.violations)),
            (20917, str(limits.violations_before_logout)),
            (20918, str(usage.retry_after_ms)),
        ]
    return FixMessage("UTR", [field for field in fields if field[1]])
