"""Memory of the commands a core failed on, kept beside the store.

Once may be anything (a bad bit, a kill in the middle); twice at the same place is the command. Then
the shard stops until an operator's Quarantine for that place stands in the stream.
"""

import json
import os
from pathlib import Path
from typing import Final

from kalshi_fix.processes.core_replica import Place

FAILURES_MAX: Final = 2
_NAME: Final = "failures.json"


class Failures:
    """Places and how often the core failed there."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / _NAME
        self._times: dict[Place, int] = {}
        if self._path.exists():
            rows = json.loads(self._path.read_text())
            self._times = {(entry_id, index): times for entry_id, index, times in rows}

    def record(self, place: Place) -> int:
        """Counts a failure durably; returns how often it happened there."""
        self._times[place] = self._times.get(place, 0) + 1
        fresh = self._path.with_suffix(".new")
        rows = [[*where, times] for where, times in self._times.items()]
        with fresh.open("w") as file:
            json.dump(rows, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        return self._times[place]

    def places(self) -> set[Place]:
        """Every place it ever failed at."""
        return set(self._times)

    def stops_at(self) -> set[Place]:
        """Places where it failed too often."""
        return {place for place, times in self._times.items() if times >= FAILURES_MAX}
