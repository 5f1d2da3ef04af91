"""A whole audit trail verified: every chain, and the archives that chains vouch for.

Needs no running system and changes nothing. What the running system writes meanwhile is no fault.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from kalshi_fix.adapters.archive import ArchiveError, StreamArchive
from kalshi_fix.adapters.audit.records import Kind, unpack
from kalshi_fix.adapters.audit.segments import Block
from kalshi_fix.adapters.audit.verify import Published, Report, published_in, verify

CORE: Final = "core-"
STREAMS: Final = {Kind.COMMANDS: "cmd", Kind.EVENTS: "evt"}

Vouched = tuple[str, bytes, int]  # id, hash and size of an entry


def chains_in(audits: Path) -> list[Path]:
    """The directories of the chains there are."""
    return sorted(path for path in audits.iterdir() if path.is_dir()) if audits.is_dir() else []


def published_by(root: Path, more: Iterable[Path] = ()) -> list[Published]:
    """Heads published in a system's own logs, and in files kept elsewhere."""
    logs = sorted((root / "logs").glob("*.log*"))
    return list(published_in([*logs, *more]))


def check(root: Path, chain: Path, published: Iterable[Published]) -> Report:
    """Verifies one chain of the system in ``root``; a core's together with its archive."""
    running = is_written(chain)
    if not chain.name.startswith(CORE):
        return verify(chain, published, is_running=running)
    vouched: dict[Kind, list[Vouched]] = {kind: [] for kind in STREAMS}

    def watch(_path: Path, block: Block) -> None:
        for row in unpack(block.content):
            if row[0] in vouched:
                vouched[row[0]].append((row[4], row[5][0], row[5][1]))

    report = verify(chain, published, watch=watch, is_running=running)
    archive = root / "shards" / chain.name.removeprefix(CORE) / "archive"
    for kind, stream in STREAMS.items():
        report.faults.extend(
            _compared(StreamArchive(archive, stream, 0), vouched[kind], f"{archive}/{stream}")
        )
    return report


def _compared(archive: StreamArchive, vouched: list[Vouched], name: str) -> Iterator[str]:
    """What the archive holds otherwise than the chain says; at most one line per kind of fault."""
    found = archive.read()
    try:
        for entry_id, digest, size in vouched:
            entry = next(found, None)
            if entry is None:
                yield f"{name}: ends before {entry_id}, which the chain vouches for"
                return
            if entry.id != entry_id:
                yield f"{name}: {entry_id} is expected, {entry.id} stands there"
                return
            if len(entry.payload) != size or sha256(entry.payload).digest() != digest:
                yield f"{name}: {entry_id} is not what was archived"
                return
    except ArchiveError as error:
        yield str(error)


def is_written(chain: Path) -> bool:
    """Whether a process has the chain just now."""
    try:
        descriptor = os.open(chain / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
