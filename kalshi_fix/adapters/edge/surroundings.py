"""What every connection of an edge shares, and how much its peers may make it write to the log."""

from attrs import define, field, frozen

from kalshi_fix.adapters.audit.recorder import UNRECORDED, Recorder
from kalshi_fix.adapters.edge.admission import Admission
from kalshi_fix.adapters.edge.meters import Meters
from kalshi_fix.adapters.edge.session_guard import GroupOrder
from kalshi_fix.adapters.logs import Log
from kalshi_fix.adapters.settings import EdgeSettings


@define(slots=True)
class LogBudget:
    """Lines per second that strangers may cause; the metrics count the rest."""

    lines_per_second: int
    _second: int = -1
    _used: int = 0

    def spend(self, now: float) -> bool:
        """Whether one more line may be written; ``now`` in seconds of any steady clock."""
        if int(now) != self._second:
            self._second, self._used = int(now), 0
        self._used += 1
        return self._used <= self.lines_per_second


@frozen
class Surroundings:
    """Shared by every connection."""

    settings: EdgeSettings
    admission: Admission
    meters: Meters
    log: Log
    budget: LogBudget
    groups: GroupOrder = field(factory=GroupOrder.of_the_venue)
    audit: Recorder = UNRECORDED
