"""Looks after an audit trail: indexes what is complete, removes what is older than must be kept.

Runs beside the system, in a process of its own, because both take time the trading processes do
not have. What is removed is recorded with the hash the chain goes on from, so that the rest can
still be verified. A core's chain and archive are never removed: the exchange starts from them.
"""

import json
import os
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from attrs import define

from kalshi_fix.adapters.audit import search
from kalshi_fix.adapters.audit.key_index import index_of
from kalshi_fix.adapters.audit.segments import Segment, segments_of
from kalshi_fix.adapters.audit.verify import TRIMMED
from kalshi_fix.model import NANOS
from kalshi_fix.processes import audit_history
from kalshi_fix.processes.audit_check import CORE, chains_in

_NANOS_PER_DAY = 86_400 * NANOS


@define
class Tended:
    """What was done."""

    indexed: int = 0
    entries: int = 0
    removed: int = 0


def archives_in(root: Path) -> list[Path]:
    """Every shard's archive there is."""
    return sorted((root / "shards").glob("*/archive"))


def pending(root: Path, keep_days: int) -> bool:
    """Whether there is something to do: a look at the directories, no more."""
    if any(True for _ in _unindexed_wire(root)):
        return True
    if any(audit_history.unindexed(directory) for directory in archives_in(root)):
        return True
    old = time.time() - keep_days * _NANOS_PER_DAY / NANOS
    return bool(keep_days) and any(
        path.stat().st_mtime < old
        for directory in chains_in(root / "audit")
        if not directory.name.startswith(CORE)
        for path in segments_of(directory)[:-1][:1]
    )


def _unindexed_wire(root: Path) -> Iterator[Path]:
    for directory in chains_in(root / "audit"):
        if not directory.name.startswith(CORE):
            yield from search.unindexed(directory)


def tend(root: Path, keep_days: int, now: int | None = None) -> Tended:
    """Indexes and removes; ``keep_days`` 0 removes nothing. ``now`` in ns.

    Raises:
        OSError: the disk.
        AuditError, ArchiveError: a file is damaged.
    """
    done = Tended()
    for path in _unindexed_wire(root):
        for _ in Segment.open(path).blocks():  # an index of what was changed would hide it
            pass
        done.entries += search.build_index(path)
        done.indexed += 1
    for directory in archives_in(root):
        for path in audit_history.unindexed(directory):
            done.entries += audit_history.build_index(path)
            done.indexed += 1
    if keep_days:
        before = (time.time_ns() if now is None else now) - keep_days * _NANOS_PER_DAY
        for directory in chains_in(root / "audit"):
            if not directory.name.startswith(CORE):
                done.removed += _remove(directory, before)
    return done


def _remove(directory: Path, before: int) -> int:
    """Removes segments all of whose records are older: the one after them began before that."""
    paths = segments_of(directory)
    removed = 0
    for path, following in pairwise(paths):
        after = Segment.open(following)
        if after.facts["at"] >= before:
            break
        facts = {
            "last": after.first - 1,
            "head": after.previous.hex(),
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        _write_durably(directory / TRIMMED, json.dumps(facts))
        path.unlink()
        index_of(path).unlink(missing_ok=True)
        removed += 1
    return removed


def _write_durably(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
