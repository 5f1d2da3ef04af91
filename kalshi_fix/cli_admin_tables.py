"""How rows of the admin service look to a person: a table, or a list of facts for a single thing.

Programs get the same rows with ``--json``. Nothing here asks the service.
"""

import sys
from collections.abc import Sequence
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from kalshi_fix.services.admin_reads import STATUS

WIDTH: Final = 180  # where the output is no terminal, so that lines are not cut for a file

# Columns of a table; a row may hold more, which a person sees by naming the thing.
_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "markets.list": (
        "symbol", "status", "value", "last", "volume", "open_interest", "settles_at", "title",
    ),
    "sessions.list": (
        "session", "firm", "role", "up", "gateway", "epoch", "enabled", "killed", "segment",
        "accounts",
    ),
    "check": ("check", "result", "detail"),
    "history": ("at", "operator", "command", "outcome", "why", "request_id"),
}  # fmt: skip
_FACTS: Final = frozenset(("markets.list", "accounts.show"))  # one row of these is a list of facts


def show_rows(operation: str, rows: Sequence[dict[str, Any]], *, single: bool) -> None:
    """Prints the rows; ``single``: the operator asked for one thing."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    if not rows:
        console.print("nothing found" if single else "none")
    elif operation == STATUS:
        console.print(_side_by_side(rows))
    elif single and len(rows) == 1 and operation in _FACTS:
        console.print(_facts(rows[0]))
    else:
        console.print(_table(operation, rows))


def _table(operation: str, rows: Sequence[dict[str, Any]]) -> Table:
    columns = _COLUMNS.get(operation) or tuple(rows[0])
    shards = {row.get("shard") for row in rows}
    if "shard" not in columns and len(shards) > 1:
        columns = (*columns, "shard")
    elif len(shards) == 1:
        columns = tuple(column for column in columns if column != "shard")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        numeric = all(_is_number(row.get(column)) for row in rows)
        table.add_column(column.replace("_", " "), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(text_of(row.get(column, "")) for column in columns))
    return table


def _facts(row: dict[str, Any]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    for name, value in row.items():
        table.add_row(name.replace("_", " "), text_of(value))
    return table


def _side_by_side(rows: Sequence[dict[str, Any]]) -> Table:
    """A column per row: few things with many facts."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("shard", style="bold")
    for row in rows:
        table.add_column(row["shard"])
    names = dict.fromkeys(name for row in rows for name in row if name != "shard")
    for name in names:
        cells = (_lines_of(row.get(name, "")) for row in rows)
        table.add_row(name.replace("_", " "), *cells)
    return table


def _lines_of(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{name} {item}" for name, item in value.items())
    return text_of(value)


def text_of(value: object) -> str:
    """A value as a person reads it in one cell."""
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, dict):
        return "  ".join(f"{name} {item}" for name, item in value.items())
    if isinstance(value, list | tuple):
        return " ".join(str(item) for item in value)
    return str(value)


def _is_number(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (
        isinstance(value, str) and value.lstrip("-").replace(".", "", 1).isdigit()
    )
