"""What an alert is: when it fires, how urgent that is, and two cases that prove it both ways."""

import re
from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

RUNBOOKS: Final = "https://github.com/kalshi-fix/kalshi-fix/blob/main/docs/runbooks"
_LABEL: Final = re.compile(r"\{\{ \$labels\.(\w+) \}\}")

Series = Mapping[str, str]  # series -> values in promtool's notation, one every `step`


@frozen(kw_only=True)
class Alert:
    """One alerting rule with its proof.

    Attributes:
        fires: Series with which it fires; at ``at``, with ``labels`` besides its own.
        quiet: Series, close by, with which it does not.
    """

    name: str
    expr: str
    severity: str = "page"  # wakes somebody; "ticket" waits until the morning
    hold: str = "0s"
    summary: str
    page: str  # of docs/runbooks, without .md
    row: str = "Health"  # of the dashboard, to look at first
    fires: Series
    quiet: Series
    at: str = "10m"
    step: str = "15s"
    labels: Mapping[str, str] = field(factory=dict)

    @property
    def annotations(self) -> dict[str, str]:
        """What whoever is woken sees."""
        return {
            "summary": self.summary,
            "runbook_url": f"{RUNBOOKS}/{self.page}.md",
            "dashboard": f"/d/kalshi-fix?row={self.row}",
        }

    @property
    def expected(self) -> dict[str, dict[str, str]]:
        """Labels and annotations of the alert that ``fires`` gives."""
        labels = dict(self.labels)
        severity = _filled(self.severity, labels)
        annotations = {name: _filled(text, labels) for name, text in self.annotations.items()}
        return {
            "exp_labels": {**labels, "severity": severity},
            "exp_annotations": annotations,
        }


def _filled(text: str, labels: Mapping[str, str]) -> str:
    return _LABEL.sub(lambda found: labels[found[1]], text)


def newly(metric: str, window: str) -> str:
    """A counter that rose within the window, or came into being above 0."""
    return f"increase({metric}[{window}]) > 0 or ({metric} > 0 unless {metric} offset {window})"
