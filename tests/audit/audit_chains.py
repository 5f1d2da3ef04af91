"""Small audit chains on disk, and the ways to tamper with them."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from attrs import evolve

from kalshi_fix.adapters.audit.records import Row, pack, unpack
from kalshi_fix.adapters.audit.segments import HASH_BYTES, HEAD, HEADER, Segment, chained
from kalshi_fix.adapters.audit.trail import AuditTrail, TrailMetrics
from kalshi_fix.adapters.audit.writer import ChainWriter
from kalshi_fix.adapters.logs import Log, open_log
from kalshi_fix.adapters.metrics import Metrics
from kalshi_fix.adapters.settings import AuditSettings, LogSettings

LOG: Log = open_log("test", LogSettings(stderr_level="critical"))
QUICK = AuditSettings(flush_ms=5, sync_seconds=0.05, publish_seconds=60.0)


def message(number: int) -> bytes:
    fields = f"35=D|34={number}|49=ALPHA-RT|11=ORDER-{number}|55=KXTEST-A|54=1|38=10.00|44=0.55|"
    body = fields.replace("|", "\x01")
    return f"8=FIX.4.4\x019={len(body)}\x01{body}10=000\x01".encode()


def rows(first: int, count: int) -> list[Row]:
    return [
        (10, 1_790_000_000_000_000_000 + number, "ALPHA-RT", "c-1", message(number), None)
        for number in range(first, first + count)
    ]


def write_chain(
    directory: Path, records: int, *, block: int = 50, segment_bytes: int = 100_000
) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    writer = ChainWriter(directory, directory.name, segment_bytes)
    writer.open()
    for first in range(writer.sequence + 1, writer.sequence + records + 1, block):
        writer.append(pack(rows(first, block)), block, first, first)
    writer.close()


def trail(directory: Path, settings: AuditSettings = QUICK, **more: object) -> AuditTrail:
    directory.mkdir(parents=True, exist_ok=True)
    metrics = more.pop("metrics", None) or TrailMetrics.of(Metrics("test"))
    return AuditTrail(directory, directory.name, settings, metrics=metrics, log=LOG, **more)  # type: ignore[arg-type]


def records_in(path: Path) -> Iterator[Row]:
    for block in Segment.open(path).blocks():
        yield from unpack(block.content)


class Forgery:
    """One segment, taken apart and put together again by somebody who knows the format."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.segment = Segment.open(path)
        self.blocks = [[*unpack(block.content)] for block in self.segment.blocks()]
        self.found = list(Segment.open(path).blocks())

    def write(self, changed: int, *, rehash: bool) -> None:
        """Puts block ``changed`` back, with a right hash of its own if ``rehash``."""
        block = self.found[changed]
        data = self.segment.data
        length = HEAD.size + HASH_BYTES + len(block.content)
        content = pack(self.blocks[changed])
        head = HEAD.pack(
            1, len(content), len(self.blocks[changed]), block.first, block.at, block.monotonic
        )
        previous = self.found[changed - 1].head if changed else self._header_hash()
        digest = chained(previous, head, content) if rehash else block.head
        forged = head + digest + content
        self._put(data[: block.offset] + forged + data[block.offset + length :])

    def write_all(self) -> None:
        """The whole segment anew, every hash right: only what was published can tell."""
        data = self.segment.data
        _, _, length = HEADER.unpack_from(data)
        end = HEADER.size + length + HASH_BYTES
        head_hash, made, first = self._header_hash(), data[:end], self.segment.first
        for block, content_rows in zip(self.found, self.blocks, strict=True):
            content = pack(content_rows)
            head = HEAD.pack(1, len(content), len(content_rows), first, block.at, block.monotonic)
            head_hash = chained(head_hash, head, content)
            made += head + head_hash + content
            first += len(content_rows)
        self._put(made)

    def _header_hash(self) -> bytes:
        _, _, length = HEADER.unpack_from(self.segment.data)
        end = HEADER.size + length
        return sha256(self.segment.previous + self.segment.data[:end]).digest()

    def _put(self, data: bytes) -> None:
        self.path.chmod(0o600)
        self.path.write_bytes(data)


__all__ = ["QUICK", "Forgery", "evolve", "message", "records_in", "rows", "trail", "write_chain"]
