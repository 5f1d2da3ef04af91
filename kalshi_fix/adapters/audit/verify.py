"""Looks through a whole chain: every hash, every number, every segment, every published head.

Finds any record removed, changed or moved, any segment missing, and, by the heads published in the
logs, a chain that was written anew or cut at its end. Changes nothing.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from attrs import define, field, frozen

from kalshi_fix.adapters.audit.records import Kind, first_kind, unpack
from kalshi_fix.adapters.audit.segments import (
    NO_HASH,
    AuditError,
    Block,
    DamagedError,
    Segment,
    segments_of,
)
from kalshi_fix.adapters.audit.trail import HEAD_EVENT

TRIMMED: Final = "trimmed.json"
_TOLD: Final = frozenset({Kind.RECOVERED, Kind.LOST})


@frozen
class Published:
    """A head as it was published: the hash after a record."""

    chain: str
    sequence: int
    head: bytes
    source: str


@define
class Report:
    """What was found. ``faults``: not what was written; ``notes``: what a reader must know."""

    chain: str
    segments: int = 0
    records: int = 0
    first: int = 1  # record there must be
    last: int = 0
    head: bytes = NO_HASH
    bytes: int = 0
    published: int = 0  # heads compared
    faults: list[str] = field(factory=list)
    notes: list[str] = field(factory=list)


Watch = Callable[[Path, Block], None]


def verify(
    directory: Path,
    published: Iterable[Published] = (),
    *,
    watch: Watch | None = None,
    is_running: bool = False,
) -> Report:
    """Looks through the chain in a directory.

    Args:
        directory: Of the chain, named as it is.
        published: Heads to compare it with.
        watch: Is shown every good block.
        is_running: Somebody writes it just now: an incomplete end is no fault.
    """
    report = Report(directory.name)
    wanted: dict[int, list[Published]] = {}
    for item in published:
        if item.chain == report.chain:
            wanted.setdefault(item.sequence, []).append(item)
    paths = segments_of(directory)
    expected_first, previous = _beginning(directory, report)
    report.first = expected_first
    heads: dict[int, set[bytes]] = {expected_first - 1: {previous}}
    for index, path in enumerate(paths):
        is_last = index == len(paths) - 1
        try:
            segment = Segment.open(path)
        except AuditError as error:
            report.faults.append(str(error))
            previous = NO_HASH
            continue
        _fits(segment, report, expected_first, previous)
        _look(segment, report, heads, wanted, watch, may_be_torn=is_last and is_running)
        if not segment.is_sealed and not is_last:
            report.faults.append(f"{path}: has no seal, and others follow")
        expected_first, previous = segment.sequence + 1, segment.head
    _compare(report, heads, wanted)
    return report


def _beginning(directory: Path, report: Report) -> tuple[int, bytes]:
    """The first record there must be, and the hash before it: what was trimmed is on record."""
    path = directory / TRIMMED
    if not path.exists():
        return 1, NO_HASH
    row = json.loads(path.read_text())
    report.notes.append(
        f"records up to {row['last']} were removed as older than kept ({row['at']})"
    )
    return int(row["last"]) + 1, bytes.fromhex(row["head"])


def _fits(segment: Segment, report: Report, first: int, previous: bytes) -> None:
    report.segments += 1
    report.bytes += len(segment.data)
    if segment.chain != report.chain:
        report.faults.append(f"{segment.path}: belongs to the chain {segment.chain!r}")
    if segment.first != first:
        report.faults.append(
            f"{segment.path}: begins with record {segment.first}, {first} is expected: "
            "a segment is missing"
        )
    elif segment.previous != previous:
        report.faults.append(f"{segment.path}: does not continue the segment before it")


def _look(
    segment: Segment,
    report: Report,
    heads: dict[int, set[bytes]],
    wanted: dict[int, list[Published]],
    watch: Watch | None,
    *,
    may_be_torn: bool,
) -> None:
    heads.setdefault(segment.first - 1, set()).add(segment.head)
    try:
        for block in segment.blocks():
            report.records += block.count
            if block.last in wanted:
                heads.setdefault(block.last, set()).add(block.head)
            if first_kind(block.content) in _TOLD:
                _note(report, block)
            if watch is not None:
                watch(segment.path, block)
    except DamagedError as error:
        if not (may_be_torn and "not whole" in error.why):
            report.faults.append(str(error))
    heads.setdefault(segment.sequence, set()).add(segment.head)
    report.last, report.head = segment.sequence, segment.head


def _note(report: Report, block: Block) -> None:
    for row in unpack(block.content)[:1]:
        if row[0] == Kind.RECOVERED:
            torn = row[4]["torn_bytes"]
            what = (
                f"{torn} bytes torn off, kept in {row[4]['torn_file']}" if torn else "nothing torn"
            )
            report.notes.append(
                f"the run before record {block.first} did not stop in order; {what}"
            )
        elif row[0] == Kind.LOST:
            report.notes.append(
                f"{row[4]['count']} records were not kept before record {block.first}"
            )


def _compare(
    report: Report, heads: dict[int, set[bytes]], wanted: dict[int, list[Published]]
) -> None:
    for sequence, items in sorted(wanted.items()):
        for item in items:
            if sequence > report.last:
                report.faults.append(
                    f"{report.chain}: ends with record {report.last}, but {sequence} was published "
                    f"({item.source}): the end is missing"
                )
            elif sequence < report.first - 1:
                continue  # removed, as is on record
            elif item.head not in heads.get(sequence, ()):  # no block may end elsewhere, either
                report.faults.append(
                    f"{report.chain}: the hash after record {sequence} is not the one published "
                    f"({item.source}): the chain was written anew"
                )
            else:
                report.published += 1


def published_in(paths: Iterable[Path]) -> Iterator[Published]:
    """The heads in log files; a line that is none is passed over."""
    mark = f'"{HEAD_EVENT}"'
    for path in paths:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                if mark not in line:
                    continue
                try:
                    row = json.loads(line)
                    head = bytes.fromhex(row["head"])
                    found = Published(row["chain"], row["sequence"], head, f"{path.name}:{number}")
                except (ValueError, KeyError, TypeError):
                    continue
                yield found
