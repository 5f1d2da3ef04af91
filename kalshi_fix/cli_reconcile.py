"""``kalshi-fix reconcile``: an end-of-day statement against a client's own FIX log.

For a fund's back office: any log with the drop copy session's messages will do, one message per
line, fields separated by SOH, | or ^A.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from kalshi_fix.fix import readable
from kalshi_fix.fix.message import FixMessage
from kalshi_fix.processes.exit_codes import refuse
from kalshi_fix.services.reconciliation import reconcile as compared

_SHOWN_MAX = 50


def reconcile(
    statement: Annotated[Path, typer.Argument(help="end-of-day.json, or its directory.")],
    logs: Annotated[list[Path], typer.Argument(help="FIX logs, oldest first.")],
) -> None:
    """Compare a statement with the reports of a FIX log; exit code 1 where they differ."""
    path = statement / "end-of-day.json" if statement.is_dir() else statement
    try:
        told = json.loads(path.read_text())
        result = compared(told, _reports(logs))
    except (OSError, ValueError, KeyError) as error:
        raise typer.Exit(refuse(f"reconcile: {path}: {error!r}")) from error
    for difference in result.differences[:_SHOWN_MAX]:
        typer.echo(difference)
    typer.echo(
        f"{told['Firm']} {told['TradeDate']}: {result.reports} reports, {result.trades} trades, "
        f"{result.orders} open orders compared; {len(result.differences) or 'no'} differences"
    )
    raise typer.Exit(1 if result.differences else 0)


def _reports(logs: list[Path]) -> Iterator[FixMessage]:
    for path in logs:
        with path.open(encoding="latin-1") as file:
            for text in file:
                line = readable.find(text)
                if line is not None and line.msg_type == "8":
                    yield FixMessage("8", line.fields)
