"""Rows into files: JSON lines, CSV, Parquet. A file is there whole or not at all.

Parquet needs pyarrow, an optional part of the installation.
"""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Final

from kalshi_fix.adapters.audit.segments import AuditError
from kalshi_fix.processes.audit_export import COLUMNS, Row

_ROWS_PER_GROUP: Final = 50_000
_NUMBERS: Final = frozenset({"sequence", "at_ns"})


def write(form: str, path: Path, rows: Iterable[Row]) -> int:
    """Writes the rows and returns how many; ``form`` is a key of `WRITERS`.

    Raises:
        AuditError: the file is there already, or Parquet cannot be written here.
        OSError: the disk.
    """
    if path.exists():
        raise AuditError(f"{path}: is there already")
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            count = WRITERS[form](file, rows)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return count


def _json_lines(file: IO[bytes], rows: Iterable[Row]) -> int:
    count = 0
    for row in rows:
        filled = {name: value for name, value in row.items() if value != ""}
        file.write(json.dumps(filled).encode() + b"\n")
        count += 1
    return count


class _Text:
    """What `csv` needs: text in, bytes out."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        """Writes text."""
        return self._file.write(text.encode())


def _csv(file: IO[bytes], rows: Iterable[Row]) -> int:
    writer = csv.DictWriter(_Text(file), COLUMNS)
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    return count


def _parquet(file: IO[bytes], rows: Iterable[Row]) -> int:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional part
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError:
        raise AuditError("parquet needs pyarrow: pip install 'kalshi-fix[parquet]'") from None
    kinds = [(name, pa.int64() if name in _NUMBERS else pa.string()) for name in COLUMNS]
    schema = pa.schema(kinds)
    count = 0
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _groups(rows):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
            count += len(group)
    return count


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    waiting = iter(rows)
    while group := list(islice(waiting, _ROWS_PER_GROUP)):
        yield group


WRITERS: Final[dict[str, Callable[[IO[bytes], Iterable[Row]], int]]] = {
    "jsonl": _json_lines,
    "csv": _csv,
    "parquet": _parquet,
}
