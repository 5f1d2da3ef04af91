"""Statements as files: a directory per firm, day and occasion that is there whole or not at all.

CSV with one header line and RFC 4180 quoting, the same as one JSON object, and a page of text. What
is published is never changed: a directory that is there stays as it is.
"""

import csv
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from kalshi_fix.adapters.durable import sync_directory
from kalshi_fix.services.statements import Table, as_text

START: Final = "start-of-day"
END: Final = "end-of-day"
_BEING_WRITTEN: Final = ".new"


def directory_of(root: Path, firm: str, date: int, occasion: str) -> Path:
    """Where a firm's files of a day are: ``START`` or ``END``.

    A name may hold anything printable: what could lead elsewhere is written as in a URL.
    """
    name = quote(firm, safe="")
    if name.startswith("."):
        name = f"%2E{name[1:]}"
    return root / name / str(date) / occasion


def publish(directory: Path, firm: str, date: int, tables: Sequence[Table]) -> bool:
    """Writes all files of one occasion; False where they are there already.

    Raises:
        OSError: the disk.
    """
    if directory.exists():
        return False
    fresh = directory.with_name(directory.name + _BEING_WRITTEN)
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True, mode=0o700)
    for table in tables:
        _write_csv(fresh / f"{table.name}.csv", table)
    _write(fresh / f"{directory.name}.json", _as_json(firm, date, tables))
    _write(fresh / f"{directory.name}.txt", as_text(f"{firm} {date} {directory.name}", tables))
    sync_directory(fresh)
    fresh.rename(directory)
    sync_directory(directory.parent)
    return True


def _write_csv(path: Path, table: Table) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table.columns)
        writer.writerows(table.rows)
        file.flush()
        os.fsync(file.fileno())


def _as_json(firm: str, date: int, tables: Sequence[Table]) -> str:
    """One object, each row on a line of its own."""
    parts = [f'"Firm": {json.dumps(firm)}', f'"TradeDate": "{date}"']
    for table in tables:
        rows = ",\n  ".join(json.dumps(record) for record in table.records())
        parts.append(f'"{table.name}": [{rows}]')
    return "{" + ",\n ".join(parts) + "}\n"


def _write(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
