"""The numbers the exchange rules leave to the operator, with their defaults.

They are part of the deterministic input: a journal replays with the numbers it was written with.
"""

from typing import Final

from attrs import frozen

from kalshi_fix.model import NANOS


@frozen(kw_only=True)
class ExchangeConfig:
    """Durations in nanoseconds.

    ``clock_lead``: how far a command's own time may run ahead of the exchange clock.
    ``liveness``: a gateway silent this long has lost its sessions; ``outage_step``: a step of the
    clock above this restarts that wait. ``request_memory``: how long an operator's request id is
    remembered. ``garbage_per_step``: orders no longer visible that one clock step may drop.
    """

    clock_lead: int = NANOS
    liveness: int = 5 * NANOS
    outage_step: int = 2 * NANOS
    request_memory: int = 24 * 3_600 * NANOS
    groups_per_account: int = 100_000
    garbage_per_step: int = 2_000
    counter_window: int = 1_024


DEFAULT: Final = ExchangeConfig()
