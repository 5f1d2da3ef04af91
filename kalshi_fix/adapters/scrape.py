"""Reads what processes tell on /metrics, as a monitor does, and what changed between two looks.

A process that does not answer is shown as such; nothing here raises for it. Knows how samples are
asked for, not what any of them means.
"""

import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

from kalshi_fix.adapters.metrics import Samples, read_samples

SECONDS: Final = 2.0
_INFINITE: Final = "+Inf"


@frozen
class Look:
    """What one process said, and when."""

    at: float
    samples: Samples = field(factory=dict)
    fault: str = ""  # why there is nothing

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples with these labels, 0 where there are none."""
        return sum(value for _, value in self._rows(name, labels))

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """The samples with these labels, summed by another one."""
        found: dict[str, float] = {}
        for row, value in self._rows(name, labels):
            found[row.get(label, "")] = found.get(row.get(label, ""), 0) + value
        return found

    def _rows(self, name: str, labels: Mapping[str, str]) -> list[tuple[dict[str, str], float]]:
        wanted = labels.items()
        return [row for row in self.samples.get(name, ()) if wanted <= row[0].items()]


def look(host: str, port: int) -> Look:
    """Asks one process."""
    at = time.monotonic()
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=SECONDS) as answer:
            return Look(at, read_samples(answer.read().decode()))
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return Look(at, fault=getattr(reason, "strerror", None) or str(reason))


@frozen
class Change:
    """From one look at a process to the next."""

    before: Look
    after: Look

    def rate(self, name: str, **labels: str) -> float:
        """How fast a counter rose, per second; a process that began anew counts from 0."""
        seconds = self.after.at - self.before.at
        rose = self._rose(name, labels)
        return rose / seconds if seconds > 0 else 0.0

    def mean(self, name: str, **labels: str) -> float:
        """Mean of a histogram's values in between, 0 where there were none."""
        count = self._rose(f"{name}_count", labels)
        return self._rose(f"{name}_sum", labels) / count if count else 0.0

    def quantile(self, share: float, name: str, **labels: str) -> float:
        """A quantile of a histogram's values in between: the bound of its bucket; 0 of none."""
        before = self.before.by(f"{name}_bucket", "le", **labels)
        after = self.after.by(f"{name}_bucket", "le", **labels)
        counts = {bound: total - before.get(bound, 0) for bound, total in after.items()}
        total = counts.pop(_INFINITE, 0.0)
        if total <= 0:
            return 0.0
        bounds = sorted(counts, key=float)
        return next((float(b) for b in bounds if counts[b] >= share * total), float("inf"))

    def _rose(self, name: str, labels: Mapping[str, str]) -> float:
        before, after = self.before.value(name, **labels), self.after.value(name, **labels)
        return after - before if after >= before else after
