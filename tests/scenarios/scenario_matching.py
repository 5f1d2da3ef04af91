"""What a scenario's values mean: placeholders on the way out, matching on the way in.

A `Vocabulary` holds one run's bindings. It does not know how messages travel; its clock is a
function the runner gives it.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import define, field
from scenarios.scenario_format import ABSENT, Fields, ScenarioError

PREFIXED: Final = frozenset({11, 41})  # ClOrdID and OrigClOrdID: unique per run

_PLACE: Final = re.compile(r"<([a-z][a-z0-9_]*)([+-][0-9.]+)?(us)?>")
_ESCAPE: Final = re.compile(r"\\x([0-9a-fA-F]{2})")


@define
class Vocabulary:
    """Bindings of one run. ``now`` returns the run's clock in nanoseconds UTC."""

    run: str
    now: Callable[[], int]
    bound: dict[str, str] = field(factory=dict)

    def text(self, template: str) -> str:
        """A template with its placeholders filled in.

        Raises:
            ScenarioError: a name that nothing has bound yet.
        """
        return _ESCAPE.sub(lambda m: chr(int(m[1], 16)), _PLACE.sub(self._fill, template))

    def outgoing(self, fields: Fields) -> list[tuple[int, str]]:
        """The fields of an ``I`` line as they go out."""
        return [(tag, self._prefixed(tag, self.text(value))) for tag, value in fields]

    def mismatches(self, expected: Fields, received: Sequence[tuple[int, str]]) -> list[str]:
        """Why a received message is not the expected one; empty where it is. Binds names."""
        values: dict[int, list[str]] = {}
        for tag, value in received:
            values.setdefault(tag, []).append(value)
        seen: Counter[int] = Counter()
        wrong = []
        for tag, pattern in expected:
            found = values.get(tag, [])
            index = seen[tag]
            seen[tag] += 1
            actual = found[index] if index < len(found) else None
            if not self._matches(tag, pattern, actual):
                wanted = "absent" if pattern == ABSENT else pattern
                wrong.append(f"{tag}: expected {wanted}, received {actual}")
        return wrong

    def _matches(self, tag: int, pattern: str, actual: str | None) -> bool:
        if pattern == ABSENT:
            return actual is None
        if actual is None:
            return False
        if pattern == "*":
            return actual != ""
        if len(pattern) > 1 and pattern[0] == pattern[-1] == "/":
            return re.fullmatch(pattern[1:-1], actual) is not None
        name = _PLACE.fullmatch(pattern)
        if name and name[1] not in {"now", "run"}:
            return self.bound.setdefault(name[1], actual) == actual
        return self._prefixed(tag, self.text(pattern)) == actual

    def _prefixed(self, tag: int, value: str) -> str:
        return self.run + value if tag in PREFIXED and value else value

    def _fill(self, place: re.Match[str]) -> str:
        name, shift, micros = place.groups()
        if name == "now":
            return utc_text(self.now(), float(shift or 0), 6 if micros else 3)
        if name == "run":
            return self.run
        if name not in self.bound:
            raise ScenarioError(f"<{name}> is used before anything bound it")
        return self.bound[name]


def utc_text(nanoseconds: int, seconds: float = 0, decimals: int = 3) -> str:
    """A UTCTimestamp, ``seconds`` away from an instant."""
    instant = datetime.fromtimestamp(0, UTC) + timedelta(
        microseconds=nanoseconds // 1_000, seconds=seconds
    )
    return instant.strftime("%Y%m%d-%H:%M:%S.%f")[: 18 + decimals]
