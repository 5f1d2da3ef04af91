"""Which markets and messages a set of permissions covers: the one rule, for core and gateway alike.

An empty set permits everything. A market is named by its symbol, or by a prefix that ends with
``*``. Who has which set is not known here.
"""

from collections.abc import Iterable, Sequence
from typing import Final

EVERYTHING: Final[tuple[str, ...]] = ()
NOTHING: Final[tuple[str, ...]] = ("",)  # no message type and no market has this name


def covers(patterns: Sequence[str], symbol: str) -> bool:
    """Whether one set of permissions holds this market."""
    if not patterns or symbol in patterns:
        return True
    return any(
        pattern.endswith("*") and symbol.startswith(pattern.removesuffix("*"))
        for pattern in patterns
    )


def covered_by_all(sets: Iterable[Sequence[str]], symbol: str) -> bool:
    """Whether every set of permissions holds this market."""
    return all(covers(patterns, symbol) for patterns in sets)


def common(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    """The message types that both sets permit."""
    if not first or not second:
        return first or second
    return tuple(name for name in first if name in second) or NOTHING
